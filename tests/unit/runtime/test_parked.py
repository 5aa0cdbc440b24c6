"""An instance whose code a node does not have is parked there: nothing is lost, and it goes on where the code is."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Struct

from actors import Actor, App, Retry, Workflow, command, event, query, task
from runtime import CommandInvalid, InstanceStuck
from tests.simulation.audit import audit_log, types_of
from tests.simulation.world import NodeProcess, World, simulate


class Weather:
    """What the task does, over all processes of one story."""

    refusals = 0


@task(retry=Retry(max_attempts=3, first_delay=1, jitter=0), timeout=5)
async def pack(n: int) -> int:
    if Weather.refusals:
        Weather.refusals -= 1
        raise OSError("the scales are out of order")
    return 2 * n


class Packing(Workflow, version=1):
    """Packs when it is told to, then waits a minute."""

    def __init__(self) -> None:
        self.wanted: list[int] = []

    async def run(self) -> list[int]:
        await self.until(lambda: self.wanted)
        packed = await pack(self.wanted[0])
        await asyncio.sleep(60)
        await self.until(lambda: len(self.wanted) == 2)
        return [packed, *self.wanted]

    @command
    def want(self, n: int) -> int:
        self.wanted.append(n)
        return n

    @query
    def seen(self) -> list[int]:
        return self.wanted


class Packing2(Workflow, name="Packing", version=2):
    """What the old node does not know, and the other way round."""

    async def run(self) -> str:
        return "second"


class Weighed(Struct):
    grams: int


class Load(Struct):
    grams: int = 0


class Scales(Actor):
    state: Load

    @command
    def weigh(self, grams: int) -> int:
        self.emit(Weighed(grams))
        return self.state.grams

    @event
    def weighed(self, e: Weighed) -> None:
        self.state.grams += e.grams


class Other(Workflow):
    async def run(self) -> str:
        return "other"


WITH = App(actors=[Packing, Scales, Other], tasks=[pack])
WITHOUT = App(actors=[Other], tasks=[pack])
SECOND_ONLY = App(actors=[Packing2, Other], tasks=[pack])
BOTH = App(actors=[Packing, Packing2, Scales, Other], tasks=[pack])


@pytest.fixture(autouse=True)
def _doors() -> None:
    Weather.refusals = 0


async def replace(world: World, node: NodeProcess, app: App) -> NodeProcess:
    """Deploy: a node with other code in the place of one."""
    await node.stop()
    new = world.node(app=app)
    await world.served(new)
    return new


async def reason(world: World, stream: str) -> str:
    """The listing's status and reason."""
    row = await world.store.execution(stream)
    assert row is not None
    return f"{row.status}: {row.error}" if row.error else row.status


def put_aside(world: World) -> list[str]:
    """The reasons of all that is in the quarantine."""
    return [message.reason for partition in world.store.log.partitions for message in partition.quarantine.values()]


@pytest.mark.parametrize("without", [WITHOUT, SECOND_ONLY], ids=["type", "version"])
def test_unknown_type_or_version_parks_and_goes_on_where_it_is_known(without: App) -> None:
    """Outcome, timer and commands are recorded meanwhile; it is listed with its reason; nothing is asked twice."""

    async def story(world: World) -> None:
        node = world.node(app=WITH)
        async with world.client() as client:
            await client.start(Packing, "1")
            await client.call(Packing, "1", "want", 4)
            await world.until(lambda: "TaskScheduled" in types_of(world.store, "Packing/1"))
            node = await replace(world, node, without)
            world.worker()
            await world.until(lambda: "TaskCompleted" in types_of(world.store, "Packing/1"), seconds=200)
            assert (await reason(world, "Packing/1")).startswith("parked: UnknownType: Packing/1: at version 1")
            with pytest.raises(InstanceStuck, match="the command is kept"):
                await client.call(Packing, "1", "want", 5, command_id="second")
            with pytest.raises(InstanceStuck):
                await client.query(Packing, "1", "seen")
            assert await client.execute(Other, "1") == "other"
            node = await replace(world, node, without)
            assert types_of(world.store, "Packing/1").count("Stuck") == 1
            node = await replace(world, node, BOTH)
            assert await client.result(Packing, "1", timeout=100) == [8, 4, 5]
            assert await client.call(Packing, "1", "want", 5, command_id="second") == 5
            assert await reason(world, "Packing/1") == "completed"
            assert await client.execute("Packing", "2") == "second"
        await world.stop_all()
        audit_log(world.store, BOTH)

    simulate(story, WITH)


def test_a_timer_of_a_parked_instance_fires_in_time() -> None:
    """It is recorded by a node that does not know the code, and heard of by one that does."""

    async def story(world: World) -> None:
        node = world.node(app=WITH)
        world.worker()
        async with world.client() as client:
            await client.start(Packing, "1")
            await client.call(Packing, "1", "want", 4)
            await world.until(lambda: "TimerSet" in types_of(world.store, "Packing/1"))
            node = await replace(world, node, WITHOUT)
            await world.until(lambda: "TimerFired" in types_of(world.store, "Packing/1"), seconds=90)
            assert types_of(world.store, "Packing/1")[-2:] == ["Stuck", "TimerFired"]
            await replace(world, node, WITH)
            await client.call(Packing, "1", "want", 5)
            assert await client.result(Packing, "1", timeout=5) == [8, 4, 5]
        await world.stop_all()
        audit_log(world.store, WITH)

    simulate(story, WITH)


def test_a_failed_attempt_waits_for_the_code_that_knows_how_often_to_try() -> None:
    """It is not taken for the last one."""

    async def story(world: World) -> None:
        node = world.node(app=WITH)
        async with world.client() as client:
            await client.start(Packing, "1")
            await client.call(Packing, "1", "want", 4)
            await world.until(lambda: "TaskScheduled" in types_of(world.store, "Packing/1"))
            Weather.refusals = 2
            node = await replace(world, node, WITHOUT)
            world.worker()
            await world.until(lambda: "TaskCompleted" in types_of(world.store, "Packing/1"), seconds=300)
            assert not {"TaskFailed", "TaskAttemptFailed"} & set(types_of(world.store, "Packing/1"))
            await replace(world, node, WITH)
            await client.call(Packing, "1", "want", 5)
            assert await client.result(Packing, "1", timeout=100) == [8, 4, 5]
        await world.stop_all()

    simulate(story, WITH)


@pytest.mark.parametrize(
    ("name", "input", "error"), [("wish", {}, "UnknownName"), ("want", {"n": "x"}, "InvalidArguments")]
)
def test_a_bad_command_to_a_parked_instance_fails_alone(name: str, input: dict[str, str], error: str) -> None:
    """Nobody could check it; the instance goes on without it."""

    async def story(world: World) -> None:
        node = world.node(app=WITH)
        async with world.client() as client:
            await client.start(Packing, "1")
            node = await replace(world, node, WITHOUT)
            with pytest.raises(InstanceStuck):
                await client.call("Packing", "1", name, command_id="bad", input=input)
            await replace(world, node, WITH)
            await world.until(lambda: "CommandFailed" in types_of(world.store, "Packing/1"))
            assert await client.query(Packing, "1", "seen") == []
            failed = [e for e in world.store.log.streams["Packing/1"].events if e.type == "CommandFailed"]
            assert error in failed[0].data.decode()
        await world.stop_all()

    simulate(story, WITH)


def test_a_type_that_nobody_ever_heard_of_is_refused_at_once() -> None:
    """There is no such stream: nothing to park."""

    async def story(world: World) -> None:
        node = world.node(app=WITH)
        async with world.client() as client:
            for ask in (
                client.start("Nobody", "1", timeout=5),
                client.call("Nobody", "1", "go", timeout=5),
                client.query("Nobody", "1", "go", timeout=5),
                client.result("Nobody", "1", timeout=5),
                client.cancel("Nobody", "1", timeout=5),
            ):
                with pytest.raises(
                    CommandInvalid, match="no actor type is named 'Nobody'; known: Other, Packing, Scales"
                ):
                    await ask
            await client.send("Nobody", "1", "go")
            await world.until(lambda: put_aside(world))
        assert node.node.activations == 0
        await world.stop_all()
        assert "Nobody/1" not in world.store.log.streams

    simulate(story, WITH)


def test_an_actor_of_an_unknown_type_is_parked() -> None:
    """Its commands are not taken: who waits hears so, what nobody waits for is put aside; then it is as it was."""

    async def story(world: World) -> None:
        node = world.node(app=WITH)
        async with world.client() as client:
            assert await client.call(Scales, "1", "weigh", 5) == 5
            node = await replace(world, node, WITHOUT)
            for _ in range(2):
                with pytest.raises(InstanceStuck, match="knows no such type"):
                    await client.call(Scales, "1", "weigh", 7, command_id="w")
            assert (await reason(world, "Scales/1")).startswith("parked: UnknownType: ")
            await client.send(Scales, "1", "weigh", 9)
            await world.until(lambda: put_aside(world))
            node = await replace(world, node, WITHOUT)
            await replace(world, node, WITH)

            async def active() -> bool:
                return await reason(world, "Scales/1") == "active"

            await world.until(active)
            assert await client.call(Scales, "1", "weigh", 7, command_id="w") == 12
        await world.stop_all()
        audit_log(world.store, WITH)

    simulate(story, WITH)


def test_a_parked_instance_that_comes_back_to_wrong_code_is_listed_as_stuck() -> None:
    """With the new reason; and goes on with the right code."""

    class Wrong(Packing, name="Packing", version=1):
        async def run(self) -> list[int]:
            await asyncio.sleep(1)
            return []

    wrong = App(actors=[Wrong, Other], tasks=[pack])

    async def story(world: World) -> None:
        node = world.node(app=WITH)
        async with world.client() as client:
            await client.start(Packing, "1")
            await client.call(Packing, "1", "want", 4)
            node = await replace(world, node, WITHOUT)
            with pytest.raises(InstanceStuck):
                await client.call(Packing, "1", "want", 5, command_id="second")
            node = await replace(world, node, wrong)

            async def stuck() -> bool:
                return (await reason(world, "Packing/1")).startswith("stuck: Nondeterminism")

            await world.until(stuck)
            world.worker()
            await replace(world, node, WITH)
            assert await client.result(Packing, "1", timeout=100) == [8, 4, 5]
        await world.stop_all()

    simulate(story, WITH)
