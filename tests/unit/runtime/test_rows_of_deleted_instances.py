"""What a deleted instance had asked for comes to an end, also when another instance has begun under its name by then."""

from __future__ import annotations

import pytest

from actors import App, Workflow, command
from tests.simulation.audit import audit_log, audit_rest
from tests.simulation.world import World, simulate


class Other(Workflow):
    def __init__(self) -> None:
        self.over = False

    async def run(self) -> str:
        await self.until(lambda: self.over)
        return "over"

    @command
    async def wait(self) -> str:
        await self.until(lambda: self.over)
        return "waited"

    @command
    def end(self) -> None:
        self.over = True


class Asking(Workflow):
    def __init__(self) -> None:
        self.over = False

    async def run(self, how: str) -> str:
        if how == "child":
            self.start_child(Other, "o", on_close="abandon")
        elif how == "command":
            await self.actor(Other, "o").wait()
        await self.until(lambda: self.over)
        return how

    @command
    def end(self) -> None:
        self.over = True


APP = App(actors=[Asking, Other])


@pytest.mark.parametrize("how", ["child", "command"])
def test_an_outcome_for_a_deleted_instance_closes_its_row(how: str) -> None:
    """Else it would be asked for again and again, for ever."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            if how == "command":
                await client.start(Other, "o")
            await client.start(Asking, "1", how)
            await world.pass_time(1)
            await client.terminate(Asking, "1")
            await client.delete(Asking, "1")
            await client.start(Asking, "1", "nothing")
            await client.call(Other, "o", "end")
            rows = world.store.log.partitions
            await world.until(lambda: not any(partition.outbox for partition in rows), seconds=300)
            await client.call(Asking, "1", "end")
            assert await client.result(Asking, "1") == "nothing"
        await world.stop_all()
        audit_log(world.store, APP)
        audit_rest(world.store, world.broker, APP.task_queues)

    simulate(story, APP)
