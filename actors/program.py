"""A workflow's code as it runs: facts in, decisions out.

It knows nothing of the journal. Live or in replay it is fed the same facts and decides the same things; what
becomes of the decisions is the business of the `Execution` that owns it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Any, ClassVar

from msgspec import Raw

from actors.callbacks import DurableTimer
from actors.continuation import ContinueAsNew
from actors.definition import WorkflowType
from actors.errors import Bug, Failure, InvalidInput, NotDurable
from actors.failures import cancelled, command_cancelled, describe, error_info
from actors.journal import (
    CancelRequested,
    ChildCompleted,
    ChildFailed,
    CommandAnswered,
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    ErrorInfo,
    JournalEvent,
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
    TimerFired,
    TimerSet,
)
from actors.operation import ChildCall
from actors.reading import only_reading
from actors.requests import Requests
from actors.sending import LastCommands
from actors.turn import CANCELLED, Outcome
from actors.workflow import Workflow


class Program(Requests):
    """One workflow instance's coroutines, on a loop of their own."""

    __slots__ = (
        "_cancel", "_closing", "_handlers", "_portable", "_run_outcome", "_run_task", "belated", "continued", "instance",
    )  # fmt: skip

    def __init__(self, kind: WorkflowType, stream: str, run: int = 1, asked: int = 0) -> None:
        """Make it; `run` says which one of the stream's it is, `asked` how many operations the former ones have numbered."""
        super().__init__(kind, stream, run, asked)
        self.instance: Workflow | None = None  # made by the first fact, so that __init__ has its time
        self._handlers: dict[str, asyncio.Task[None]] = {}  # under way, by command id
        self._portable = 0  # those of them that a new run may begin again
        self._run_task: asyncio.Task[None] | None = None
        self._cancel: CancelRequested | None = None
        self._closing = False  # the run is over and was asked to cancel: its handlers are, too
        self._run_outcome: Outcome | RunContinued | None = None
        self.belated = False  # a validator is asked about a command that is recorded: a replay asks it again, and must hear the same
        self.continued: RunContinued | None = None  # decided: another program has the new run

    # -- what its execution asks --------------------------------------------------------------------------

    def feed(self, fact: JournalEvent) -> None:
        """Let the code hear of a fact, and run it until it waits; to be called inside its loop.

        Raises:
            Bug: it raised something undeclared. It can't be fed any more.
        """
        if (hear := self._HEAR.get(type(fact))) is None:
            return
        if (self._run_outcome or self.continued) is not None and (continued := self._handed_over()) is not None:
            _keep_for_new_run(continued, fact)
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

    @property
    def is_over(self) -> bool:
        """Whether the run's code has ended for good, and nobody has been told yet. What comes now is no new run's."""
        return isinstance(self._run_outcome, Outcome)

    def decided(self, *, ending: bool = True) -> list[JournalEvent]:
        """Give the turn's decisions in the order the code took them; without `ending`, all but the end of the run.

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
        if ending and (outcome := self._run_outcome) is not None and self._may_end():
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

    # -- facts ----------------------------------------------------------------------------------------------

    def _run_started(self, fact: RunStarted | RunContinued) -> None:
        if fact.type_version != self.kind.version:
            self.kind = self.kind.of_version(fact.type_version, self.stream)
        if isinstance(fact, RunStarted):
            self.forked(fact.origin)
        elif fact.said:
            self._said = self._said or LastCommands()
            self._said.carry(fact.said)
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
        if fact.cancelled:
            self._decisions.append(CommandFailed(fact.id, command_cancelled()))
        elif self._closing and self._cancel is not None:
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

    # -- the code -------------------------------------------------------------------------------------------

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
        self._reading = self.belated = True
        try:
            handler = self.kind.command(received.name)
            handler.validate(self.instance, handler.signature.decode(received.input))
        except InvalidInput as error:
            return ErrorInfo(type(error).__name__, str(error))
        except Failure as refusal:
            return error_info(refusal)
        finally:
            self._reading = self.belated = False
        return None

    def _outcome_of(self, error: BaseException) -> Outcome | None:
        if self._cancel is not None and isinstance(error, asyncio.CancelledError):
            return Outcome(error=cancelled(self._cancel.reason), ended=CANCELLED)
        if (declared := _declared(error)) is not None:
            return Outcome(error=error_info(declared))
        self._bug = self._bug or error
        return None

    # -- inside -------------------------------------------------------------------------------------------

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

    def _handed_over(self) -> RunContinued | None:
        """Give what begins the new run, if this one has nothing more to do; what comes from now on is the new one's."""
        if self.continued is None and isinstance(self._run_outcome, RunContinued) and self._may_end():
            return self._run_outcome
        return self.continued

    def _may_end(self) -> bool:
        waits_for = len(self._handlers)
        if isinstance(self._run_outcome, RunContinued):
            waits_for -= self._portable
        return not waits_for and (self._cancel is None or not self.loop.sheltering)

    def _end(self, outcome: Outcome | RunContinued) -> JournalEvent:
        if isinstance(outcome, RunContinued):
            outcome.asked, outcome.type_version = self.asked, self.kind.newest_for(outcome.input).version
            if self._said is not None:
                outcome.said = self.said_of_late(self.loop.time())
            self.continued = outcome
            return outcome
        if outcome.error is None:
            return RunCompleted(outcome.result or Raw(b"null"))
        if outcome.ended == CANCELLED:
            return RunCancelled("" if self._cancel is None else self._cancel.reason)
        return RunFailed(outcome.error)


def _keep_for_new_run(continued: RunContinued, fact: JournalEvent) -> None:
    """Keep for the new run what it can't learn from the ledger, as it does of commands and promises."""
    match fact:
        case CancelRequested():
            continued.cancelled = True
        case ChildCompleted():
            continued.completed = [*continued.completed, fact]
        case ChildFailed():
            continued.failed = [*continued.failed, fact]
        case _:
            pass


def _declared(error: BaseException) -> Failure | None:
    """Give the declared failure that an exception stands for: itself, or the first of a group of nothing else."""
    if isinstance(error, Failure):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    leaves = [_declared(leaf) for leaf in error.exceptions]
    return None if None in leaves else leaves[0]
