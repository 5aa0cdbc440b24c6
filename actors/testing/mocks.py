"""What stands in for tasks in a test, and what is remembered of their calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import copy_context
from datetime import datetime
from inspect import isawaitable
from typing import Any

from msgspec import Raw, Struct

from actors.errors import InvalidInput, PayloadRefused
from actors.failures import error_info
from actors.journal import ErrorInfo
from actors.task import Task, TaskContext, enter_task
from actors.testing.errors import StoryFailed, TaskNotExpected
from actors.testing.task_loop import run_virtually


class Call(Struct, frozen=True):
    """One attempt of a task, as a worker would have run it. `args` holds the arguments by name, as the function gets them."""

    task: str
    key: str  # `type/id#number`: the same at every attempt
    attempt: int  # from 1
    at: datetime
    args: dict[str, Any]


class InTurn:
    """See `in_turn`."""

    def __init__(self, outcomes: tuple[Any, ...]) -> None:
        self.outcomes = outcomes


class MustNotRun:
    """See `must_not_run`."""

    def __repr__(self) -> str:
        return "must_not_run"


must_not_run = MustNotRun()  # `tasks={refund: must_not_run}`: the test fails when it is called


def in_turn(*outcomes: Any) -> InTurn:
    """Give a task one outcome after the other, an attempt each: `in_turn(ConnectionError("down"), "payment-1")`.

    An outcome is what `tasks={…}` takes: an exception to raise, a function to call, or a result. An attempt beyond the
    last one fails the test. The same attempt run again, as after a crash, has the same outcome again.
    """
    return InTurn(outcomes)


class Attempt(Struct):
    """How an attempt ended, and the virtual seconds that it took."""

    result: Raw | None = None
    error: ErrorInfo | None = None
    retryable: bool = True
    took: float = 0.0


class Mocks:
    """The tasks of one test: what each does, and the calls so far."""

    def __init__(self, given: Mapping[Any, Any], *, real: bool) -> None:
        self._real = real
        self._outcomes: dict[str, Any] = {}
        self._turns: dict[str, dict[tuple[str, int], int]] = {}  # task -> attempt -> its turn
        self.calls: list[Call] = []
        for task, outcome in given.items():
            self.set(task, outcome)

    def set(self, task: Any, outcome: Any) -> None:
        """Say from now on what a task does; by the task or its name."""
        name = task.name if isinstance(task, Task) else str(task)
        self._outcomes[name] = outcome
        self._turns[name] = {}

    def run(self, task: Task[..., Any], input: Raw | bytes, context: TaskContext, at: datetime) -> Attempt:
        """Run one attempt, as a worker does; a failure is its outcome, and so is running out of time.

        Raises:
            StoryFailed: the call is not expected, or its result is none that the task can have.
            AssertionError: the function in the test raised it.
        """
        __tracebackhide__ = True
        try:
            arguments = task.signature.decode(input)
        except InvalidInput as error:
            return Attempt(error=error_info(error), retryable=False)
        self.calls.append(Call(task.name, context.key, context.attempt, at, arguments))
        outcome = self._outcome(task, self.calls[-1])
        try:
            value, took = _perform(task, outcome, arguments, context)
        except AssertionError:
            raise  # the test's own, in its function
        except asyncio.CancelledError as error:  # a function may raise it by itself, and it is its outcome
            return Attempt(error=error_info(error))
        except _OutOfTime:
            note = ErrorInfo("TaskTimeout", f"{task.name} did not end within {task.timeout:g} s")
            return Attempt(error=note, took=task.timeout)
        except Exception as error:  # noqa: BLE001 - the function's error is its outcome
            return Attempt(error=error_info(error), retryable=task.retry.retries(error))
        try:
            return Attempt(Raw(task.signature.encode_result(value)), took=took)
        except PayloadRefused as error:
            raise StoryFailed(f"task {task.name} of {context.key}: {error}") from None

    def _outcome(self, task: Task[..., Any], call: Call) -> Any:
        __tracebackhide__ = True
        what = f"{call.key} calls task {task.name} (attempt {call.attempt}) with {call.args}"
        try:
            outcome = self._outcomes[task.name]
        except KeyError:
            if self._real:
                return task.function
            raise TaskNotExpected(
                f"{what}, and the test does not say what it gives: tasks={{{task.name}: …}} takes a result, an exception, a "
                f"function, or {task.name} itself to run it for real"
            ) from None
        if outcome is must_not_run:
            raise TaskNotExpected(f"{what}, which must not run")
        if not isinstance(outcome, InTurn):
            return outcome
        turns = self._turns[task.name]
        turn = turns.setdefault((call.key, call.attempt), len(turns))
        if turn >= len(outcome.outcomes):
            raise TaskNotExpected(
                f"{what}: that is call {turn + 1}, and the test gives {len(outcome.outcomes)} in turn"
            )
        return outcome.outcomes[turn]


class _OutOfTime(Exception):
    """The attempt ran longer than its task may."""


def _perform(task: Task[..., Any], outcome: Any, arguments: dict[str, Any], context: TaskContext) -> tuple[Any, float]:
    __tracebackhide__ = True
    if isinstance(outcome, BaseException):
        raise outcome.with_traceback(None)  # that of its last time would be carried along, and grow
    if isinstance(outcome, type) and issubclass(outcome, BaseException):
        raise outcome
    if not callable(outcome):
        return outcome, 0.0
    surroundings = copy_context()
    surroundings.run(enter_task, context)
    value = surroundings.run(outcome, **arguments)
    if not isawaitable(value):
        return value, 0.0

    async def work() -> Any:
        limit = asyncio.timeout(task.timeout)
        try:
            async with limit:
                return await value
        except TimeoutError:
            if limit.expired():
                raise _OutOfTime from None
            raise

    return surroundings.run(run_virtually, work)
