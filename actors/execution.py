"""One activation of one workflow instance: facts in, turns out.

    fact ──► ledger.apply ──► fed to the code ──► loop runs until idle ──► decisions ──► Turn

Live and in replay the code runs the same way; the difference is what happens to its decisions. Live, they become
new events. In replay they are compared, in order, with the decisions that the journal has. So these hold:

* a turn appends one fact followed by its decisions, and both are committed together;
* when a fact comes, every decision before it has been matched, unless the instance was stuck in between: then
  facts are recorded without decisions, and the decisions owed follow the `Resumed` event.

Nothing here reads a clock: time is the recorded time of the fact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from operator import attrgetter
from typing import Any

from msgspec import Raw

from actors.definition import WorkflowType
from actors.errors import Bug, Nondeterminism, PayloadRefused
from actors.failures import error_info
from actors.journal import (
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    ErrorInfo,
    Fact,
    JournalEvent,
    Resumed,
    RunCompleted,
    RunFailed,
    RunStarted,
    Stuck,
    TaskAttemptFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
    TimerSet,
    decode_event,
    encode_event,
)
from actors.ledger import Ledger
from actors.program import Program
from actors.turn import Answer, HistoryEvent, LocalCall, NewRecord, Outcome, TimerRow, Turn


class Execution:
    """See the module's docstring. Not safe for several threads; a dropped one must be `dispose`d of."""

    __slots__ = ("__weakref__", "_fact_at", "_owed", "broken", "kind", "ledger", "program", "stream")

    def __init__(self, kind: WorkflowType, stream: str) -> None:
        self.kind, self.stream = kind, stream
        self.ledger = Ledger()
        self.program = Program(kind, stream)
        self.broken: ErrorInfo | None = None
        self._owed: deque[JournalEvent] | None = None  # decided, and not in the journal yet
        self._fact_at = 0  # version of the last fact that was replayed

    # -- what the runtime asks ----------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """How many events the stream has, those of turns not yet durable included."""
        return self.ledger.version

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended; None while it goes on."""
        return self.ledger.outcome

    def replay(self, history: Iterable[HistoryEvent]) -> None:
        """Rebuild the instance from its journal, in order, from the first event.

        Raises:
            Nondeterminism: the code does not do what the journal says. The instance is `broken`, and still records facts.
            Bug: user code raised something undeclared. The same.
        """
        # Inside once for all of it, and run through in the quickest way there is.
        self.program.loop.inside(deque, self._rebuilding(history), 0)

    def steps(self, history: Iterable[HistoryEvent]) -> Iterator[JournalEvent]:
        """Rebuild like `replay`, handing out each event after it was applied: for looking at the state in between."""
        with closing(self._rebuilding(history)) as events:
            while (event := self.program.loop.inside(next, events, None)) is not None:
                yield event

    def start(self, input: Raw, command_id: str | None, at: float) -> Turn:
        """Create the instance. The arguments must have been checked with `kind.run_signature`."""
        return self._take(RunStarted(input, command_id), at)

    def command(self, id: str, name: str, input: Raw, at: float) -> Turn:
        """Take a command. Its name and arguments must have been checked with `kind.commands`."""
        return self._take(CommandReceived(id, name, input), at)

    def task_completed(self, task: int, result: Raw, at: float, *, local: str | None = None) -> Turn:
        """Take a task's result; `local` is the name of a local task. An empty turn when it has an outcome already."""
        if not self.ledger.is_new_outcome(task, local=local is not None):
            return Turn()
        return self._take(TaskCompleted(task, result, local), at)

    def task_failed(self, task: int, error: ErrorInfo, attempts: int, at: float, *, local: str | None = None) -> Turn:
        """Take a task's final failure; `local` is the name of a local task."""
        if not self.ledger.is_new_outcome(task, local=local is not None):
            return Turn()
        return self._take(TaskFailed(task, error, attempts, local), at)

    def task_attempt_failed(self, task: int, attempt: int, error: ErrorInfo, retry_at: float, at: float) -> Turn:
        """Record a failed attempt that another one follows; an empty turn when it is not the current attempt."""
        open_task = self.ledger.tasks.get(task)
        if open_task is None or open_task.attempt != attempt or self.outcome is not None:
            return Turn()
        return self._take(TaskAttemptFailed(task, attempt, error, retry_at), at)

    def timer_fired(self, number: int, at: float) -> Turn:
        """Take a timer that came due; an empty turn when nobody waits for it any more."""
        waited_for = number in self.ledger.timers if self.broken else number in self.program.timers
        if not waited_for or self.outcome is not None:
            return Turn()
        return self._take(TimerFired(number), at)

    def stick(self) -> Turn:
        """Record that the instance is broken; an empty turn when the journal says so already."""
        if self.broken is None or self.ledger.stuck or self.outcome is not None:
            return Turn()
        turn = Turn(stuck=self.broken)
        self._append(turn, Stuck(self.broken))
        return turn

    def resume(self, at: float) -> Turn:
        """Record that a stuck instance goes on, with the decisions that it owes. Call it after a good `replay`."""
        if self.broken is not None or not self.ledger.stuck:
            return Turn()
        turn = Turn(resumed=True)
        self.program.loop.advance(at)
        self._append(turn, Resumed())
        self._settle(turn)
        turn.timers_cleared += self._forget_timers()
        return turn

    def pending_local_calls(self) -> list[LocalCall]:
        """Give the local tasks that the code waits for: after a replay, these have to run again."""
        return [] if self.broken else list(self.program.local_calls.values())

    def query(self, name: str, input: Raw) -> bytes:
        """Answer a query from the state in memory.

        Raises:
            InvalidInput: an unknown name, or arguments that do not fit.
            Bug: the instance is broken, or the query raised something undeclared.
            Failure: the query raised it.
        """
        if self.broken is not None:
            self.kind.query(name).signature.decode(input)
            raise Bug(f"{self.stream} is stuck, so its state is not known: {self.broken.type}: {self.broken.message}")
        return self.program.query(name, input)

    def state(self) -> dict[str, Any]:
        """Give the instance's attributes: what a person wants to see of it."""
        instance = self.program.instance
        attributes = {} if instance is None else vars(instance)
        return {name: value for name, value in attributes.items() if name != "_perdure"}

    def waiting_for(self) -> list[str]:
        """Say in words what the code waits for now."""
        return self.program.waiting_for()

    def dispose(self) -> None:
        """Drop the coroutines; no user code gets to ask for anything any more."""
        self.program.dispose()

    # -- inside -------------------------------------------------------------------------------------------

    def _take(self, fact: Fact, at: float) -> Turn:
        turn, loop = Turn(), self.program.loop
        loop.advance(at)
        self._append(turn, fact)
        if self.broken is None:
            try:
                loop.inside(self.program.feed, fact)
            except Bug as bug:
                self._break(bug)
                turn.stuck = error = error_info(bug.__cause__ or bug)
                self._append(turn, Stuck(error))
            else:
                self._take_over(turn)
                self._settle(turn)
        return turn

    def _take_over(self, turn: Turn) -> None:
        """Put into the turn what the code did besides deciding."""
        program = self.program
        if program.cleared:
            for number in program.cleared:
                if (due := self.ledger.timers.pop(number, None)) is not None:
                    turn.timers_cleared.append(TimerRow(number, due))
            program.cleared.clear()
        if program.logs:
            turn.logs, program.logs = program.logs, []
        if program.new_local_calls:
            turn.local_calls, program.new_local_calls = program.new_local_calls, []

    def _append(self, turn: Turn, event: JournalEvent) -> None:
        kind = type(event)
        turn.events.append(NewRecord(kind.__name__, encode_event(event)))
        if (follow := _CONSEQUENCES.get(kind)) is not None:
            follow(turn, event, self.ledger)
        self.ledger.apply(event)

    def _settle(self, turn: Turn) -> None:
        owed, self._owed = self._owed, None
        for event in owed or ():
            self._append(turn, event)
        for event in self.program.decided():
            self._append(turn, event)

    def _forget_timers(self) -> list[TimerRow]:
        """Drop the timers that the journal set and the code, with all of the journal behind it, does not wait for."""
        ledger = self.ledger
        dropped = [TimerRow(number, due) for number, due in ledger.timers.items() if number not in self.program.timers]
        for row in dropped:
            del ledger.timers[row.number]
        return dropped

    def _rebuilding(self, history: Iterable[HistoryEvent]) -> Generator[JournalEvent, None, None]:
        """Apply one event after the other, inside the loop."""
        self.program.replaying = True
        trouble: Nondeterminism | Bug | None = None
        try:
            for recorded in history:
                event: JournalEvent | None = None
                try:
                    event = self._read(recorded)
                    if trouble is None:
                        self._replay_event(event, recorded)
                except (Nondeterminism, Bug) as error:
                    if trouble is None:
                        trouble = error
                        self._break(error)
                if event is None:
                    self.ledger.version += 1
                else:
                    self.ledger.apply(event)
                    yield event
        finally:
            self.program.replaying = False
            self.program.cleared.clear()  # nobody hears of what a replay did besides deciding
            self.program.new_local_calls.clear()
        if trouble is None and self._owed and not self.ledger.stuck:
            trouble = self._differs(self.version + 1, "nothing more", _asks_for(self._owed[0]))
            self._break(trouble)
        if trouble is not None:
            raise trouble
        if not self.ledger.stuck:
            self._forget_timers()

    def _read(self, recorded: HistoryEvent) -> JournalEvent:
        what = f"an event of type {recorded.type}"
        try:
            event = decode_event(recorded.type, recorded.data)
        except PayloadRefused as error:
            raise self._differs(recorded.version, what, f"can't read it: {error}") from error
        if event is None:
            raise self._differs(recorded.version, what, "does not know that type")
        return event

    def _replay_event(self, event: JournalEvent, recorded: HistoryEvent) -> None:
        if not event.is_fact:
            self._match(event, recorded.version)
            return
        if self._owed and not self.ledger.stuck and not self._got_stuck_by(event, recorded.version):
            raise self._differs(recorded.version, event.title(), f"first {_asks_for(self._owed[0])}")
        self._fact_at = recorded.version
        self.program.loop.advance(recorded.recorded_at.timestamp())
        self._check_name(event, recorded.version)
        self.program.feed(event)
        if decided := self.program.decided():
            self._owed = deque(decided) if self._owed is None else self._owed + deque(decided)

    def _got_stuck_by(self, event: JournalEvent, version: int) -> bool:
        """Say whether a mistake ended the turn of the fact just before: its decisions are owed until `Resumed`."""
        return isinstance(event, Stuck) and event.error.type != "Nondeterminism" and version == self._fact_at + 1

    def _match(self, event: JournalEvent, version: int) -> None:
        if not self._owed:
            raise self._differs(version, event.title(), "asks for nothing more at this point")
        if not _agrees(event, wanted := self._owed.popleft()):
            raise self._differs(version, event.title(), _asks_for(wanted))

    def _check_name(self, event: JournalEvent, version: int) -> None:
        """See that a local task's outcome belongs to the task that the code asked for: it has no other record."""
        if not isinstance(event, (TaskCompleted, TaskFailed)) or event.name is None:
            return
        waiting = self.program.waiting.get(event.task)
        if waiting is not None and waiting[0].name != event.name:
            raise self._differs(version, event.title(), f"asks for the local task #{event.task} {waiting[0].name}")
        if event.task > self.program.asked:
            raise self._differs(version, event.title(), f"has asked for {self.program.asked} operations only")

    def _differs(self, version: int, recorded: str, wanted: str) -> Nondeterminism:
        return Nondeterminism(self.stream, version, recorded, wanted)

    def _break(self, error: Nondeterminism | Bug) -> None:
        cause = error.__cause__ if isinstance(error, Bug) and error.__cause__ is not None else error
        self.broken = error_info(cause)
        self._owed = None
        self.program.dispose()


def _agrees(recorded: JournalEvent, wanted: JournalEvent) -> bool:
    """Say whether a decision is the recorded one: the same kind, number and name. Values may change with the code."""
    kind = type(recorded)
    if kind is not type(wanted):
        return False
    identity = _IDENTITY.get(kind)
    return identity is None or identity(recorded) == identity(wanted)


def _asks_for(wanted: JournalEvent) -> str:
    return f"asks for {wanted.title()}"


def _task_scheduled(turn: Turn, event: TaskScheduled, _: Ledger) -> None:
    turn.tasks.append(event)


def _task_ended(turn: Turn, event: TaskCompleted | TaskFailed, _: Ledger) -> None:
    if event.name is None:  # a local task has no message that is to be closed
        turn.tasks_closed.append(event.task)


def _timer_set(turn: Turn, event: TimerSet, _: Ledger) -> None:
    turn.timers_set.append(TimerRow(event.timer, event.due))


def _timer_fired(turn: Turn, event: TimerFired, ledger: Ledger) -> None:
    turn.timers_cleared.append(TimerRow(event.timer, ledger.timers[event.timer]))


def _command_completed(turn: Turn, event: CommandCompleted, _: Ledger) -> None:
    turn.answers.append(Answer(event.id, Outcome(result=event.result)))


def _command_failed(turn: Turn, event: CommandFailed, _: Ledger) -> None:
    turn.answers.append(Answer(event.id, Outcome(error=event.error)))


def _run_completed(turn: Turn, event: RunCompleted, ledger: Ledger) -> None:
    _run_ended(turn, Outcome(result=event.result), ledger)


def _run_failed(turn: Turn, event: RunFailed, ledger: Ledger) -> None:
    _run_ended(turn, Outcome(error=event.error), ledger)


def _run_ended(turn: Turn, outcome: Outcome, ledger: Ledger) -> None:
    turn.finished = outcome
    turn.tasks_closed.extend(ledger.tasks)
    turn.timers_cleared.extend(TimerRow(number, due) for number, due in ledger.timers.items())


# What an event means for the turn that appends it; the ledger does not know of it yet.
_CONSEQUENCES: dict[type[JournalEvent], Callable[[Turn, Any, Ledger], None]] = {
    TaskScheduled: _task_scheduled,
    TaskCompleted: _task_ended,
    TaskFailed: _task_ended,
    TimerSet: _timer_set,
    TimerFired: _timer_fired,
    CommandCompleted: _command_completed,
    CommandFailed: _command_failed,
    RunCompleted: _run_completed,
    RunFailed: _run_failed,
}
# What of a decision has to be as recorded; the end of a run is there or not.
_IDENTITY: dict[type[JournalEvent], Callable[[Any], object]] = {
    TaskScheduled: attrgetter("task", "name"),
    TimerSet: attrgetter("timer"),
    CommandCompleted: attrgetter("id"),
    CommandFailed: attrgetter("id"),
}
