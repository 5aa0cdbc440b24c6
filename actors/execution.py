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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from msgspec import UNSET, Raw, UnsetType

from actors.attributes import Attribute
from actors.consequences import CONSEQUENCES, DEADLINE
from actors.continuation import MOST_RUNS, KeptRun, as_continued, kept_run
from actors.definition import WorkflowType
from actors.errors import Bug, Nondeterminism, UnknownType, UpcastFailed
from actors.failures import error_info
from actors.forking import Copying, only_new, open_work
from actors.journal import (
    Caller,
    CancelRequested,
    ChildCompleted,
    ChildFailed,
    CommandAnswered,
    CommandReceived,
    CommandSent,
    ErrorInfo,
    Fact,
    JournalEvent,
    PromiseRejected,
    PromiseResolved,
    Resumed,
    RunContinued,
    RunStarted,
    RunTerminated,
    RunTimedOut,
    Stop,
    Stuck,
    TaskAttemptFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    encode_event,
)
from actors.ledger import Ledger
from actors.precedents import Precedents
from actors.program import Program
from actors.replay import Replay
from actors.turn import HistoryEvent, LocalCall, NewRecord, Outcome, TimerRow, Turn
from actors.upcasting import NEWEST, carries_payload

_FAR = 2**20  # further than the numbers of any one run are expected to go


class Execution:
    """See the module's docstring. Not safe for several threads; a dropped one must be `dispose`d of."""

    __slots__ = ("__weakref__", "_owed", "broken", "ledger", "parked", "program", "stream")

    def __init__(self, kind: WorkflowType, stream: str) -> None:
        self.stream = stream
        self.ledger = Ledger()
        self.program = Program(kind, stream)
        self.broken: ErrorInfo | None = None
        self.parked = False  # broken for want of code alone
        self._owed: Sequence[JournalEvent] = ()  # decided while it was stuck, and not in the journal yet

    # -- what the runtime asks ----------------------------------------------------------------------------

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

    def replay(self, history: Iterable[HistoryEvent], kept: KeptRun | None = None) -> None:
        """Rebuild the instance from its journal, in order, from the first event, or from the one after those of `kept`.

        Raises:
            Nondeterminism: the code does not do what the journal says. The instance is `broken`, and still records facts.
            Bug: user code raised something undeclared. The same.
        """
        self._run_through(self._replay(history, kept))

    def steps(self, history: Iterable[HistoryEvent]) -> Iterator[JournalEvent]:
        """Rebuild like `replay`, handing out each event after it was applied: for looking at the state in between."""
        replay = self._replay(history, None)
        program = None
        while program is not self.program:
            program = self.program
            with closing(replay.events()) as events:
                while (event := program.loop.inside(next, events, None)) is not None:
                    yield event
        self._rebuilt(replay)

    def adopt(self, history: Sequence[HistoryEvent], at: float) -> tuple[Turn, dict[int, JournalEvent]]:
        """Begin with events that were copied from another instance; see `forking`.

        Returns:
            The turn that opens anew what they leave open, and decides what is left to decide; and the events, by
            version, that name something else now.

        Raises:
            Nondeterminism, Bug: the code does not do what these events say. The instance is of no use.
        """
        replay = Copying(history, self.program, self.ledger, self._break, self._next_run)
        self._run_through(replay)
        if self.outcome is not None:
            return Turn(), replay.renamed
        turn = open_work(self.ledger, self.program.timers, history)
        self.program.loop.advance(at)
        for event in self._owed:
            if isinstance(event, CommandSent):
                event.after = None  # the one before it was the other instance's to give
        if self.ledger.stuck:
            self._append(turn, Resumed())
        self._settle(turn, at)
        only_new(turn)
        return turn, replay.renamed

    def start(
        self,
        input: Raw,
        command_id: str | None,
        at: float,
        caller: Caller | None = None,
        stop: Stop | None = None,
        *,
        attributes: dict[str, Attribute] | None = None,
        memo: Raw | UnsetType = UNSET,
        timeout: float | None = None,
    ) -> Turn:
        """Create the instance, or start it again when it has ended. The arguments must have been checked with `kind.run_signature`, for else it gets stuck.

        With `stop` it ends at once, for its caller changed its mind; its code never runs. `timeout`, in seconds, stands for
        that of its class.
        """
        again = self.outcome is not None
        kind = self.kind.newest if again else self.kind
        timeout = kind.run_timeout if timeout is None else timeout
        deadline = None if timeout is None else at + timeout
        started = RunStarted(input, command_id, caller, kind.version, stop, attributes, memo, deadline=deadline)
        if again:
            # Code that broke early has not asked for all that was numbered.
            started.again = True
            started.asked = self.program.asked + (_FAR if self.broken is not None else 0)
            return self._start_again(started, at)
        turn = self._take(started, at)
        if stop is not None and stop.how == "terminate":
            self._append(turn, RunTerminated(command_id or "", stop.reason, stop.tree))
        return turn

    def stop(self, stop: Stop, id: str, at: float) -> Turn:
        """Cancel or terminate, as a caller wants it; an empty turn when that was done."""
        if stop.how == "cancel":
            return self.cancel(id, stop.reason, at)
        return self.terminate(id, stop.reason, tree=stop.tree)

    def command(
        self, id: str, name: str, input: Raw, at: float, caller: Caller | None = None, *, told: bool = False
    ) -> Turn:
        """Take a command. Its name and arguments must have been checked with `kind.commands`, unless it is parked."""
        return self._take(CommandReceived(id, name, input, self.parked, caller, told), at)

    def cancel(self, id: str, reason: str, at: float) -> Turn:
        """Ask the code for its end, as `asyncio.Task.cancel` does.

        An empty turn when the run was asked before, when a former run was asked by this very request, or at the end.
        """
        if self.outcome is not None or self.ledger.cancel is not None or self.ledger.cancel_id == id:
            return Turn()
        return self._take(CancelRequested(id, reason), at)

    def terminate(self, id: str, reason: str, *, tree: bool = False) -> Turn:
        """End the run at once, also a broken one's, without running its code; an empty turn when it has ended."""
        turn = Turn()
        if self.outcome is None:
            self._append(turn, RunTerminated(id, reason, tree))
        return turn

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

    def child_ended(self, child: int, stream: str, outcome: Outcome, at: float) -> Turn:
        """Take how a child workflow ended; an empty turn when this stream owes no such outcome, or when the run has ended."""
        started = self.ledger.children.get(child)
        if started is None or started.stream != stream or self.outcome is not None:
            return Turn()
        if outcome.error is not None:
            return self._take(ChildFailed(child, outcome.error, outcome.ended), at)
        return self._take(ChildCompleted(child, outcome.result or Raw(b"null")), at)

    def command_answered(self, command: int, stream: str, outcome: Outcome, at: float) -> Turn:
        """Take another actor's answer to a command; an empty turn when this stream owes no such answer."""
        sent = self.ledger.sent.get(command)
        if sent is None or sent.stream != stream or self.outcome is not None:
            return Turn()
        return self._take(CommandAnswered(command, outcome.result or Raw(b"null"), outcome.error), at)

    def check_promise(self, fact: PromiseResolved | PromiseRejected) -> None:
        """See that a promise's value fits what the code waits for, as far as that is known; raises `InvalidArguments`."""
        if self.broken is None and isinstance(fact, PromiseResolved):
            self.program.promises.check(fact.name, fact.result)

    def settle_promise(self, fact: PromiseResolved | PromiseRejected, at: float) -> Turn:
        """Take what settles a promise; an empty turn when another one did, or when the run has ended."""
        if self.outcome is not None or fact.name in self.ledger.promises:
            return Turn()
        return self._take(fact, at)

    def timer_fired(self, number: int, at: float) -> Turn:
        """Take a timer that came due; an empty turn when nobody waits for it any more."""
        if number == DEADLINE:
            return self._time_out(at)
        waited_for = number in self.ledger.timers if self.broken else number in self.program.timers
        if not waited_for or self.outcome is not None:
            return Turn()
        return self._take(TimerFired(number), at)

    def _time_out(self, at: float) -> Turn:
        """End the instance at once, without running its code."""
        turn, ledger = Turn(), self.ledger
        if self.outcome is None and ledger.deadline is not None and at >= ledger.deadline:
            self._append(turn, RunTimedOut(ledger.deadline))
        return turn

    def stick(self) -> Turn:
        """Record that the instance is broken; an empty turn when the journal says so already."""
        if self.broken is None or self.ledger.stuck or self.outcome is not None:
            return Turn()
        turn = Turn(stuck=self.broken)
        self._append(turn, Stuck(self.broken))
        return turn

    def resume(self, at: float) -> Turn:
        """Record that a stuck instance goes on, with the decisions that it owes. Call it after a good `replay`."""
        if self.broken is not None or not self.ledger.stuck or self.outcome is not None:
            return Turn()
        turn = Turn(resumed=True)
        self.program.loop.advance(at)
        self._append(turn, Resumed())
        try:
            self._settle(turn, at)
        except Bug as bug:
            self._crash(turn, bug)
        else:
            turn.timers_cleared += self._forget_timers()
            self._give_up(turn, self._forget_tasks())
        return turn

    def pending_local_calls(self) -> list[LocalCall]:
        """Give the local tasks that the code waits for: after a replay, these have to run again."""
        if self.broken is not None or self.outcome is not None:
            return []
        return list(self.program.local_calls.values())

    def validate(self, name: str, input: Raw, at: float) -> None:
        """Ask a command's validator about the state in memory; not while the instance is broken: it has no state then.

        Raises:
            Failure: the command is refused.
            Bug: the validator raised something undeclared.
        """
        self.program.validate(name, input, at)

    def query(self, name: str, input: Raw) -> bytes:
        """Answer a query from the state in memory.

        Raises:
            InvalidInput: an unknown name, or arguments that do not fit.
            Bug: the instance is broken, or the query raised something undeclared.
            Failure: the query raised it.
        """
        if self.broken is not None:
            if not self.parked:
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
        turn = Turn()
        self._run(turn, fact, at)
        return turn

    def _run(self, turn: Turn, fact: Fact, at: float) -> None:
        loop = self.program.loop
        loop.advance(at)
        self._append(turn, fact)
        if self.broken is None:
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
        if isinstance(event, CommandReceived):
            self.ledger.schemas[event.id] = schema
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

    def _start_again(self, started: RunStarted, at: float) -> Turn:
        turn = Turn()
        self.parked = False
        self._append(turn, started)
        try:
            self._begin(turn, as_continued(started), at, 1)
            self._settle(turn, at)
        except Bug as bug:
            self._crash(turn, bug)
        return turn

    def _next_run(self, continued: RunContinued, at: float, runs: int, precedents: Precedents | None = None) -> Program:
        """Begin a new run, right after the ledger has heard of it; `runs` says how many this turn has begun.

        Raises:
            Bug: the code raised something undeclared, or starts over and over without ever waiting.
        """
        self.program.dispose()
        self.broken, self.parked, ledger = None, False, self.ledger
        self.program = program = Program(self.kind, self.stream, ledger.run, continued.asked)
        program.replaying, program.precedents = precedents is not None, precedents
        for settled in ledger.promises.values():
            program.promises.settle(settled)
        program.forked(None if ledger.start is None else ledger.start.origin)
        if runs > MOST_RUNS:
            raise Bug(f"{self.stream} has continued as new {MOST_RUNS} times without ever waiting for anything")
        program.loop.advance(at)
        program.loop.inside(program.feed, continued)
        if ledger.cancel is not None:
            program.loop.inside(program.feed, ledger.cancel)
        for taken in list(ledger.commands.values()):  # those that the former run has left
            program.loop.inside(program.feed, self._lifted(taken.received))
        return program

    def _lifted(self, received: CommandReceived) -> CommandReceived:
        upcasters = self.program.kind.upcasters
        if upcasters is None:
            return received
        try:
            return upcasters.lift(received, self.ledger.schemas.get(received.id, 1), self.ledger)
        except UpcastFailed as error:
            raise Bug(f"{self.stream}: {received.title()}, which a former run has left: {error}") from error

    def _replay(self, history: Iterable[HistoryEvent], kept: KeptRun | None) -> Replay:
        if not isinstance(history, Sequence):
            history = list(history)
        if kept is not None:
            self.ledger = kept.ledger()
        replay = Replay(history, self.program, self.ledger, self._break, self._next_run)
        if kept is not None:
            replay.begin(kept.continued, kept.at, kept.schema)
        return replay

    def _run_through(self, replay: Replay) -> None:
        program = None
        while program is not self.program:  # once for each run
            program = self.program
            # Inside once for all of it; a deque without room is the quickest way to run through an iterator.
            program.loop.inside(deque, replay.events(), 0)
        self._rebuilt(replay)

    def _rebuilt(self, replay: Replay) -> None:
        if replay.trouble is not None:
            raise replay.trouble
        self._owed = replay.owed
        if not self.ledger.stuck:
            self._forget_timers()
            self._forget_tasks()

    def _forget_timers(self) -> list[TimerRow]:
        """Drop the timers that the journal set and the code, with all of the journal behind it, does not wait for."""
        ledger = self.ledger
        dropped = [TimerRow(number, due) for number, due in ledger.timers.items() if number not in self.program.timers]
        for row in dropped:
            del ledger.timers[row.number]
        return dropped

    def _forget_tasks(self) -> list[int]:
        """Mark the tasks that the code, with all of the journal behind it, does not await; the same for workers' tasks."""
        forgotten = [number for number in self.ledger.tasks if number not in self.program.open]
        for number in forgotten:
            self.ledger.tasks[number].awaited = False
        return forgotten

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
