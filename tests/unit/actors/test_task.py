"""`@task`: what it makes of a function, and what it refuses."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from actors import DefinitionError, Failure, Rejected, Retry, TaskContext, task, task_context
from actors.failures import error_info, failure
from actors.task import enter_task


@task
async def double(n: int) -> int:
    """Twice as much."""
    return 2 * n


async def test_outside_a_workflow_a_task_just_runs() -> None:
    """Tasks are tested and used as the functions they are."""
    assert await double(21) == 42


def test_a_bare_decorator_takes_the_functions_name() -> None:
    """And the defaults."""
    assert (double.name, double.queue, double.local, double.retry, double.timeout) == (
        "double", "default", False, Retry(), 60.0,
    )  # fmt: skip


def test_options_are_kept() -> None:
    """Policy is data on the task."""

    @task(name="other", queue="orders", retry=Retry(max_attempts=3), timeout=5, local=True, raises=(Rejected,))
    async def function() -> None: ...

    assert (function.name, function.queue, function.retry.max_attempts, function.timeout, function.local) == (
        "other", "orders", 3, 5, True,
    )  # fmt: skip
    assert function.raises == {"Rejected": Rejected}


def test_a_task_keeps_the_functions_docstring() -> None:
    """Help and documentation see the function."""
    assert double.__doc__ == "Twice as much."


def test_a_task_may_wrap_a_decorated_function() -> None:
    """A decorator that keeps `__wrapped__` is looked through."""

    async def inner(n: int) -> int:
        return n

    @functools.wraps(inner)
    def outer(n: int) -> Coroutine[Any, Any, int]:
        return inner(n)

    assert task(outer).signature.parameters == ("n",)


def test_a_plain_function_is_refused() -> None:
    """With advice on where blocking code goes."""

    def function() -> None: ...

    with pytest.raises(DefinitionError, match=r"task function.*async.*to_thread"):
        task(function)  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize(
    ("options", "why"),
    [({"name": "a b"}, "name 'a b'"), ({"name": "a.b"}, "name 'a.b'"), ({"queue": "a.b"}, "queue 'a.b'"),
     ({"timeout": 0}, "timeout"), ({"timeout": math.nan}, "timeout"), ({"timeout": math.inf}, "timeout"),
     ({"raises": (ValueError,)}, "ValueError.*Failure"), ({"raises": ("Rejected",)}, "Rejected.*Failure")],
)  # fmt: skip
def test_an_option_that_cant_work_is_refused(options: dict[str, Any], why: str) -> None:
    """At definition, by name."""

    async def function() -> None: ...

    decorate: Callable[..., Any] = task(**options)
    with pytest.raises(DefinitionError, match=why):
        decorate(function)


def test_there_is_no_context_outside_a_running_task() -> None:
    """The message says where there is one."""
    with pytest.raises(LookupError, match="@task function"):
        task_context()


async def test_a_running_task_knows_its_context() -> None:
    """The worker sets it for the asyncio task that runs the function."""
    context = TaskContext("Order/1#2", "Order/1", 2, 1, datetime.now(UTC))
    enter_task(context)
    assert task_context() is context


def test_a_declared_failure_needs_no_constructor() -> None:
    """What travels is message and details; a constructor that asks for more is passed by."""

    class OutOfStock(Failure):
        def __new__(cls, *sku_and_units: object) -> OutOfStock:
            assert len(sku_and_units) == 2
            return super().__new__(cls)

        def __init__(self, sku: str, units: int) -> None:
            super().__init__(f"no {units} of {sku}", {"sku": sku})

    seen = failure({"OutOfStock": OutOfStock}, "reserve", error_info(OutOfStock("x", 2)))
    assert (type(seen), seen.message, seen.details) == (OutOfStock, "no 2 of x", {"sku": "x"})
