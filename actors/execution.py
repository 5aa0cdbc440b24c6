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

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from inspect import isawaitable
from random import Random
from typing import Any

from msgspec import Raw

from actors.definition import WorkflowType
from actors.errors import Bug, DefinitionError, Failure, Nondeterminism, NotDurable, PayloadRefused
from actors.failures import describe, error_info, failure
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
from actors.loop import DurableLoop, DurableTimer
from actors.task import Task
from actors.turn import Answer, HistoryEvent, LocalCall, LogLine, NewRecord, Outcome, TimerRow, Turn
from actors.workflow import Workflow


class Execution:
    """See the module's docstring. Not safe for several threads; a dropped one must be `dispose`d of."""

    def __init__(self, kind: WorkflowType, stream: str) -> None:
        self.kind, self.stream = kind, stream
        self.loop = DurableLoop(self, stream)  # type: ignore[abstract]  # the refused methods are added by name
        self.ledger = Ledger()
        self.broken: ErrorInfo | None = None
        self._instance: Workflow | None = None  # made by the first fact, so that __init__ has its time
        self._numbers = 0
        self._waiting: dict[int, tuple[Task[Any, Any], asyncio.Future[Raw]]] = {}
        self._local: dict[int, LocalCall] = {}
        self._timers: dict[int, DurableTimer] = {}
        self._decisions: list[JournalEvent | DurableTimer] = []
        self._owed: deque[JournalEvent] = deque()
        self._handlers = 0
        self._run_outcome: Outcome | None = None
        self._bug: BaseException | None = None
        self.replaying = False
        self._fact_at = 0  # version of the last fact that was replayed
        self._turn = Turn()

    # -- what the runtime asks ----------------------------------------------------------------------------

    @cached_property
    def random(self) -> Random:
        """Random numbers for the code, the same in every replay; made when asked for, as one costs 2.5 KB."""
        return Random(self.stream)  # noqa: S311 - repeatable on purpose

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
        for _ in self.steps(history):
            pass

    def steps(self, history: Iterable[HistoryEvent]) -> Iterator[JournalEvent]:
        """Rebuild like `replay`, handing out each event after it was applied: for looking at the state in between."""
        self.replaying = True
        trouble: Nondeterminism | Bug | None = None
        self._turn = Turn()  # one for all: nobody hears of what a replay asks for
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
            self.replaying = False
        if trouble is None and self._owed and not self.ledger.stuck:
            trouble = Nondeterminism(self.stream, self.version + 1, "nothing more", f"asks for {self._owed[0].title()}")
            self._break(trouble)
        if trouble is not None:
            raise trouble
        if not self.ledger.stuck:
            self._forget_timers()

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
        waited_for = number in self.ledger.timers if self.broken else number in self._timers
        if not waited_for or self.outcome is not None:
            return Turn()
        return self._take(TimerFired(number), at)

    def stick(self) -> Turn:
        """Record that the instance is broken; an empty turn when the journal says so already."""
        if self.broken is None or self.ledger.stuck or self.outcome is not None:
            return Turn()
        self._turn = turn = Turn()
        turn.stuck = self.broken
        self._append(Stuck(self.broken))
        return turn

    def resume(self, at: float) -> Turn:
        """Record that a stuck instance goes on, with the decisions that it owes. Call it after a good `replay`."""
        if self.broken is not None or not self.ledger.stuck:
            return Turn()
        self._turn = turn = Turn(resumed=True)
        self.loop.advance(at)
        self._append(Resumed())
        self._settle()
        turn.timers_cleared += self._forget_timers()
        return turn

    def pending_local_calls(self) -> list[LocalCall]:
        """Give the local tasks that the code waits for: after a replay, these have to run again."""
        return [] if self.broken else list(self._local.values())

    def query(self, name: str, input: Raw) -> bytes:
        """Answer a query from the state in memory.

        Raises:
            InvalidInput: an unknown name, or arguments that do not fit.
            Bug: the instance is broken, or the query raised something undeclared.
            Failure: the query raised it.
        """
        handler = self.kind.query(name)
        arguments = handler.signature.decode(input)
        if self.broken is not None:
            raise Bug(f"{self.stream} is stuck, so its state is not known: {self.broken.type}: {self.broken.message}")
        drawn = self.random.getstate() if "random" in vars(self) else None
        try:
            return handler.signature.encode_result(handler.function(self._instance, **arguments))
        except Failure:
            raise
        except Exception as error:
            raise Bug(f"query {name} of {self.stream} raised {describe(error)}") from error
        finally:
            self._undraw(drawn)

    def state(self) -> dict[str, Any]:
        """Give the instance's attributes: what a person wants to see of it."""
        attributes = {} if self._instance is None else vars(self._instance)
        return {name: value for name, value in attributes.items() if name != "_perdure"}

    def waiting_for(self) -> list[str]:
        """Say in words what the code waits for now."""
        tasks = [f"task #{number} {task.name}" for number, (task, _) in self._waiting.items()]
        timers = [f"timer #{number}" for number in self._timers]
        return tasks + timers + ["a condition"] * self.loop.conditions

    def dispose(self) -> None:
        """Drop the coroutines; no user code gets to ask for anything any more."""
        self.loop.dispose()

    # -- what the code asks for, by way of its loop ---------------------------------------------------------

    async def call_task(self, task: Task[Any, Any], input: bytes) -> Any:
        """Schedule a task and await its result; see `actors.loop.Host`."""
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        if self.kind.tasks.get(task.name) is not task:
            raise DefinitionError(f"task {task.name} is not registered: name it in App(tasks=[…])")
        number = self._number()
        future: asyncio.Future[Raw] = self.loop.create_future()
        self._waiting[number] = (task, future)
        if task.local:
            self._local[number] = call = LocalCall(number, task.name, input)
            self._turn.local_calls.append(call)
        else:
            self._decisions.append(TaskScheduled(number, task.name, Raw(input)))
        try:
            return task.signature.decode_result(await future)
        finally:
            del self._waiting[number]
            self._local.pop(number, None)

    def timer_set(self, timer: DurableTimer) -> int:
        """Keep a timer; see `actors.loop.Host`. One that is cancelled within its turn never existed."""
        self._decisions.append(timer)
        return self._number()

    def timer_cleared(self, timer: DurableTimer) -> None:
        """Drop a timer; see `actors.loop.Host`."""
        if self._timers.pop(timer.number, None) is not None:
            due = self.ledger.timers.get(timer.number)
            if due is not None:
                self._turn.timers_cleared.append(TimerRow(timer.number, due))

    def log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Take a line for the log; see `actors.workflow.Surroundings`."""
        if not self.replaying and not self.loop.is_closed():
            self._turn.logs.append(LogLine(level, event, fields))

    # -- inside -------------------------------------------------------------------------------------------

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _undraw(self, state: Any) -> None:
        """Take back the random numbers that a query drew: the run's would differ in a replay, which has no queries."""
        if state is not None:
            self.random.setstate(state)
        else:
            vars(self).pop("random", None)

    def _take(self, fact: Fact, at: float) -> Turn:
        self._turn = Turn()
        self.loop.advance(at)
        self._append(fact)
        if self.broken is None:
            try:
                self._feed(fact)
            except Bug as bug:
                self._break(bug)
                self._turn = _without_decisions(self._turn, fact)
                self._turn.stuck = error = error_info(bug.__cause__ or bug)
                self._append(Stuck(error))
            else:
                for row in self._turn.timers_cleared:
                    self.ledger.timers.pop(row.number, None)
                self._settle()
        return self._turn

    def _append(self, event: JournalEvent) -> None:
        turn = self._turn
        turn.events.append(NewRecord(type(event).__name__, encode_event(event)))
        match event:
            case TaskScheduled():
                turn.tasks.append(event)
            case TaskCompleted() | TaskFailed():
                if event.name is None:
                    turn.tasks_closed.append(event.task)
            case TimerSet():
                turn.timers_set.append(TimerRow(event.timer, event.due))
            case TimerFired():
                turn.timers_cleared.append(TimerRow(event.timer, self.ledger.timers[event.timer]))
            case CommandCompleted():
                turn.answers.append(Answer(event.id, Outcome(result=event.result)))
            case CommandFailed():
                turn.answers.append(Answer(event.id, Outcome(error=event.error)))
            case RunCompleted() | RunFailed():
                turn.tasks_closed.extend(self.ledger.tasks)
                turn.timers_cleared.extend(TimerRow(number, due) for number, due in self.ledger.timers.items())
            case _:
                pass
        self.ledger.apply(event)
        if isinstance(event, RunCompleted | RunFailed):
            turn.finished = self.ledger.outcome

    def _settle(self) -> None:
        self._owed.extend(self._decided())
        while self._owed:
            self._append(self._owed.popleft())

    def _decided(self) -> Iterator[JournalEvent]:
        """Give the turn's decisions in the order the code took them; a run ends when its handlers have."""
        decisions, self._decisions = self._decisions, []
        for decision in decisions:
            if not isinstance(decision, DurableTimer):
                yield decision
            elif not decision.cancelled():
                self._timers[decision.number] = decision
                yield TimerSet(decision.number, decision.when())
        if (outcome := self._run_outcome) is not None and self._handlers == 0:
            self._run_outcome = None
            yield RunFailed(outcome.error) if outcome.error else RunCompleted(outcome.result or Raw(b"null"))

    def _forget_timers(self) -> list[TimerRow]:
        """Drop the timers that the journal set and the code, with all of the journal behind it, does not wait for."""
        ledger = self.ledger
        dropped = [TimerRow(number, due) for number, due in ledger.timers.items() if number not in self._timers]
        for row in dropped:
            del ledger.timers[row.number]
        return dropped

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
        self.loop.advance(recorded.recorded_at.timestamp())
        self._check_name(event, recorded.version)
        self._feed(event)
        self._owed.extend(self._decided())

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
        if not isinstance(event, TaskCompleted | TaskFailed) or event.name is None:
            return
        waiting = self._waiting.get(event.task)
        if waiting is not None and waiting[0].name != event.name:
            raise self._differs(version, event.title(), f"asks for the local task #{event.task} {waiting[0].name}")
        if event.task > self._numbers:
            raise self._differs(version, event.title(), f"has asked for {self._numbers} operations only")

    def _differs(self, version: int, recorded: str, wanted: str) -> Nondeterminism:
        return Nondeterminism(self.stream, version, recorded, wanted)

    def _feed(self, event: JournalEvent) -> None:
        match event:
            case RunStarted():
                self.loop.create_task(self._run(event))
            case CommandReceived():
                self._handlers += 1
                self.loop.create_task(self._handle(event))
            case TaskCompleted():
                if (future := self._future(event.task)) is not None:
                    future.set_result(event.result)
            case TaskFailed():
                if (future := self._future(event.task)) is not None:
                    task = self._waiting[event.task][0]
                    future.set_exception(failure(task.raises, task.name, event.error))
            case TimerFired():
                if (timer := self._timers.pop(event.timer, None)) is not None:
                    self.loop.fire(timer)
            case _:
                return
        self._run_code()

    def _run_code(self) -> None:
        try:
            self.loop.run_until_idle()
        except (NotDurable, SystemExit) as error:
            self._bug = self._bug or error
        for context in self.loop.unhandled:
            if "handle" in context:  # a plain callback raised: nobody else will ever hear of it
                self._bug = self._bug or context.get("exception")
        self.loop.unhandled.clear()
        if self._bug is not None:
            raise Bug(f"{self.stream}: {describe(self._bug)}") from self._bug

    def _future(self, task: int) -> asyncio.Future[Raw] | None:
        waiting = self._waiting.get(task)
        return None if waiting is None or waiting[1].done() else waiting[1]

    async def _run(self, started: RunStarted) -> None:
        signature = self.kind.run_signature
        try:
            instance = self._instance = self.kind.create(self)
            result = await instance.run(**signature.decode(started.input))
            self._run_outcome = Outcome(result=Raw(signature.encode_result(result)))
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - sorted into failures and bugs
            self._run_outcome = self._outcome_of(error)

    async def _handle(self, received: CommandReceived) -> None:
        try:
            handler = self.kind.command(received.name)
            result = handler.function(self._instance, **handler.signature.decode(received.input))
            if isawaitable(result):
                result = await result
            self._decisions.append(CommandCompleted(received.id, Raw(handler.signature.encode_result(result))))
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - sorted into failures and bugs
            if (outcome := self._outcome_of(error)) is not None and outcome.error is not None:
                self._decisions.append(CommandFailed(received.id, outcome.error))
        self._handlers -= 1

    def _outcome_of(self, error: BaseException) -> Outcome | None:
        if (declared := _declared(error)) is not None:
            return Outcome(error=error_info(declared))
        self._bug = self._bug or error
        return None

    def _break(self, error: Nondeterminism | Bug) -> None:
        cause = error.__cause__ if isinstance(error, Bug) and error.__cause__ is not None else error
        self.broken = error_info(cause)
        self._owed.clear()
        self.loop.dispose()


def _declared(error: BaseException) -> Failure | None:
    """Give the declared failure that an exception stands for: itself, or the first of a group of nothing else."""
    if isinstance(error, Failure):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    leaves = [_declared(leaf) for leaf in error.exceptions]
    return None if None in leaves else leaves[0]


def _without_decisions(turn: Turn, fact: Fact) -> Turn:
    """Keep of a turn that ended in a mistake what follows from its fact alone."""
    cleared = turn.timers_cleared[:1] if isinstance(fact, TimerFired) else []
    return Turn(events=turn.events[:1], tasks_closed=turn.tasks_closed, timers_cleared=cleared)


def _agrees(recorded: JournalEvent, wanted: JournalEvent) -> bool:
    """Say whether a decision is the recorded one: the same kind, number and name. Values may change with the code."""
    if type(recorded) is not type(wanted):
        return False
    match recorded, wanted:
        case TaskScheduled(), TaskScheduled():
            return recorded.task == wanted.task and recorded.name == wanted.name
        case TimerSet(), TimerSet():
            return recorded.timer == wanted.timer
        case (CommandCompleted() | CommandFailed(), CommandCompleted() | CommandFailed()):
            return recorded.id == wanted.id
        case _:
            return True


def _asks_for(wanted: JournalEvent) -> str:
    return f"asks for {wanted.title()}"
