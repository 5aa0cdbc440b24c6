"""Stray messages that can't be read are put aside by some partition, also when that one is just being lost."""

from __future__ import annotations

from runtime.transport.port import Destination, Message
from tests.simulation.faults import Fate, all_good, every
from tests.simulation.world import World, simulate
from tests.unit.runtime.tally import TALLIES


def test_a_partition_that_is_lost_meanwhile_costs_no_place_in_the_prefetch() -> None:
    """Its write did not come through before the lease was gone; another one writes it down, and the delivery is acked."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        transport = world.transport(all_good)
        await transport.open()
        node.store.plan = every(1, Fate.NOT_DONE, "commit")
        await transport.publish([Message(Destination.INGRESS, "x.y", b"\xff%d" % number) for number in range(3)])
        await world.pass_time(0.5)
        for partition in world.store.log.partitions:
            partition.owner, partition.epoch, partition.expires_at = None, partition.epoch + 1, None
        await world.pass_time(3.0)
        node.store.plan = all_good

        async def all_put_aside() -> bool:
            return {kept.body for kept in await world.store.quarantined()} == {b"\xff0", b"\xff1", b"\xff2"}

        await world.until(all_put_aside, seconds=30)
        await transport.close()
        await world.stop_all()
        assert world.broker.depth(Destination.INGRESS) == 0  # what was not acked would be back

    simulate(story, TALLIES)
