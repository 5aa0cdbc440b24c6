"""A declared failure ends the run; any other exception is a mistake, and the instance waits for a fix."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import Rejected, TaskError, Workflow, command
from tests.unit.actors.flows import ALL, OutOfStock, double, reserve
from tests.unit.actors.stage import Stage


def flow(body: Callable[[Any], Any]) -> Stage:
    class Flow(Workflow):
        async def run(self) -> Any:
            return await body(self)

    stage = Stage(Flow, ALL)
    stage.start()
    return stage


class Odd(BaseException):
    """An exception of the sort that almost nobody catches."""


def raises(error: BaseException) -> Callable[[Any], Any]:
    async def body(_: Any) -> None:
        raise error

    return body


async def in_group(*errors: BaseException) -> None:
    async with asyncio.TaskGroup() as group:
        for error in errors:
            group.create_task(raises(error)(None))


@pytest.mark.parametrize(
    "error",
    [Rejected("no"), ExceptionGroup("all", [Rejected("no"), OutOfStock("x")]),
     ExceptionGroup("outer", [ExceptionGroup("inner", [Rejected("no")])])],
)  # fmt: skip
def test_a_declared_failure_fails_the_run(error: Exception) -> None:
    """By itself, or in groups of nothing else."""
    stage = flow(raises(error))
    assert (stage.error.type, stage.error.message, stage.types[-1]) == ("Rejected", "no", "RunFailed")


def test_a_failure_in_a_task_group_fails_the_run() -> None:
    """The group that asyncio makes of it is looked into."""
    assert flow(lambda _: in_group(Rejected("no"))).error.type == "Rejected"


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), ExceptionGroup("mixed", [Rejected("no"), ValueError("x")]), asyncio.CancelledError(), Odd("x"),
     SystemExit(1), BaseExceptionGroup("odd", [Odd("x")]), StopAsyncIteration(), TimeoutError()],
)  # fmt: skip
def test_any_other_exception_makes_the_instance_stuck(error: BaseException) -> None:
    """It is never failed by a mistake, and never silently left hanging."""
    stage = flow(raises(error))
    assert (stage.types, stage.execution.outcome) == (["RunStarted", "Stuck"], None)
    assert stage.turns[0].stuck == stage.execution.broken


def test_a_mixed_task_group_makes_the_instance_stuck() -> None:
    """One mistake among failures is still a mistake."""
    assert flow(lambda _: in_group(Rejected("no"), ValueError("x"))).types == ["RunStarted", "Stuck"]


def test_a_mistake_tells_where_it_was_made() -> None:
    """File, line and function, without reading files."""
    error = flow(raises(ValueError("x"))).turns[0].stuck
    assert error is not None
    assert error.trace is not None
    assert "test_failure_or_bug.py" in error.trace


def test_an_error_text_without_utf8_form_is_recorded_all_the_same() -> None:
    """An error that can't be recorded would lose the fact with it."""
    error = flow(raises(ValueError("\ud800"))).turns[0].stuck
    assert error is not None
    assert error.message == "?"


def test_an_error_that_cant_be_shown_is_recorded_all_the_same() -> None:
    """A user's own `__str__` may be broken."""

    class Shy(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    error = flow(raises(Shy())).turns[0].stuck
    assert error is not None
    assert "can't be shown" in error.message


def test_a_mistake_in_a_command_makes_the_instance_stuck() -> None:
    """The command is recorded, and answered after the fix."""

    class Flow(Workflow):
        async def run(self) -> None:
            await double(1)

        @command
        def go(self) -> None:
            raise ValueError("a mistake")

    stage = Stage(Flow, ALL)
    stage.start()
    turn = stage.command("go")
    assert ([event.type for event in turn.events], turn.answers) == (["CommandReceived", "Stuck"], [])


def test_a_mistake_in_a_plain_callback_makes_the_instance_stuck() -> None:
    """Nobody else would ever hear of it."""

    async def body(_: Any) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await double(1)

    assert flow(body).types == ["RunStarted", "Stuck"]


def test_a_result_of_another_type_is_a_mistake() -> None:
    """The annotation is the schema."""

    class Flow(Workflow):
        async def run(self) -> int:
            return "one"  # type: ignore[return-value]  # the mistake under test

    turn = Stage(Flow).start()
    assert turn.stuck is not None
    assert "Flow.run returned" in turn.stuck.message


def test_a_failed_task_that_nobody_catches_fails_the_run() -> None:
    """A task out of attempts is a business failure."""
    stage = flow(lambda _: double(1))
    stage.fail(1, "TaskTimeout", "took too long")
    assert (stage.error.type, stage.error.message) == ("TaskTimeout", "task double failed: TaskTimeout: took too long")


def test_a_failed_task_may_be_caught() -> None:
    """It says which task and which error."""

    async def body(_: Any) -> list[str]:
        try:
            return [str(await double(1))]
        except TaskError as error:
            return [error.task, error.type, error.message]

    stage = flow(body)
    stage.fail(1, "ValueError", "bad")
    assert stage.result == ["double", "ValueError", "task double failed: ValueError: bad"]


def test_a_declared_failure_is_caught_by_its_class() -> None:
    """`raises=` makes it so."""

    async def body(_: Any) -> str:
        try:
            return await reserve("x")
        except OutOfStock as error:
            return error.message

    stage = flow(body)
    stage.fail(1, "OutOfStock", "none left")
    assert stage.result == "none left"


def test_a_result_that_does_not_fit_is_a_mistake_not_a_failure() -> None:
    """The worker has other code than the node: a fix helps."""
    stage = flow(lambda _: double(1))
    stage.done(1, "not a number")
    assert stage.types[-1] == "Stuck"
