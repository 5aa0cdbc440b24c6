"""What a type checker makes of results: mypy reads this file with every check."""

from __future__ import annotations

from typing import Any, assert_type

from actors import App, Workflow
from runtime import Client
from tests.simulation.world import World, simulate


class Ship(Workflow):
    async def run(self, item: str) -> list[str]:
        return [item]


async def typed(client: Client) -> list[list[str]]:
    """Read results in all ways."""
    started = assert_type(await client.execute(Ship, "1", "tea", run_timeout=60), list[str])
    awaited = assert_type(await client.result(Ship, "1", timeout=60), list[str])
    named = assert_type(await client.result("Ship", "1"), Any)
    return [started, awaited, named]


def test_a_result_has_the_type_of_its_run() -> None:
    """For a class; for a name it is what JSON gave."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            assert await typed(client) == [["tea"]] * 3
        await world.stop_all()

    simulate(story, App(actors=[Ship]))
