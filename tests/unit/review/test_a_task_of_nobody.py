"""A task message that names no actor is put away; it must not keep a worker's slot."""

from __future__ import annotations

from runtime.transport.port import Destination, Message
from tests.simulation.world import World, simulate
from tests.unit.runtime.bank import BANK, Working

BODY = b'{"stream":"nobody","partition":0,"task":1,"attempt":1,"name":"work","input":{"name":"x"}}'


def test_the_worker_goes_on() -> None:
    """Somebody else published it, and the worker runs one task at a time."""

    async def story(world: World) -> None:
        world.node()
        worker = world.worker(task_concurrency=1)
        await worker.ready.wait()
        async with world.client() as client:
            await client._asker.publisher.publish(Message(Destination.TASKS, "default", BODY))
            await client.start(Working, "1", "a")
            assert await client.result(Working, "1", timeout=30) == "a done"
        await world.stop_all()

    simulate(story, BANK)
