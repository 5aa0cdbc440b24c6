from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from runtime.transport.port import Destination, Message
from tests.fuzz.effort import effort
from tests.fuzz.mutation import mutated
from tests.fuzz.office import office, tasks
from tests.simulation.world import World, simulate


@effort(10)
@given(st.integers(0, 2**48))
def test_worker_outlives_whatever_it_is_sent(seed: int) -> None:
    """A damaged task is dead-lettered or fails; the worker goes on, and holds nothing back."""

    async def story(world: World) -> None:
        chance = random.Random(seed)
        node, worker = world.node(), world.worker()
        await world.served(node)
        async with world.client() as client:
            for _ in range(30):
                body = mutated(tasks(), chance.getrandbits(48))
                await client._asker.publisher.publish(Message(Destination.TASKS, "default", body))
            await client.start("Errand", "healthy", number=5)
            for by in range(3):
                await client.call("Errand", "healthy", "step", by=by)
            assert await client.result("Errand", "healthy", timeout=120) == 8
            await world.until(lambda: not any(s._unacked for s in worker.transport._subscriptions), seconds=200)
        await worker.stop()
        await node.stop()

    simulate(story, office(), within=1200)
