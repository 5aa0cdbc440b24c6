"""The workflow behind a schedule: every node knows it without being told. Its instance's id is the schedule's.

       timer, end of a child, command
                  │
                  ▼
    look what has become due (recorded) ──► admit each time ──► start a child, wait, or skip ──► next timer, if it is needed

Invariants, and who keeps them:
* a time is dealt with once: what `Elapsed` records moves the cursor in the same turn that starts the children, and a child's id is made
  of the schedule's and the time, so no run, update or backfill starts it twice;
* no time is lost: the cursor is handed from run to run, and a run that begins looks at all that elapsed since;
* replay asks neither cron nor zones: what they said is in the journal;
* what runs is known: a new run adopts the children of the one before, so it may begin at any time, and history stays short.

No task, so a schedule needs no worker. A time that would be skipped needs no timer: it is counted when what runs has ended.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, cast

from msgspec import Raw, Struct
from msgspec.structs import replace

from actors import (
    ChildCancelled,
    ChildFailed,
    ChildTerminated,
    ChildTimedOut,
    Rejected,
    Workflow,
    command,
    query,
    validator,
)
from actors.child import ChildHandle, adopt, start_by_name
from actors.codec import decode_any
from actors.definition import WorkflowType
from actors.errors import InvalidInput
from runtime.schedules.policy import Elapsed, Verdict, admit, elapsed, needs_a_timer, next_waiting
from runtime.schedules.schedule import FIRST_YEAR, MAX_ID, Definition, Overlap, Schedule
from runtime.schedules.state import MOST_RECENT, Described, Item, Recent, Running, State
from runtime.schedules.times import next_times, stamp, times_between

if TYPE_CHECKING:
    from actors.program import Program

TYPE = "perdure-schedule"
STEPS = 50  # looks and starts after which a run starts over
MOST_BACKFILLED = 1000  # times of one backfill
MOST_NEXT = 100
KEEP = Raw(b"null")  # in the place of arguments: the old ones
_ROUNDING = 2e-6  # seconds: a timer is a float, and must not fire before its time


class Filled(Struct):
    """What a backfill came to: how many times there were, and what became of them so far."""

    times: int
    started: int
    waiting: int
    skipped: int


class ScheduleWorkflow(Workflow, name=TYPE):
    """See the module's docstring."""

    retention: ClassVar[timedelta | None] = timedelta(days=30)  # after its deletion

    def __init__(self) -> None:
        self.state = State(self.now())
        self.handles: dict[int, ChildHandle] = {}  # of what runs, by number
        self.watching: dict[int, asyncio.Future[None]] = {}
        self.looked_at: datetime | None = None
        self.due: datetime | None = None  # when to look again
        self.more = False  # look again at once
        self.woken = self.deleted = False
        self.steps = 0

    async def run(self, definition: Definition, state: State | None = None) -> None:
        """Keep a schedule until it is deleted; `state` is what the run before has left."""
        self.definition = definition
        if len(self.id.encode()) > MAX_ID:
            raise Rejected(f"a schedule's id has at most {MAX_ID} bytes, as what it starts has that id and a time")
        if state is None:
            self._say_what_it_is()
        else:
            self.state = state
            for running in state.running:
                self._watch(adopt(self._program, running.number, running.type, running.id), running)
        while not self.deleted:
            self.woken = False
            self._look()
            if self.steps >= STEPS:
                self.continue_as_new(self.definition, self.state)
            await self._wait()

    # -- commands -----------------------------------------------------------------------------------------

    @command
    def update(self, schedule: Schedule, workflow: str | None = None, input: Raw = KEEP) -> None:
        """Take other times or another policy, and perhaps something else to start; what is due is dealt with before."""
        self._look(late=False)
        self.definition = self._changed(schedule, workflow, input)
        self.state.cursor, self.looked_at = max(self.state.cursor, self.now()), None
        self._say_what_it_is()
        self.woken = True

    @validator(update)
    def may_update(self, schedule: Schedule, workflow: str | None = None, input: Raw = KEEP) -> None:
        """Refuse what can't be, and arguments that do not fit, as far as this node knows."""
        try:
            changed = self._changed(schedule, workflow, input)
            misfit = None if self._program.belated else self._misfit(changed)
        except (ValueError, InvalidInput) as error:
            misfit = str(error)
        if misfit is not None:
            raise Rejected(misfit)

    @command
    def pause(self, note: str = "") -> None:
        """Start nothing at the schedule's own times; those that pass are not made up for."""
        if not needs_a_timer(self.definition.schedule, busy=self._busy, waiting=len(self.state.waiting)):
            self._look()  # which starts nothing, and counts what was skipped until now
        self.state.paused, self.state.note = True, note
        self.set_search_attributes(paused=True)
        self.woken = True

    @command
    def unpause(self, note: str = "") -> None:
        """Go on with the next time; what waited is started."""
        self._look()  # while it is paused: all that has passed is past
        self.state.paused, self.state.note = False, note
        self.set_search_attributes(paused=False)
        self._start_waiting()
        self.woken = True

    @command
    def trigger(self, overlap: Overlap | None = None) -> str | None:
        """Start one now, also while paused; gives its id, None if the policy skips it. It may have to wait."""
        self._look()
        state = self.state
        at = self.now()
        if state.triggered_at is not None and at <= state.triggered_at:
            at = state.triggered_at + timedelta(microseconds=1)
        state.triggered_at = at
        item = Item(at, "trigger", overlap)
        verdict = self._admit(item)
        self.woken = True
        return None if verdict is Verdict.SKIP else item.id(self.id)

    @command
    def backfill(self, first: datetime, last: datetime, overlap: Overlap = Overlap.BUFFER_ALL) -> Filled:
        """Deal with the times from `first` to `last`, both inclusive, also while paused. One that was started before is not again."""
        schedule = self.definition.schedule

        def look() -> list[datetime]:
            return times_between(schedule, first, last, MOST_BACKFILLED)

        self._look()
        times = self.record(look)
        verdicts = [self._admit(Item(at, "backfill", overlap)) for at in times]
        self.woken = True
        skipped, started = verdicts.count(Verdict.SKIP), verdicts.count(Verdict.START)
        return Filled(len(times), started, len(times) - skipped - started, skipped)

    @validator(backfill)
    def may_backfill(self, first: datetime, last: datetime, overlap: Overlap = Overlap.BUFFER_ALL) -> None:
        """Refuse a span that is none, is not past, or holds more than can be dealt with."""
        if first.tzinfo is None or last.tzinfo is None:
            raise Rejected("both ends of a backfill need a time zone, such as 2027-01-01T00:00Z")
        if first.year < FIRST_YEAR:
            raise Rejected(f"a backfill begins in {FIRST_YEAR} or later, not at {stamp(first)}")
        if first > last:
            raise Rejected(f"a backfill goes from the earlier to the later time: {stamp(first)} is after {stamp(last)}")
        if last > self.now():
            raise Rejected(f"a backfill is for times that are past; {stamp(last)} is to come")
        if self._program.belated:
            return
        times = times_between(self.definition.schedule, first, last, MOST_BACKFILLED + 1)
        if len(times) > MOST_BACKFILLED:
            raise Rejected(f"there are more than {MOST_BACKFILLED} times between; do it in parts")
        room = self.definition.schedule.most_buffered - len(self.state.waiting)
        if overlap is Overlap.BUFFER_ALL and len(times) > room + (not self._busy):
            raise Rejected(
                f"there are {len(times)} times between, and room for {room} to wait: do it in parts, raise `most_buffered`, or "
                "let them run side by side (allow_all)"
            )

    @command
    def delete(self) -> None:
        """End the schedule. What it has started goes on; what waits is dropped."""
        self.deleted = True
        self.woken = True

    # -- queries ------------------------------------------------------------------------------------------

    @query
    def describe(self, count: int = 5) -> Described:
        """Say all of it, with the next times."""
        definition, state = self.definition, self.state
        left = self._left
        if state.paused or self.deleted:
            count = 0
        count = min(count, MOST_NEXT) if left is None else min(count, MOST_NEXT, left)
        return Described(
            self.id, definition.workflow, decode_any(definition.input), definition.schedule, state.paused, state.note,
            self.deleted, state.counts, state.waiting, state.running, state.recent,
            next_times(definition.schedule, self.now(), count), self._warning(),
        )  # fmt: skip

    # -- inside -------------------------------------------------------------------------------------------

    @property
    def _program(self) -> Program:
        return cast("Program", self._perdure)

    @property
    def _busy(self) -> bool:
        return bool(self.state.running)

    @property
    def _left(self) -> int | None:
        limit = self.definition.schedule.limit
        return None if limit is None else max(0, limit - self.state.counts.taken)

    def _warning(self) -> str | None:
        definition = self.definition
        if isinstance(self._program.kind.siblings.get(definition.workflow), WorkflowType):
            return self._misfit(definition)
        return f"this node knows no workflow {definition.workflow}: what is started waits for one that does"

    def _misfit(self, definition: Definition) -> str | None:
        """Say what is wrong with the arguments, as far as this node knows the workflow. Not for what is replayed."""
        kind = self._program.kind.siblings.get(definition.workflow)
        if not isinstance(kind, WorkflowType):
            return None
        try:
            kind.newest.run_signature.decode(definition.input_at(self.now()))
        except InvalidInput as error:
            return str(error)
        return None

    def _changed(self, schedule: Schedule, workflow: str | None, input: Raw) -> Definition:
        old = self.definition
        return Definition(schedule, workflow or old.workflow, old.input if bytes(input) == bytes(KEEP) else input)

    def _say_what_it_is(self) -> None:
        schedule = self.definition.schedule
        times = [*schedule.lines, *([] if schedule.every is None else [f"every {schedule.every:g} s"])]
        self.set_search_attributes(
            workflow=self.definition.workflow,
            times="; ".join(times)[:150],
            time_zone=schedule.time_zone[:150],
            paused=self.state.paused,
        )

    def _look(self, *, late: bool = True) -> None:
        """Deal with all that has become due; with `late` False also with what only its jitter keeps back."""
        state, now = self.state, self.now()
        if state.paused:
            state.cursor, self.due, self.more = max(state.cursor, now), None, False
            self.looked_at = None
            return
        if late and self.looked_at == now and not self.more:
            return  # another part of the code has looked in this turn
        self.looked_at = now
        schedule, id, cursor = self.definition.schedule, self.id, state.cursor
        busy, waiting, left = self._busy, len(state.waiting), self._left
        if not late:
            schedule = replace(schedule, jitter=0.0)

        def judge() -> Elapsed:
            return elapsed(schedule, id, cursor, now, busy=busy, waiting=waiting, left=left)

        found = self.record(judge)
        self.steps += 1
        state.cursor, self.due, self.more = found.cursor, found.due, found.more
        state.counts.skipped += found.skipped
        state.counts.missed += found.missed
        for at in found.taken:
            self._admit(Item(at))

    async def _wait(self) -> None:
        """Wait until something has happened, or until the next time, if it has to be met."""
        busy, waiting = self._busy, len(self.state.waiting)
        delay: float | None = None
        if self.more:
            delay = 0.0
        elif self.due is not None and needs_a_timer(self.definition.schedule, busy=busy, waiting=waiting):
            delay = max(0.0, (self.due - self.now()).total_seconds()) + _ROUNDING
        with suppress(TimeoutError):
            await self.until(lambda: self.woken, delay)

    def _admit(self, item: Item) -> Verdict:
        state, schedule = self.state, self.definition.schedule
        overlap = item.overlap or schedule.overlap
        held = (
            [each for each in state.waiting if each.by == "schedule"] if state.paused else []
        )  # nobody waits for those
        verdict = admit(overlap, self._busy, len(state.waiting) - len(held), schedule.most_buffered)
        if item.by == "schedule" and verdict is not Verdict.SKIP:
            state.counts.taken += 1
        match verdict:
            case Verdict.START:
                self._start(item)
            case Verdict.WAIT:
                state.waiting.append(item)
            case Verdict.REPLACE:
                state.counts.skipped += len(state.waiting) - len(held)
                state.waiting = [*held, item]
                self._end_running(overlap)
            case Verdict.SKIP:
                state.counts.skipped += 1
        return verdict

    def _start(self, item: Item) -> None:
        definition, id = self.definition, item.id(self.id)
        handle = start_by_name(self._program, definition.workflow, id, definition.input_at(item.at))
        running = Running(handle.number, definition.workflow, id, item.at, self.now())
        self.state.running.append(running)
        self.state.counts.started += 1
        self.steps += 1
        self._watch(handle, running)

    def _start_waiting(self) -> None:
        """Start the next one that waits, when nothing runs."""
        waiting = self.state.waiting
        if not self._busy and (place := next_waiting(waiting, paused=self.state.paused)) is not None:
            self._start(waiting.pop(place))

    def _end_running(self, overlap: Overlap) -> None:
        reason = f"{overlap} of the schedule {self.id}"
        for handle in self.handles.values():
            if overlap is Overlap.TERMINATE_OTHER:
                handle.terminate(reason)
            else:
                handle.cancel(reason)

    def _watch(self, handle: ChildHandle, running: Running) -> None:
        self.handles[handle.number] = handle
        self.watching[handle.number] = asyncio.ensure_future(self._hear(handle, running))

    async def _hear(self, handle: ChildHandle, running: Running) -> None:
        """Wait for the end of what was started, and go on with what waits for that."""
        outcome, error = "completed", None
        try:
            await handle
        except ChildFailed as failure:
            outcome, error = _OUTCOMES.get(type(failure), "failed"), failure.message
            if failure.type == "Conflict":
                outcome = "not_started"
        self._look()  # before it is over: what has become due until now has met it running
        state = self.state
        state.running.remove(running)
        if outcome == "not_started":
            state.counts.started -= 1
            state.counts.not_started += 1
        ended = Recent(running.id, running.at, running.started_at, self.now(), outcome, error)
        state.recent = [*state.recent, ended][-MOST_RECENT:]
        del self.handles[handle.number], self.watching[handle.number]
        self._start_waiting()
        self.woken = True


_OUTCOMES = {ChildCancelled: "cancelled", ChildTerminated: "terminated", ChildTimedOut: "timed_out"}
