"""A node whose `run` is cancelled has crashed: what it held in memory must not live on in the process around it."""

from __future__ import annotations

import gc

from actors import App, Workflow, task
from tests.simulation.world import World, simulate

RAN: list[str] = []


@task
async def undo(what: str) -> None:
    RAN.append(what)


class Trip(Workflow):
    async def run(self) -> None:
        try:
            await self.until(lambda: False)
        finally:
            await undo("room")


def test_clean_up_code_of_its_instances_does_not_run_when_they_are_collected() -> None:
    """It would call the task's function itself, outside of any workflow, and nothing would be recorded."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Trip, "1")
        node.die()  # its remains are cancelled in the end

    RAN.clear()
    simulate(story, App(actors=[Trip], tasks=[undo]))
    gc.collect()
    assert RAN == []
