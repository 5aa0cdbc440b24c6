"""How one fact becomes a turn: into the journal's fold and into the code, and out come decisions.

    fact ──► ledger.apply ──► fed to the code ──► loop runs until idle ──► decisions ──► Turn

A run that asks for another one is followed by it within the turn; a mistake in the code ends the turn with `Stuck`.
Nothing here reads a clock: time is the recorded time of the fact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from actors.consequences import CONSEQUENCES
from actors.continuation import MOST_RUNS, kept_run
from actors.definition import WorkflowType
from actors.errors import Bug, Nondeterminism, UnknownType, UpcastFailed
from actors.failures import error_info
from actors.journal import (
    ErrorInfo,
    Fact,
    JournalEvent,
    RunContinued,
    RunStarted,
    Stuck,
    encode_event,
)
from actors.ledger import Ledger
from actors.precedents import Precedents
from actors.program import Program
from actors.turn import HistoryEvent, NewRecord, Outcome, TimerRow, Turn
from actors.upcasting import NEWEST, carries_payload, kept_under

E = TypeVar("E", bound=JournalEvent)


class TurnMaker:
    """One activation's ledger and program. `broken` says why the code can't go on: then facts are recorded, and no decisions.
    While somebody has it paused, facts are recorded and kept for the code, which hears of them when it goes on.

    Not safe for several threads; a dropped one must be `dispose`d of.
    """

    __slots__ = (
        "__weakref__",
        "_held",
        "_opened",
        "_owed",
        "broken",
        "last_turn",
        "ledger",
        "parked",
        "program",
        "stream",
    )

    def __init__(self, kind: WorkflowType, stream: str) -> None:
        self.stream = stream
        self.ledger = Ledger()
        self.program = Program(kind, stream)
        self.broken: ErrorInfo | None = None
        self.parked = False  # broken for want of code alone
        self._owed: Sequence[JournalEvent] = ()  # decided while it was stuck, and not in the journal yet
        self._held: list[Fact] = []  # recorded while it was paused
        self.last_turn: list[HistoryEvent] | None = None  # of a run that has failed, as it was loaded
        self._opened: Turn | None = None  # what a retried run has to open again

    @property
    def kind(self) -> WorkflowType:
        """The code that runs: of the version that the instance was started with."""
        return self.program.kind

    @property
    def version(self) -> int:
        """How many events the stream has, those of turns not yet durable included."""
        return self.ledger.version

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended; None while it goes on."""
        return self.ledger.outcome

    def dispose(self) -> None:
        """Drop the coroutines; no user code gets to ask for anything any more."""
        self.program.dispose()

    def _take(self, fact: Fact, at: float) -> Turn:
        turn = Turn()
        self._run(turn, fact, at)
        return turn

    def _run(self, turn: Turn, fact: Fact, at: float) -> None:
        loop = self.program.loop
        loop.advance(at)
        self._append(turn, fact)
        if self.ledger.paused is not None:
            self._held.append(fact)
        elif self.broken is None:
            try:
                loop.inside(self.program.feed, fact)
                self._take_over(turn)
                self._settle(turn, at)
                if self.program.given_up:
                    self._give_up(turn, self.program.given_up)
                    self.program.given_up = []
            except Bug as bug:
                self._crash(turn, bug)

    def _crash(self, turn: Turn, bug: Bug) -> None:
        self._break(bug)
        turn.stuck = error = error_info(bug.__cause__ or bug)
        self._append(turn, Stuck(error))

    def _take_over(self, turn: Turn) -> None:
        """Put into the turn what the code did besides deciding."""
        program = self.program
        if program.cleared:
            for number in program.cleared:
                if (due := self.ledger.timers.pop(number, None)) is not None:
                    turn.timers_cleared.append(TimerRow(number, due))
            program.cleared.clear()
        if program.logs:
            turn.logs, program.logs = turn.logs + program.logs, []
        if program.new_local_calls:
            turn.local_calls, program.new_local_calls = turn.local_calls + program.new_local_calls, []

    def _append(self, turn: Turn, event: JournalEvent) -> None:
        kind = type(event)
        schema = 1 if self.program.kind.upcasters is None and not self.parked else self._schema(event)
        turn.events.append(NewRecord(kind.__name__, encode_event(event), schema))
        if (follow := CONSEQUENCES.get(kind)) is not None:
            follow(turn, event, self.ledger)
        self.ledger.apply(event)

    def _schema(self, event: JournalEvent) -> int:
        if self.parked:  # what forms there are is not known here
            schema = NEWEST if carries_payload(event) else 1
        else:
            kind = self.program.kind
            if isinstance(event, RunContinued | RunStarted):
                kind = kind.versions.get(event.type_version, kind)
            schema = 1 if kind.upcasters is None else kind.upcasters.newest(event, self.ledger)
        if (name := kept_under(event)) is not None:
            self.ledger.schemas[name] = schema
        elif isinstance(event, RunStarted):
            self.ledger.start_schema = schema
        return schema

    def _settle(self, turn: Turn, at: float) -> None:
        if self._owed:
            for event in self._owed:
                self._append(turn, event)
            self._owed = ()
        for event in self.program.decided():
            self._append(turn, event)
        runs = 0
        while (continued := self.program.continued) is not None:
            runs += 1
            self._begin(turn, continued, at, runs)

    def _begin(self, turn: Turn, continued: RunContinued, at: float, runs: int) -> None:
        """Begin a new run in a turn that has its event."""
        turn.new_run = kept_run(self.ledger, continued, at, self._schema(continued))
        program = self._next_run(continued, at, runs)
        self._take_over(turn)
        for event in program.decided():
            self._append(turn, event)

    def _next_run(self, continued: RunContinued, at: float, runs: int, precedents: Precedents | None = None) -> Program:
        """Begin a new run, right after the ledger has heard of it; `runs` says how many this turn has begun.

        Raises:
            Bug: the code raised something undeclared, or starts over and over without ever waiting.
        """
        self.program.dispose()
        self.broken, self.parked, ledger = None, False, self.ledger
        self.program = program = Program(self.kind, self.stream, ledger.run, continued.asked)
        program.replaying, program.precedents = precedents is not None, precedents
        kind = self.kind.versions.get(continued.type_version, self.kind)
        for settled in ledger.promises.values():
            program.promises.settle(self._lifted(settled, kind))
        program.forked(None if ledger.start is None else ledger.start.origin)
        if runs > MOST_RUNS:
            raise Bug(f"{self.stream} has continued as new {MOST_RUNS} times without ever waiting for anything")
        program.loop.advance(at)
        for heard in (continued, *continued.completed, *continued.failed):
            program.loop.inside(program.feed, heard)
        if ledger.cancel is not None:
            program.loop.inside(program.feed, ledger.cancel)
        for taken in list(ledger.commands.values()):  # those that the former run has left
            program.loop.inside(program.feed, self._lifted(taken.received, program.kind))
        return program

    def _lifted(self, heard: E, kind: WorkflowType) -> E:
        """Bring what a former run has heard into the form that the new run's code knows."""
        if kind.upcasters is None or (name := kept_under(heard)) is None:
            return heard
        try:
            return kind.upcasters.lift(heard, self.ledger.schemas.get(name, 1), self.ledger)
        except UpcastFailed as error:
            raise Bug(f"{self.stream}: {heard.title()}, which a former run has left: {error}") from error

    def _give_up(self, turn: Turn, numbers: list[int]) -> None:
        """Close the messages of tasks that nobody awaits any more, and stop those that run inside the node."""
        ledger, local = self.ledger, []
        for number in numbers:
            if (task := ledger.tasks.get(number)) is not None:
                task.awaited = False
                if turn.finished is None:  # else all were closed
                    turn.tasks_closed.append(number)
            elif number not in ledger.ended:
                local.append(number)
        closed = set(turn.tasks_closed)
        turn.tasks = [task for task in turn.tasks if task.task not in closed]
        if local:
            turn.local_given_up = local
            turn.local_calls = [call for call in turn.local_calls if call.task not in local]

    def _break(self, error: Nondeterminism | Bug) -> None:
        cause = error.__cause__ if isinstance(error, Bug) and error.__cause__ is not None else error
        self.broken, self.parked = error_info(cause), isinstance(error, UnknownType)
        self.program.dispose()
