"""A node of a release that knew no `InstanceDeleted` has met what is left of an instance, and called it stuck."""

from __future__ import annotations

from msgspec.structs import replace

from actors import App, Workflow
from actors.journal import ErrorInfo, Stuck, encode_event
from runtime.messages import AwaitResult, Status
from tests.simulation.audit import types_of
from tests.simulation.world import World, simulate


class Job(Workflow):
    async def run(self) -> int:
        return 1


APP = App(actors=[Job])


def test_what_is_left_of_an_instance_does_not_run() -> None:
    """It is not there, is not listed as running, and its id is free."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.execute(Job, "1")
            await client.delete(Job, "1")
            node.die()
            events = world.store.log.streams["Job/1"].events
            stuck = encode_event(Stuck(ErrorInfo("Nondeterminism", "does not know that type")))
            partition = world.store.log.partitions[events[0].partition]
            offset = len(partition.events) + 1
            events.append(replace(events[0], version=2, type="Stuck", data=stuck, offset=offset))
            partition.events.append(events[-1])
            world.node()
            reply = await client._asker.ask(AwaitResult(type="Job", id="1"), 20.0)
            assert reply.status is Status.NOT_FOUND
            assert types_of(world.store, "Job/1") == ["InstanceDeleted", "Stuck"]
            assert await client.list() == []
            assert await client.execute(Job, "1") == 1

    simulate(story, APP)
