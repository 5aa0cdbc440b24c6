"""Retention: an instance is deleted by itself so long after its end as its type says."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from actors import App, DefinitionError, Workflow
from eventstore import ListedExecution
from tests.simulation.world import World, simulate


class Short(Workflow):
    retention = timedelta(hours=2)

    async def run(self, seconds: float = 0.0) -> str:
        await asyncio.sleep(seconds)
        return "done"


class Kept(Workflow):
    async def run(self) -> str:
        return "done"


class Parent(Workflow):
    retention = timedelta(hours=2)

    async def run(self) -> str:
        return str(await self.execute(Short, "child"))


def test_what_ended_long_ago_goes_and_nothing_else() -> None:
    """Counted from the end; what runs, what ended lately and types without retention stay, whoever owns the partition."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.execute(Short, "old")
            await client.execute(Kept, "old")
            await client.start(Short, "slow", seconds=3600.0)
            await client.start(Short, "asleep", seconds=86_400.0)
            assert await client.execute(Parent, "p") == "done"
            await world.pass_time(1.9 * 3600)
            everything = {"Short/old", "Kept/old", "Short/slow", "Short/asleep", "Short/child", "Parent/p"}
            assert {listed.stream for listed in await listing(world)} == everything
            await node.stop()
            world.node()
            await world.pass_time(0.2 * 3600)
            assert {listed.stream for listed in await listing(world)} == {"Kept/old", "Short/slow", "Short/asleep"}
            assert await client.result(Short, "slow") == "done"
            await world.pass_time(1.0 * 3600)
            assert {listed.stream for listed in await listing(world)} == {"Kept/old", "Short/asleep"}

    simulate(story, App(actors=[Short, Kept, Parent]), within=5 * 3600.0, lease_ttl=600.0)


async def listing(world: World) -> list[ListedExecution]:
    return await world.store.executions(limit=100)


@pytest.mark.parametrize("retention", [timedelta(hours=1), 86_400, "1d"])
def test_a_retention_that_makes_no_sense(retention: object) -> None:
    """It is refused at registration: a parent that asks again must find its child."""
    kind = type("Odd", (Workflow,), {"run": Kept.run, "retention": retention})
    with pytest.raises(DefinitionError, match="retention must be a timedelta of at least"):
        App(actors=[kind])
