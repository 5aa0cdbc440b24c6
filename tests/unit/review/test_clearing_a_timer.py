"""Only a durable state may say that nobody waits for a timer."""

from __future__ import annotations

import asyncio

from actors import App, Workflow
from eventstore import TimerKey
from runtime.hosting.item import Item, TimerDue
from runtime.messages import Start
from runtime.transport.port import Delivery, Destination
from tests.simulation.faults import Fate
from tests.simulation.world import NodeProcess, World, simulate


class Napping(Workflow):
    async def run(self) -> str:
        await asyncio.sleep(1)
        await asyncio.sleep(30)
        return "rested"


APP = App(actors=[Napping], tasks=[])


def test_a_timer_outlives_a_refused_start() -> None:
    """A repeated start is handled unseen just as a timer of the real run comes due, and then the node dies."""

    async def story(world: World) -> None:
        first = world.node()
        async with world.client() as client:
            await client.start(Napping, "1")
            await world.until(lambda: len(world.store.log.streams["Napping/1"].events) > 3)
            (row,) = _timers(world)
            await world.pass_time((row.due_at - world.now()).total_seconds() - 5)
            await world.until(lambda: not first.node.activations, seconds=4)
            await _start_just_when_the_timer_fires(world, first, row)
            assert _timers(world) == [row]
            second = world.node()
            await world.served(second)
            await world.until(lambda: not _timers(world), seconds=30)
            assert await client.result(Napping, "1", timeout=30) == "rested"
        await world.stop_all()

    simulate(story, APP, partitions=1, idle=1.0)


async def _start_just_when_the_timer_fires(world: World, node: NodeProcess, timer: TimerKey) -> None:
    def die_at_the_next_read(method: str) -> Fate:
        if method == "load":
            node.die()
        return Fate.GOOD

    node.store.plan = die_at_the_next_read
    ((service, _),) = node.node._serving.values()
    start = Delivery(Destination.COMMANDS, "0", b"")
    service.host.receive(timer.stream, Item(Start(type="Napping", id="1"), start))
    service.host.receive(timer.stream, Item(TimerDue(type="Napping", id="1", timer=timer)))
    await node.died.wait()


def _timers(world: World) -> list[TimerKey]:
    return [timer for partition in world.store.log.partitions for timer in partition.timers]
