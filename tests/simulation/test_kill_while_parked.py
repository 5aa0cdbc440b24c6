"""A node that lacks the code of what it hosts dies at each of its awaits in turn: nothing that came meanwhile is lost."""

from __future__ import annotations

import asyncio

import pytest

from runtime import InstanceStuck
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import NodeProcess, World, simulate
from tests.unit.runtime.test_parked import WITH, WITHOUT, Packing, Scales, Weather

PARTS = 4

pytestmark = pytest.mark.timeout(300)


def tell(die_at: int) -> int:
    """Park a workflow and an actor on a node that dies at a step, and bring the code back; gives the steps it took."""
    Weather.refusals = 0

    async def story(world: World) -> int:
        first = world.node(app=WITH)
        async with world.client() as client:
            await client.start(Packing, "1")
            await client.call(Packing, "1", "want", 4)
            assert await client.call(Scales, "1", "weigh", 5) == 5
            await first.stop()
            lacking = world.node(app=WITHOUT, die_at=die_at)
            revived = asyncio.ensure_future(_revive(world, lacking.died))
            world.worker()
            for type, name, argument in ((Packing, "want", 5), (Scales, "weigh", 7)):
                with pytest.raises(InstanceStuck):
                    await client.call(type, "1", name, argument, command_id="meanwhile")
            await world.until(lambda: "TaskCompleted" in types_of(world.store, "Packing/1"), seconds=100)
            node = await revived if lacking.dead else lacking
            await node.stop()
            if node.dead:  # on its way out
                node = await revived
                await node.stop()
            revived.cancel()
            world.node(app=WITH)
            assert await client.result(Packing, "1", timeout=200) == [8, 4, 5]
            assert await client.call(Packing, "1", "want", 5, command_id="meanwhile") == 5
            assert await client.call(Scales, "1", "weigh", 7, command_id="meanwhile") == 12
            await world.until(lambda: not any(p.outbox for p in world.store.log.partitions))
        await world.stop_all()
        types = types_of(world.store, "Packing/1")
        assert (types.count("Stuck"), types.count("Resumed"), types.count("TaskCompleted")) == (1, 1, 1)
        audit_log(world.store, WITH)
        audit_rest(world.store, world.broker, WITH.task_queues)
        return lacking.steps

    return simulate(story, WITH)


async def _revive(world: World, died: asyncio.Event) -> NodeProcess:
    await died.wait()
    return world.node(app=WITHOUT)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_node_may_die_at_any_await_while_it_parks_what_it_does_not_know(part: int) -> None:
    """Outcomes and commands are recorded once, the listing is right, and all goes on where the code is."""
    died = 0
    while tell(1 + part + died * PARTS) >= 1 + part + died * PARTS:
        died += 1
    assert died > 10
