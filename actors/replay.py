"""Running a workflow's code over its history: each fact is fed to it, and each decision compared with the next one
that is recorded. The first difference is the replay's trouble; from there on only the ledger hears of the events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from actors.codec import canonical
from actors.continuation import as_continued
from actors.errors import Bug, Nondeterminism, PayloadRefused, UpcastFailed
from actors.journal import (
    ChildCancelRequested,
    ChildStarted,
    CommandCompleted,
    CommandFailed,
    CommandSent,
    Emitted,
    Fact,
    InstanceDeleted,
    JournalEvent,
    Patched,
    Resumed,
    RunContinued,
    RunStarted,
    Said,
    Stuck,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TasksScheduled,
    TimerSet,
    Unpaused,
    ValueRecorded,
    decode_event,
)
from actors.ledger import Ledger
from actors.operation import TaskCall
from actors.precedents import Precedents
from actors.program import Program
from actors.retrying import pass_over, undone
from actors.sending import LastCommands, by_journal
from actors.turn import HistoryEvent
from actors.upcasting import NO_PAYLOADS, kept_under

E = TypeVar("E", bound=JournalEvent)


class Replay:
    """One replay.

    `owed` holds what the code decided and the journal does not have, `held` what came while it was paused and the code has not
    heard of; `trouble` is why it can't go on.
    """

    __slots__ = (
        "_begun_at", "_carried", "_fact_at", "_give_up", "_history", "_next_run", "_runs", "_undone", "held", "ledger", "owed", "program", "trouble",
    )  # fmt: skip

    def __init__(
        self,
        history: Sequence[HistoryEvent],
        program: Program,
        ledger: Ledger,
        give_up: Callable[[Nondeterminism | Bug], None],
        next_run: Callable[[RunContinued, float, int, Precedents], Program],
    ) -> None:
        self._history, self._begun_at = history, ledger.version
        self.program, self.ledger, self._give_up, self._next_run = program, ledger, give_up, next_run
        self.owed: deque[JournalEvent] = deque()
        self.held: list[Fact] = []  # what came while it was paused, and the code has not heard of
        self.trouble: Nondeterminism | Bug | None = None
        self._fact_at = 0  # version of the last fact
        self._runs = 0  # begun since then
        self._undone = undone(history)
        self._carried: dict[str, Said] = {}  # the last commands to others when the run began

    @property
    def history(self) -> Sequence[HistoryEvent]:
        """What is replayed."""
        return self._history

    def begin(self, continued: RunContinued, at: float, schema: int) -> None:
        """Begin a new run, right after the ledger has heard of it."""
        self._fact_at = self.ledger.version  # fed to the code like one
        self._runs += 1
        self._carried = continued.said
        try:
            continued = self._lifted(continued, schema, self.ledger.version)
            self.program = self._next_run(continued, at, self._runs, self._precedents())
            self.owed.extend(self.program.decided())
        except (Nondeterminism, Bug) as error:
            self._end(error)

    def said(self) -> LastCommands:
        """Give the last commands to others by the journal: what its code decided besides was never given."""
        return by_journal(self._history, self._carried)

    def events(self) -> Generator[JournalEvent, None, None]:
        """Apply one event of the run after the other, handing out each; to be run inside the program's loop.

        When it ends and `program` is another one, that one's run comes next.
        """
        program, ledger = self.program, self.ledger
        program.replaying, program.precedents = True, self._precedents()
        undone = self._undone or None
        try:
            for recorded in map(self._history.__getitem__, range(self._place, len(self._history))):
                event: JournalEvent | None = None
                if undone is not None and recorded.version in undone:
                    if (event := pass_over(ledger, recorded)) is not None:
                        yield event
                    continue
                try:
                    event = self._read(recorded)
                    if self.trouble is None:
                        if isinstance(event, Fact):
                            self._feed(event, recorded)
                        else:
                            self._match(event, recorded.version)
                except (Nondeterminism, Bug) as error:
                    self._end(error)
                if event is None:
                    ledger.version += 1
                    continue
                ledger.apply(event)
                if (continued := self._begins(event)) is not None:
                    if type(event) is RunStarted:
                        ledger.start_schema = recorded.schema
                    self.begin(continued, recorded.recorded_at.timestamp(), recorded.schema)
                    yield event
                    return
                yield event
        finally:
            program.replaying, program.precedents = False, None
            program.cleared.clear()  # nobody hears of what a replay did besides deciding
            program.given_up.clear()
            program.new_local_calls.clear()
        self._check_end()

    def _check_end(self) -> None:
        ledger = self.ledger
        if self.owed and not ledger.stuck and ledger.terminated is None:
            self._end(self._differs(ledger.version + 1, "nothing more", _asks_for(self.owed[0])))

    def _begins(self, event: JournalEvent) -> RunContinued | None:
        """Say how an event begins another run, if it does; the ledger has heard of it."""
        if type(event) is RunContinued:
            return event if self.trouble is None else None
        if type(event) is RunStarted and event.again:
            self.trouble = None  # what ended before is over, whatever it was
            self.owed.clear()
            self.held = []
            return as_continued(event)
        return None

    @property
    def _place(self) -> int:
        """How many of the history's events were applied."""
        return self.ledger.version - self._begun_at

    def _precedents(self) -> Precedents:
        return Precedents(self._history, self._place, lambda: self._fact_at)

    def _read(self, recorded: HistoryEvent) -> JournalEvent:
        try:
            event = decode_event(recorded.type, recorded.data)
        except PayloadRefused as error:
            raise self._differs(recorded.version, _unknown(recorded), f"can't read it: {error}") from error
        if event is None:
            raise self._differs(recorded.version, _unknown(recorded), "does not know that type")
        return event

    def _feed(self, fact: Fact, recorded: HistoryEvent) -> None:
        program, version = self.program, recorded.version
        if (type(fact) is RunStarted and fact.again) or type(fact) is InstanceDeleted:
            return  # another program's, or nobody's
        if self.owed and not self.ledger.stuck and not self._got_stuck_by(fact, version):
            raise self._differs(version, fact.title(), f"first {_asks_for(self.owed[0])}")
        self._fact_at, self._runs = version, 0
        heard = fact
        # A start is of the version that it names, which need not be the newest.
        if recorded.schema != 1 or program.kind.upcasters is not None or type(fact) is RunStarted:
            heard = self._lifted(fact, recorded.schema, version)
        program.loop.advance_to(recorded.recorded_at)
        if isinstance(fact, _OUTCOMES) and fact.name is not None:
            self._check_name(fact, version)
        if self.ledger.paused is not None and not self._goes_on(fact):
            self.held.append(heard)
            return
        program.feed(heard)
        if decided := program.decided(ending=not (program.is_over and self._is_stuck_after(fact, version))):
            self.owed.extend(decided)

    def _is_stuck_after(self, fact: Fact, version: int) -> bool:
        """Say whether more may be recorded before `Resumed`: a run does not end before its code has heard of that, too."""
        following = version - self._begun_at
        if following < len(self._history) and self._history[following].type == Stuck.__name__:
            return True
        return type(fact) is not Resumed and (self.ledger.stuck or type(fact) is Stuck)

    def _goes_on(self, fact: Fact) -> bool:
        """Let a paused instance's code hear of what it missed, when this fact says so; says whether it does."""
        if not isinstance(fact, Unpaused):
            return False
        held, self.held = self.held, []
        for missed in held:
            self.program.feed(missed)
        return True

    def _lifted(self, fact: E, schema: int, version: int) -> E:
        """Bring an old form of arguments or results into today's, for the code alone: the ledger keeps what was recorded."""
        kind = self.program.kind
        if (name := kept_under(fact)) is not None:
            self.ledger.schemas[name] = schema
        elif isinstance(fact, RunStarted | RunContinued):
            kind = kind.versions.get(fact.type_version, kind)
            if isinstance(fact, RunStarted):
                self.ledger.start_schema = schema
        upcasters = kind.upcasters or NO_PAYLOADS
        if schema > (newest := upcasters.newest(fact, self.ledger)):
            what = f"{fact.title()} of schema {schema}"
            raise self._differs(version, what, f"knows it up to schema {newest}")
        try:
            return upcasters.lift(fact, schema, self.ledger)
        except UpcastFailed as error:
            raise Bug(f"{self.program.stream}: {fact.title()} at version {version}: {error}") from error

    def _got_stuck_by(self, fact: JournalEvent, version: int) -> bool:
        """Say whether a mistake ended the turn of the fact just before: its decisions are owed until `Resumed`."""
        return isinstance(fact, Stuck) and not fact.between_turns and version == self._fact_at + 1

    def _match(self, event: JournalEvent, version: int) -> None:
        owed = self.owed
        if owed and _agrees(event, owed[0]):
            wanted = owed.popleft()
            if (
                isinstance(event, ChildStarted)
                and isinstance(wanted, ChildStarted)
                and self.program.child_recorded(event)
                and wanted.on_close != "abandon"  # else it was cancelled by hand, which the journal has, too
            ):
                self.owed = deque(each for each in owed if not _cancels(each, event.child))
        elif not isinstance(
            event, Patched
        ):  # which the code was told before it could ask, or does not ask for any more
            wants = _asks_for(owed[0]) if owed else "asks for nothing more at this point"
            raise self._differs(version, event.title(), wants)

    def _check_name(self, outcome: TaskCompleted | TaskFailed, version: int) -> None:
        """See that a local task's outcome belongs to the task that the code asked for: it has no other record."""
        number, program = outcome.task, self.program
        operation = program.open.get(number)
        if operation is not None and not (isinstance(operation, TaskCall) and operation.task.name == outcome.name):
            raise self._differs(version, outcome.title(), f"asks for {operation.title()}")
        if number > program.asked:
            raise self._differs(version, outcome.title(), f"has asked for {program.asked} operations only")

    def _differs(self, version: int, recorded: str, wanted: str) -> Nondeterminism:
        return Nondeterminism(self.program.stream, version, recorded, wanted)

    def _end(self, trouble: Nondeterminism | Bug) -> None:
        if self.trouble is None:
            self.trouble = trouble
            self.owed.clear()
            self._give_up(trouble)


def _agrees(recorded: JournalEvent, wanted: JournalEvent) -> bool:
    """Say whether a decision is the recorded one: the same kind, number and name. Values may change with the code."""
    kind = type(recorded)
    if kind is not type(wanted):
        return False
    identity = _IDENTITY.get(kind)
    return identity is None or identity(recorded) == identity(wanted)


def _cancels(decision: JournalEvent, child: int) -> bool:
    return isinstance(decision, ChildCancelRequested) and decision.child == child


def _asks_for(wanted: JournalEvent) -> str:
    return f"asks for {wanted.title()}"


def _unknown(recorded: HistoryEvent) -> str:
    return f"an event of type {recorded.type}"


_OUTCOMES = (TaskCompleted, TaskFailed)
# What of a decision has to be as recorded; the end of a run is there or not.
_IDENTITY: dict[type[JournalEvent], Callable[[Any], object]] = {
    TaskScheduled: attrgetter("task", "name"),
    TasksScheduled: lambda event: (event.first, event.name, len(event.inputs)),
    TimerSet: attrgetter("timer"),
    ChildStarted: attrgetter("child", "type", "id"),
    CommandSent: attrgetter("command", "type", "id", "name", "told"),
    ChildCancelRequested: attrgetter("child"),
    Emitted: lambda event: (event.type, canonical(event.data)),
    CommandCompleted: attrgetter("id"),
    CommandFailed: attrgetter("id"),
    Patched: attrgetter("name"),
    ValueRecorded: attrgetter("number"),
}
