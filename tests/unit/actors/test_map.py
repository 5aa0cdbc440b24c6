"""`self.map`: a task for each of many items, asked for together, each with its own number and outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import Nondeterminism, TaskError, Workflow, task
from actors.mapping import MOST_BYTES
from tests.unit.actors.flows import ALL, OutOfStock, double, look_up, reserve
from tests.unit.actors.stage import Stage, raw


@task
async def long(text: str) -> str:
    raise AssertionError("a task really ran")


class Mapping(Workflow):
    async def run(self, count: int, at_most: int | None = None) -> list[int]:
        return await self.map(double, range(count), at_most=at_most)


Reload = Callable[[Stage], None]


@pytest.fixture(params=["live", "replayed"])
def again(request: pytest.FixtureRequest) -> Reload:
    """Go on with the live instance, or with one that was replayed."""
    return Stage.reload if request.param == "replayed" else lambda _: None


def test_results_come_in_the_order_of_the_items(again: Reload) -> None:
    """One event asks for all of them; outcomes come in any order, and the first one of each counts."""
    with Stage(Mapping, ALL) as stage:
        turn = stage.start(count=4)
        assert stage.types == ["RunStarted", "TasksScheduled"]
        assert [(each.task, bytes(each.input)) for each in turn.tasks] == [
            (number + 1, b'{"n":%d}' % number) for number in range(4)
        ]
        again(stage)
        assert stage.execution.waiting_for() == ["map of double, 4 of 4 to go"]
        for number in (3, 1, 4, 2):
            assert stage.done(number, number * 10).tasks_closed == [number]
            again(stage)
            assert stage.done(number, 0).events == []
        assert stage.result == [10, 20, 30, 40]
        stage.replayed()


def test_a_bound(again: Reload) -> None:
    """Each outcome lets the next one begin."""
    with Stage(Mapping, ALL) as stage:
        assert len(stage.start(count=5, at_most=2).tasks) == 2
        for number, new in ((2, 1), (1, 1), (3, 1), (4, 0), (5, 0)):
            again(stage)
            assert len(stage.done(number, number).tasks) == new
        assert stage.result == [1, 2, 3, 4, 5]
        assert [kind for kind in stage.types if "Scheduled" in kind] == ["TasksScheduled"] + ["TaskScheduled"] * 3
        stage.replayed()


@pytest.mark.parametrize("count", [0, 1])
def test_few_items(count: int) -> None:
    """None is an empty list at once; one is a task like any other."""
    with Stage(Mapping, ALL) as stage:
        stage.start(count=count)
        if count:
            stage.done(1, 7)
        assert stage.result == [7] * count
        assert "TasksScheduled" not in stage.types
        stage.replayed()


class Caught(Workflow):
    async def run(self, kind: str) -> Any:
        try:
            async with asyncio.timeout(60):
                await (self.map(reserve, "abc") if kind == "declared" else self.map(double, range(3)))
        except (OutOfStock, TaskError, TimeoutError) as error:
            await double(1)
            return [type(error).__name__, self.now().timestamp() > 0]
        return None


@pytest.mark.parametrize(
    ("kind", "raised", "shown"),
    [("declared", "OutOfStock", "OutOfStock"), ("other", "ValueError", "TaskError"), ("other", "", "TimeoutError")],
)
def test_the_first_failure_ends_it(kind: str, raised: str, shown: str, again: Reload) -> None:
    """As in `gather`; what is open then is given up, as when the waiting ends for another reason."""
    with Stage(Caught, ALL) as stage:
        stage.start(kind=kind)
        stage.done(2, "r1" if kind == "declared" else 1)
        again(stage)
        turn = stage.fail(3, raised) if raised else stage.fire(1)
        assert set(turn.tasks_closed) == {3, 4}
        again(stage)
        stage.done(4, "late" if kind == "declared" else 3)
        stage.done(5, 1)
        assert stage.result == [shown, True]
        stage.replayed()


def test_local_tasks(again: Reload) -> None:
    """They run inside the node, and leave their outcomes only."""

    class Local(Workflow):
        async def run(self) -> list[int]:
            return await self.map(look_up, ["a", "b", "c"], at_most=2)

    with Stage(Local, ALL) as stage:
        assert [call.task for call in stage.start().local_calls] == [1, 2]
        again(stage)
        assert [call.task for call in stage.execution.pending_local_calls()] == [1, 2]
        stage.done(2, 2, local="look_up")
        again(stage)
        stage.done(1, 1, local="look_up")
        stage.done(3, 3, local="look_up")
        assert stage.result == [1, 2, 3]
        stage.replayed()


def test_no_event_is_too_large() -> None:
    """Many items, and large ones, are asked for by several events; numbers go on."""

    class Large(Workflow):
        async def run(self, size: int, count: int) -> int:
            return len(await self.map(long, ["x" * size] * count))

    with Stage(Large, [long]) as stage:
        assert len(stage.start(size=100_000, count=9).tasks) == 9
        assert stage.types.count("TasksScheduled") == 5
        assert all(len(event.data) < 2 * MOST_BYTES for event in stage.journal)
    with Stage(Large, [long]) as stage:
        assert [each.task for each in stage.start(size=1, count=2500).tasks] == list(range(1, 2501))
        assert stage.types.count("TasksScheduled") == 3
        stage.replayed()


def test_a_map_that_changed_is_found() -> None:
    """Another task, or another number of items."""

    class Fewer(Mapping, name="Mapping"):
        async def run(self, count: int, at_most: int | None = None) -> list[int]:
            return await self.map(double, range(count - 1))

    with Stage(Mapping, ALL) as stage:
        stage.start(count=4)
        with pytest.raises(Nondeterminism, match=r"#1 to #4 double.*#1 to #3 double"):
            stage.replayed(Fewer, ALL)


@pytest.mark.parametrize("mistake", ["no task", "bound"])
def test_mistakes(mistake: str) -> None:
    """The code is stuck with a message that says what was expected."""

    class Wrong(Workflow):
        async def run(self) -> None:
            if mistake == "bound":
                await self.map(double, [1], at_most=0)
            else:
                await self.map(asyncio.sleep, [1])

    with Stage(Wrong, ALL) as stage:
        stuck = stage.start().stuck
        assert stuck is not None
        assert ("at_most must be 1 or more" if mistake == "bound" else "takes a @task") in stuck.message


def test_fifty_thousand_items() -> None:
    """They work, and what one costs does not depend on how many there are: nothing of theirs is left when all are done."""
    with Stage(Mapping, ALL) as stage:
        assert len(stage.start(count=50_000).tasks) == 50_000
        assert stage.types.count("TasksScheduled") == 50
        for number in range(50_000, 0, -1):
            turn = stage.execution.task_completed(number, raw(number), stage.now)
            assert len(turn.events) <= 2
        assert not stage.execution.ledger.tasks
        assert not stage.execution.program.open
        assert stage.result == list(range(1, 50_001))
