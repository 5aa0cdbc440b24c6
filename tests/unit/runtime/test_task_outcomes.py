"""Whatever a task's function does, its workflow hears of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import App, Failure, Retry, RunFailed, TaskError, Workflow, task, task_context
from actors.codec import MAX_BYTES, MAX_DEPTH
from runtime import Client
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate

QUICK = Retry(max_attempts=3, first_delay=0.1, jitter=0)


class Odd(BaseException):
    """Not an Exception."""


class OutOfStock(Failure):
    pass


ODDITIES: dict[str, type[BaseException]] = {
    "cancelled": asyncio.CancelledError, "odd": Odd, "exit": SystemExit, "error": ValueError, "time": TimeoutError
}  # fmt: skip


@task(retry=QUICK)
async def first_raises(what: str) -> int:
    if task_context().attempt == 1:
        raise ODDITIES[what]
    return task_context().attempt


@task(local=True, retry=QUICK)
async def local_first_raises(what: str) -> int:
    if task_context().attempt == 1:
        raise ODDITIES[what]
    return task_context().attempt


@task
async def nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@task
async def letters(count: int) -> str:
    return "x" * count


@task
async def count_letters(text: str) -> int:
    return len(text)


@task(retry=QUICK)
async def never_works() -> None:
    raise ConnectionError("no")


@task(retry=Retry(first_delay=0.1, never=(KeyError,)))
async def hopeless() -> None:
    raise KeyError("nothing will help")


@task(retry=QUICK, timeout=2)
async def too_long() -> None:
    await asyncio.Event().wait()


@task(raises=(OutOfStock,))
async def sold_out() -> None:
    raise OutOfStock("no tea", {"left": 0})


async def _deep() -> str:
    await nest(MAX_DEPTH)
    return "deep"


async def _caught(what: Any) -> list[Any]:
    try:
        await what
    except OutOfStock as error:
        return ["OutOfStock", error.message, error.details]
    except TaskError as error:
        return [error.type, task_error_of(error)]
    return ["nothing"]


def task_error_of(error: TaskError) -> str:
    return error.task


class Asking(Workflow):
    async def run(self, what: str, kind: str = "") -> Any:
        match what:
            case "worker":
                return await first_raises(kind)
            case "local":
                return await local_first_raises(kind)
            case "deep":
                return await _deep()
            case "large result":
                return len(await letters(MAX_BYTES - 10))
            case "large input":
                return await count_letters("x" * (MAX_BYTES - 20))
            case "uncaught":
                return await never_works()
            case _:
                tasks = {"never": never_works, "hopeless": hopeless, "too long": too_long, "sold out": sold_out}
                return await _caught(tasks[what]())


APP = App(
    actors=[Asking],
    tasks=[first_raises, local_first_raises, nest, letters, count_letters, never_works, hopeless, too_long, sold_out],
)


def _ask(*arguments: str) -> tuple[Any, list[str]]:
    async def story(world: World) -> tuple[Any, list[str]]:
        world.node()
        world.worker()
        async with world.client() as client:
            result = await client.execute(Asking, "1", *arguments, timeout=30)
        await world.stop_all()
        audit_log(world.store, APP)
        audit_rest(world.store, world.broker, APP.task_queues)
        return result, types_of(world.store, "Asking/1")

    return simulate(story, APP)


@pytest.mark.parametrize("kind", sorted(ODDITIES))
@pytest.mark.parametrize("where", ["worker", "local"])
def test_an_attempt_that_raises_anything_is_followed_by_another(where: str, kind: str) -> None:
    """Even what is no Exception, and a CancelledError that nobody asked for: each is an outcome, and is retried."""
    assert _ask(where, kind)[0] == 2


def test_the_deepest_result_that_may_be_stored_arrives() -> None:
    """What wraps a payload on its way is not counted against it."""
    assert _ask("deep")[0] == "deep"


@pytest.mark.parametrize("what", ["large result", "large input"])
def test_the_largest_payload_that_may_be_stored_arrives(what: str) -> None:
    """The same for its size, on the way to the worker and back."""
    assert _ask(what)[0] in {MAX_BYTES - 10, MAX_BYTES - 20}


def test_attempts_end_when_the_policy_says() -> None:
    """The last failure is the task's."""
    result, types = _ask("never")
    assert result == ["ConnectionError", "never_works"]
    assert types.count("TaskAttemptFailed") == 2


def test_an_error_that_is_not_worth_a_retry_ends_the_task() -> None:
    """`never` names it."""
    result, types = _ask("hopeless")
    assert result == ["KeyError", "hopeless"]
    assert "TaskAttemptFailed" not in types


def test_an_attempt_ends_at_its_timeout() -> None:
    """And counts as failed."""
    assert _ask("too long")[0] == ["TaskTimeout", "too_long"]


def test_a_declared_failure_arrives_as_its_class() -> None:
    """With its message and details, and without a retry."""
    assert _ask("sold out")[0] == ["OutOfStock", "no tea", {"left": 0}]


def test_a_failure_that_nobody_catches_fails_the_run() -> None:
    """The client hears which one it was."""

    async def ask(client: Client) -> str:
        with pytest.raises(RunFailed) as failed:
            await client.execute(Asking, "1", "uncaught", timeout=30)
        return failed.value.type

    async def story(world: World) -> str:
        world.node()
        world.worker()
        async with world.client() as client:
            type_ = await ask(client)
            assert [row.execution.status for row in await client.list(Asking)] == ["failed"]
        await world.stop_all()
        return type_

    assert simulate(story, APP) == "ConnectionError"
