"""A mistake in the code stops one instance, which waits for a fix and loses nothing."""

from __future__ import annotations

import pytest

from actors import App, Workflow, command, query, task
from runtime import InstanceStuck
from tests.simulation.audit import audit_log, types_of
from tests.simulation.faults import Fate
from tests.simulation.world import NodeProcess, World, simulate


class Deployed:
    """Which version of the code runs."""

    fixed = False


@task
async def note() -> str:
    return "noted"


class Adding(Workflow):
    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.note = ""

    async def run(self) -> int:
        self.note = await note()
        await self.until(lambda: self.numbers)
        if not Deployed.fixed:
            raise KeyError("a mistake")
        await self.until(lambda: len(self.numbers) >= 3)
        return sum(self.numbers)

    @command
    def add(self, number: int) -> int:
        self.numbers.append(number)
        return len(self.numbers)

    @query
    def seen(self) -> list[int]:
        return self.numbers


class Other(Workflow):
    async def run(self) -> str:
        return await note()


APP = App(actors=[Adding, Other], tasks=[note])


@pytest.fixture(autouse=True)
def _unfixed() -> None:
    Deployed.fixed = False


async def _get_stuck(world: World) -> NodeProcess:
    node = world.node()
    world.worker()
    async with world.client() as client:
        await client.start(Adding, "1")
        await world.until(lambda: "TaskCompleted" in types_of(world.store, "Adding/1"))
        with pytest.raises(InstanceStuck, match="KeyError"):
            await client.call(Adding, "1", "add", 1, command_id="a")
    return node


def test_a_stuck_instance_is_listed_and_says_so() -> None:
    """Commands are kept and answered `stuck`, again when they are repeated; queries are refused; others go on."""

    async def story(world: World) -> None:
        await _get_stuck(world)
        async with world.client() as client:
            for command_id in ("a", "b", "b"):
                with pytest.raises(InstanceStuck):
                    await client.call(Adding, "1", "add", 1, command_id=command_id, timeout=5)
            with pytest.raises(InstanceStuck):
                await client.query(Adding, "1", "seen", timeout=5)
            (row,) = await client.list(status="stuck")
            assert row.stream == "Adding/1"
            assert row.execution.error == "KeyError: 'a mistake'"
            assert await client.execute(Other, "1", timeout=5) == "noted"
        await world.stop_all()
        assert types_of(world.store, "Adding/1")[-3:] == ["CommandReceived", "Stuck", "CommandReceived"]

    simulate(story, APP)


def test_a_stuck_instance_goes_on_by_itself_after_the_fix() -> None:
    """On the node that runs, after its backoff, and on one that is started anew, at once; nothing it was sent is lost."""

    async def story(world: World) -> None:
        node = await _get_stuck(world)
        async with world.client() as client:
            with pytest.raises(InstanceStuck):
                await client.call(Adding, "1", "add", 10, command_id="b")
            await node.stop()
            Deployed.fixed = True
            world.node()
            await world.until(lambda: types_of(world.store, "Adding/1")[-3:][0] == "Resumed", seconds=5)
            assert await client.call(Adding, "1", "add", 10, command_id="b") == 2
            assert await client.call(Adding, "1", "add", 100, command_id="c") == 3
            assert await client.result(Adding, "1", timeout=5) == 111
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


def test_a_fix_is_noticed_without_a_restart() -> None:
    """Whatever made the code fail may go away by itself."""

    async def story(world: World) -> None:
        await _get_stuck(world)
        Deployed.fixed = True
        await world.until(lambda: "Resumed" in types_of(world.store, "Adding/1"), seconds=10)
        await world.stop_all()

    simulate(story, APP)


@pytest.mark.parametrize("restart", [False, True])
def test_a_stuck_instance_is_tried_again_with_backoff(restart: bool) -> None:
    """A few times a minute, not all the time; also when a new node finds it stuck."""

    async def story(world: World) -> None:
        node = await _get_stuck(world)
        if restart:
            await node.stop()
            node = world.node()
            await world.served(node)
        loads: list[float] = []

        def count(method: str) -> Fate:
            if method == "load":
                loads.append(world.elapsed)
            return Fate.GOOD

        node.store.plan = count
        await world.pass_time(120)
        assert 3 <= len(loads) <= 8, loads
        await world.stop_all()

    simulate(story, APP)
