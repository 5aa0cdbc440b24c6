"""A workflow's code as it runs: facts in, decisions out.

It knows nothing of the journal. Live or in replay it is fed the same facts and decides the same things; what
becomes of the decisions is the business of the `Execution` that owns it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from inspect import isawaitable
from random import Random
from typing import Any, ClassVar, NoReturn

from msgspec import Raw

from actors.attributes import checked
from actors.child import ChildHandle, call_child, start_child
from actors.codec import decode_any, decoder, encode
from actors.continuation import ContinueAsNew
from actors.definition import WorkflowType
from actors.errors import Bug, DefinitionError, Failure, InvalidInput, NotDurable
from actors.failures import cancelled, describe, error_info
from actors.handlers import Handler
from actors.journal import (
    AttributesSet,
    CancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    CommandAnswered,
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    CommandSent,
    ErrorInfo,
    JournalEvent,
    OnClose,
    Origin,
    Patched,
    PromiseRejected,
    PromiseResolved,
    RunCancelled,
    RunCompleted,
    RunContinued,
    RunFailed,
    RunStarted,
    Stop,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
    TimerSet,
    ValueRecorded,
)
from actors.loop import DurableLoop, DurableTimer
from actors.mapping import Mapping
from actors.operation import ChildCall, CommandCall, Operation, TaskCall
from actors.precedents import Precedents
from actors.promise import Promises
from actors.reading import only_reading
from actors.sending import LastCommands, letter
from actors.signature import value_type
from actors.task import Task
from actors.turn import CANCELLED, LocalCall, LogLine, Outcome
from actors.workflow import Workflow


class Program:
    """One workflow instance's coroutines, on a loop of their own.

    `open`, `timers` and `local_calls` say what the code waits for now. `new_local_calls`, `cleared`, `given_up` and `logs`
    collect what it did besides deciding, until they are emptied.
    """

    __slots__ = (
        "_bug", "_cancel", "_closing", "_decisions", "_diverged", "_handlers", "_ordinal", "_patches", "_portable",
        "_promises", "_random", "_reading", "_run_outcome", "_run_task", "_said", "_seed", "asked", "cleared", "continued", "given_up",
        "instance", "kind", "local_calls", "logs", "loop", "new_local_calls", "open", "precedents", "replaying", "stream",
        "timers",
    )  # fmt: skip

    def __init__(self, kind: WorkflowType, stream: str, run: int = 1, asked: int = 0) -> None:
        """Make it; `run` says which one of the stream's it is, `asked` how many operations the former ones have numbered."""
        self.kind, self.stream, self._ordinal = kind, stream, run
        self.loop = DurableLoop(self, stream)  # type: ignore[abstract]  # the refused methods are added by name
        self.instance: Workflow | None = None  # made by the first fact, so that __init__ has its time
        self.asked = asked  # operations so far: timers share the numbering
        self.open: dict[int, Operation] = {}
        self.local_calls: dict[int, LocalCall] = {}
        self.timers: dict[int, DurableTimer] = {}
        self.new_local_calls: list[LocalCall] = []
        self.cleared: list[int] = []  # timers that are not waited for any more
        self.given_up: list[int] = []  # tasks, likewise
        self.logs: list[LogLine] = []
        self.replaying = False
        self.precedents: Precedents | None = None  # in a replay
        self._patches: dict[str, bool] = {}  # asked for so far, and whether they are taken
        self._reading = False  # a query or validator: it must leave no trace
        self._diverged = False  # the code has left the path of its journal: nothing that it does counts
        self._decisions: list[JournalEvent | DurableTimer] = []
        self._handlers: dict[str, asyncio.Task[None]] = {}  # under way, by command id
        self._portable = 0  # those of them that a new run may begin again
        self._run_task: asyncio.Task[None] | None = None
        self._cancel: CancelRequested | None = None
        self._closing = False  # the run is over and was asked to cancel: its handlers are, too
        self._run_outcome: Outcome | RunContinued | None = None
        self.continued: RunContinued | None = None  # decided: another program has the new run
        self._bug: BaseException | None = None
        self._seed = stream
        self._random: Random | None = None
        self._said: LastCommands | None = None
        self._promises: Promises | None = None  # made when one is settled or awaited

    @property
    def promises(self) -> Promises:
        """The instance's promises."""
        if self._promises is None:
            self._promises = Promises()
        return self._promises

    @property
    def random(self) -> Random:
        """Random numbers for the code, the same in every replay; made when asked for, as one costs 2.5 KB."""
        if self._random is None:
            seed = self._seed if self._ordinal == 1 else f"{self._seed} run {self._ordinal}"
            self._random = Random(seed)  # noqa: S311 - repeatable on purpose
        return self._random

    def forked(self, origin: Origin | None) -> None:
        """Hear what the instance was forked from, if it was: random numbers, and the order of commands, depend on it."""
        if origin is not None:
            self._seed, self._said = origin.seed or origin.stream, LastCommands(origin.sent)

    # -- what its execution asks --------------------------------------------------------------------------

    def feed(self, fact: JournalEvent) -> None:
        """Let the code hear of a fact, and run it until it waits; to be called inside its loop.

        Raises:
            Bug: it raised something undeclared. It can't be fed any more.
        """
        if (hear := self._HEAR.get(type(fact))) is None:
            return
        if (continued := self.continued) is not None:  # the new run hears of it
            continued.cancelled = continued.cancelled or isinstance(fact, CancelRequested)
            return
        hear(self, fact)
        loop = self.loop
        try:
            loop.run_until_idle()
        except (NotDurable, SystemExit) as error:
            self._bug = self._bug or error
        if loop.unhandled:
            self._look_into(loop.unhandled)
        if self._bug is not None and not self._diverged:
            raise Bug(f"{self.stream}: {describe(self._bug)}") from self._bug

    def decided(self) -> list[JournalEvent]:
        """Give the turn's decisions in the order the code took them.

        A run ends when its handlers have, and one that was asked to cancel when its shielded sections have, too. For a
        new run it does not wait for handlers that that one may begin again.
        """
        if not self._decisions and self._run_outcome is None:
            return []
        decided: list[JournalEvent] = []
        for decision in self._decisions:
            if not isinstance(decision, DurableTimer):
                decided.append(decision)
            elif not decision.cancelled():
                self.timers[decision.number] = decision
                decided.append(TimerSet(decision.number, decision.when()))
        self._decisions = []
        if (outcome := self._run_outcome) is not None and self._may_end():
            self._run_outcome = None
            decided.append(self._end(outcome))
        return decided

    def validate(self, name: str, input: Raw, at: float) -> None:
        """Ask a command's validator; raises the `Failure` that refuses it, `InvalidInput`, `Bug`."""
        handler = self.kind.command(name)
        arguments = handler.signature.decode(input)
        drawn = None if self._random is None else self._random.getstate()
        self._reading = True
        try:
            self.loop.peek(at, handler.validate, self.instance, arguments)
        except Failure:
            raise
        except Exception as error:
            raise Bug(f"{self.stream}: the validator of {name} raised {describe(error)}") from error
        finally:
            self._reading = False
            self._undraw(drawn)

    def query(self, name: str, input: Raw) -> bytes:
        """Answer a query from the state in memory; raises `InvalidInput`, `Bug`, `Failure`."""
        handler = self.kind.query(name)
        arguments = handler.signature.decode(input)
        drawn = None if self._random is None else self._random.getstate()
        self._reading = True
        try:
            with only_reading(f"query {name}", self.instance):
                answer = handler.function(self.instance, **arguments)
            return handler.signature.encode_result(answer)
        except Failure:
            raise
        except Exception as error:
            raise Bug(f"query {name} of {self.stream} raised {describe(error)}") from error
        finally:
            self._reading = False
            self._undraw(drawn)

    def waiting_for(self) -> list[str]:
        """Say in words what the code waits for now."""
        operations = list(dict.fromkeys(operation.title() for operation in self.open.values()))
        timers = [f"timer #{number}" for number in self.timers]
        promises = [] if self._promises is None else self._promises.titles()
        return operations + timers + promises + ["a condition"] * self.loop.conditions

    def dispose(self) -> None:
        """Drop the coroutines; no user code gets to ask for anything any more."""
        self.loop.dispose()

    # -- what the code asks for, by way of its loop ---------------------------------------------------------

    async def call_task(self, task: Task[Any, Any], input: bytes) -> Any:
        """Schedule a task and await its result; see `actors.loop.Host`."""
        loop = self.loop
        if loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        if self.kind.tasks.get(task.name) is not task:
            raise DefinitionError(f"task {task.name} is not registered: name it in App(tasks=[…])")
        self.asked = number = self.asked + 1
        self.open[number] = operation = TaskCall(number, loop, task)
        if task.local:
            self.local_calls[number] = call = LocalCall(number, task.name, input)
            self.new_local_calls.append(call)
        else:
            self._decisions.append(TaskScheduled(number, task.name, Raw(input)))
        try:
            return task.signature.decode_result(await operation.future)
        except asyncio.CancelledError:
            if operation.future.cancelled():
                self.given_up.append(number)
            raise
        finally:
            del self.open[number]
            if task.local:
                del self.local_calls[number]

    async def map_task(self, task: Task[Any, Any], inputs: Sequence[bytes], at_most: int | None) -> list[Any]:
        """Schedule a task for each of many inputs, and await all results; see `actors.workflow.Surroundings`."""
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        if self.kind.tasks.get(task.name) is not task:
            raise DefinitionError(f"task {task.name} is not registered: name it in App(tasks=[…])")
        return await Mapping(self, task, inputs, at_most).results()

    def call_child(
        self, workflow: type[Workflow] | str, id: str, args: tuple[Any, ...], kwargs: dict[str, Any], on_close: OnClose
    ) -> Coroutine[Any, Any, Any]:
        """Start another workflow and await its result; see `actors.workflow.Surroundings`."""
        return call_child(self, workflow, id, args, kwargs, on_close)

    def start_child(
        self, workflow: type[Workflow] | str, id: str, args: tuple[Any, ...], kwargs: dict[str, Any], on_close: OnClose
    ) -> ChildHandle:
        """Start another workflow; see `actors.workflow.Surroundings`."""
        return ChildHandle(self, start_child(self, workflow, id, args, kwargs, on_close))

    def child_recorded(self, recorded: ChildStarted) -> bool:
        """Take over a child's recorded policy; says whether, unlike the code's, it leaves the child alone."""
        operation = self.open.get(recorded.child)
        if isinstance(operation, ChildCall):
            operation.on_close = recorded.on_close
        return recorded.on_close == "abandon"

    def decide(self, decision: JournalEvent) -> None:
        """Take a decision of the code."""
        if self._reading:
            raise DefinitionError("that belongs into run or a command: queries and validators leave no trace")
        self._decisions.append(decision)

    def patched(self, name: str) -> bool:
        """Say whether this run takes a patch; see `actors.Workflow.patched`."""
        taken = self._patches.get(name)
        if taken is None:
            if self._reading or self.loop.is_closed():
                return False
            taken = None if self.precedents is None else self.precedents.patched(name)
            if taken is None:
                taken = True
                self._decisions.append(Patched(name))
            self._patches[name] = taken
        return taken

    def record(self, make: Callable[[], Any], type: Any) -> Any:
        """Give a value that is made once; see `actors.Workflow.record`."""
        if self._reading:
            raise DefinitionError("record() belongs into run or a command: queries and validators leave no trace")
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        self.asked = number = self.asked + 1
        value = None if self.precedents is None else self.precedents.value(number)
        if value is None:
            value = self._made(make)
        if isinstance(value, bool):
            # The replay finds that the journal has no such value. The code can't go on without one.
            self._diverged = True
            self._decisions.append(ValueRecorded(number, Raw(b"null")))
            raise GeneratorExit
        self._decisions.append(ValueRecorded(number, value))
        return decoder(value_type(make) if type is None else type)(value)

    async def call_actor(
        self, actor: type | str, id: str, command: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Give another actor a command and await its answer; see `actors.reference`."""
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        handler, sent = self._send(actor, id, command, args, kwargs, told=False)
        self.open[sent.command] = operation = CommandCall(sent, self.loop)
        try:
            answer = await operation.future
            return decode_any(answer) if handler is None else handler.signature.decode_result(answer)
        finally:
            del self.open[sent.command]

    def tell_actor(
        self, actor: type | str, id: str, command: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Give another actor a command; see `actors.reference`."""
        if not self.loop.is_closed():
            self._send(actor, id, command, args, kwargs, told=True)

    def set_attributes(self, values: dict[str, Any]) -> None:
        """Set search attributes; see `actors.Workflow.set_search_attributes`."""
        if self._reading:
            raise DefinitionError(
                "search attributes are set in run or a command: queries and validators leave no trace"
            )
        if not self.loop.is_closed():
            self._decisions.append(AttributesSet(checked(values)))

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        """End the run for a new one; see `actors.workflow.Surroundings`."""
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        raise ContinueAsNew(Raw(self.kind.run_signature.encode(args, kwargs)))

    async def promise(self, name: str, type: Any) -> Any:
        """Await a promise; see `actors.Workflow.promise`."""
        if self.loop.is_closed():
            raise GeneratorExit  # clean-up code of an instance that is being unloaded
        return await self.promises.wait(name, type)

    def timer_set(self, timer: DurableTimer) -> int:
        """Keep a timer; see `actors.loop.Host`. One that is cancelled within its turn never existed."""
        self._decisions.append(timer)
        self.asked += 1
        return self.asked

    def timer_cleared(self, timer: DurableTimer) -> None:
        """Drop a timer; see `actors.loop.Host`."""
        if self.timers.pop(timer.number, None) is not None:
            self.cleared.append(timer.number)

    def log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Take a line for the log; see `actors.workflow.Surroundings`."""
        if not self.replaying and not self.loop.is_closed():
            self.logs.append(LogLine(level, event, fields))

    def _send(
        self, actor: type | str, id: str, command: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, told: bool
    ) -> tuple[Handler | None, CommandSent]:
        checked = letter(self.kind.siblings, actor, id, command, args, kwargs)
        self.asked = number = self.asked + 1
        if self._said is None:
            self._said = LastCommands()
        sent = self._said.next(checked, number, self.loop.time(), told=told)
        self._decisions.append(sent)
        return checked.handler, sent

    # -- inside -------------------------------------------------------------------------------------------

    def _made(self, make: Callable[[], Any]) -> Raw:
        try:
            return Raw(encode(make()))
        except Exception as error:
            # Also a declared failure: the code must not go on from what no replay will see.
            self._bug = self._bug or error
            raise

    def _undraw(self, state: Any) -> None:
        """Take back the random numbers that a query or validator drew: the run's would differ in a replay, which knows none."""
        if state is None:
            self._random = None
        else:
            self.random.setstate(state)

    def _look_into(self, unhandled: list[dict[str, Any]]) -> None:
        for context in unhandled:
            if "handle" in context:  # a plain callback raised: nobody else will ever hear of it
                self._bug = self._bug or context.get("exception")
        unhandled.clear()

    def _may_end(self) -> bool:
        waits_for = len(self._handlers)
        if isinstance(self._run_outcome, RunContinued):
            waits_for -= self._portable
        return not waits_for and (self._cancel is None or not self.loop.sheltering)

    def _end(self, outcome: Outcome | RunContinued) -> JournalEvent:
        if isinstance(outcome, RunContinued):
            outcome.asked, outcome.type_version = self.asked, self.kind.newest_for(outcome.input).version
            self.continued = outcome
            return outcome
        if outcome.error is None:
            return RunCompleted(outcome.result or Raw(b"null"))
        if outcome.ended == CANCELLED:
            return RunCancelled("" if self._cancel is None else self._cancel.reason)
        return RunFailed(outcome.error)

    def _run_started(self, fact: RunStarted | RunContinued) -> None:
        if fact.type_version != self.kind.version:
            self.kind = self.kind.of_version(fact.type_version, self.stream)
        if isinstance(fact, RunStarted):
            self.forked(fact.origin)
        self._run_task = self.loop.begin(self._run(fact))

    def _stopped(self, stop: Stop) -> None:
        if stop.how == "cancel":
            self._cancel, self._closing = CancelRequested("", stop.reason), True
            self._run_outcome = Outcome(error=cancelled(stop.reason), ended=CANCELLED)

    def _cancel_requested(self, fact: CancelRequested) -> None:
        self._cancel = fact
        if (outcome := self._run_outcome) is not None:
            if isinstance(outcome, RunContinued):
                outcome.cancelled = True
            self._cancel_handlers()
        elif self._run_task is not None:
            self._run_task.cancel(fact.reason or None)

    def _cancel_handlers(self) -> None:
        """Cancel what keeps a run from ending that is over but for its handlers."""
        self._closing = True
        for handler in list(self._handlers.values()):
            handler.cancel()

    def _command_received(self, fact: CommandReceived) -> None:
        if self._closing and self._cancel is not None:
            self._decisions.append(CommandFailed(fact.id, cancelled(self._cancel.reason)))
        else:
            self._handlers[fact.id] = self.loop.begin(self._handle(fact))

    def _task_completed(self, fact: TaskCompleted) -> None:
        if (operation := self.open.get(fact.task)) is not None:
            operation.complete(fact.result)

    def _task_failed(self, fact: TaskFailed) -> None:
        if (operation := self.open.get(fact.task)) is not None:
            operation.fail(fact.error)

    def _child_completed(self, fact: ChildCompleted) -> None:
        if (operation := self.open.get(fact.child)) is not None:
            operation.complete(fact.result)

    def _child_failed(self, fact: ChildFailed) -> None:
        operation = self.open.get(fact.child)
        if isinstance(operation, ChildCall):
            operation.ended = fact.ended
            operation.fail(fact.error)

    def _command_answered(self, fact: CommandAnswered) -> None:
        if (operation := self.open.get(fact.command)) is None:
            return
        if fact.error is None:
            operation.complete(fact.result)
        else:
            operation.fail(fact.error)

    def _timer_fired(self, fact: TimerFired) -> None:
        if (timer := self.timers.pop(fact.timer, None)) is not None:
            self.loop.fire(timer)

    def _promise_settled(self, fact: PromiseResolved | PromiseRejected) -> None:
        self.promises.settle(fact)

    # What the code hears of; the other facts are none of its business.
    _HEAR: ClassVar[dict[type[JournalEvent], Callable[[Program, Any], None]]] = {
        RunStarted: _run_started,
        RunContinued: _run_started,
        CommandReceived: _command_received,
        TaskCompleted: _task_completed,
        TaskFailed: _task_failed,
        TimerFired: _timer_fired,
        ChildCompleted: _child_completed,
        ChildFailed: _child_failed,
        CancelRequested: _cancel_requested,
        CommandAnswered: _command_answered,
        PromiseResolved: _promise_settled,
        PromiseRejected: _promise_settled,
    }

    async def _run(self, started: RunStarted | RunContinued) -> None:
        signature = self.kind.run_signature
        try:
            instance = self.instance = self.kind.create(self)
            if isinstance(started, RunStarted) and started.stop is not None:
                self._stopped(started.stop)  # so that queries can be answered; more of its code does not run
                return
            result = await instance.run(**signature.decode(started.input))
            self._run_outcome = Outcome(result=Raw(signature.encode_result(result)))
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except ContinueAsNew as again:
            self._run_outcome = RunContinued(again.input)
        except BaseException as error:  # noqa: BLE001 - sorted into failures and bugs
            self._run_outcome = self._outcome_of(error)
        if self._cancel is not None and isinstance(self._run_outcome, Outcome):
            self._cancel_handlers()

    async def _handle(self, received: CommandReceived) -> None:
        portable = False
        try:
            if received.unchecked and (objection := self._objection(received)) is not None:
                self._decisions.append(CommandFailed(received.id, objection))
                del self._handlers[received.id]
                return
            handler = self.kind.command(received.name)
            if handler.carry_over:
                portable = True
                self._portable += 1
            result = handler.function(self.instance, **handler.signature.decode(received.input))
            if isawaitable(result):
                result = await result
            self._decisions.append(CommandCompleted(received.id, Raw(handler.signature.encode_result(result))))
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - sorted into failures and bugs
            if (outcome := self._outcome_of(error)) is not None and outcome.error is not None:
                self._decisions.append(CommandFailed(received.id, outcome.error))
        del self._handlers[received.id]
        self._portable -= portable

    def _objection(self, received: CommandReceived) -> ErrorInfo | None:
        """Say what is wrong with a command that was recorded while there was no code to judge it."""
        self._reading = True
        try:
            handler = self.kind.command(received.name)
            handler.validate(self.instance, handler.signature.decode(received.input))
        except InvalidInput as error:
            return ErrorInfo(type(error).__name__, str(error))
        except Failure as refusal:
            return error_info(refusal)
        finally:
            self._reading = False
        return None

    def _outcome_of(self, error: BaseException) -> Outcome | None:
        if self._cancel is not None and isinstance(error, asyncio.CancelledError):
            return Outcome(error=cancelled(self._cancel.reason), ended=CANCELLED)
        if (declared := _declared(error)) is not None:
            return Outcome(error=error_info(declared))
        self._bug = self._bug or error
        return None


def _declared(error: BaseException) -> Failure | None:
    """Give the declared failure that an exception stands for: itself, or the first of a group of nothing else."""
    if isinstance(error, Failure):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    leaves = [_declared(leaf) for leaf in error.exceptions]
    return None if None in leaves else leaves[0]
