"""Restarts by hand: what their arguments are, and what a node that has not the code says."""

from __future__ import annotations

import pytest

from actors import App, UpcastInput, Workflow
from runtime import CommandInvalid, InstanceStuck, NotFound
from tests.simulation.world import World, simulate


class Before(Workflow, name="Parcel"):
    async def run(self, grams: int) -> int:
        return grams


class After(Workflow, name="Parcel"):
    upcasters = (UpcastInput("run", 1, lambda data: {"kilos": data["grams"] / 1000}),)

    async def run(self, kilos: float) -> float:
        return kilos


class Other(Workflow, name="Parcel"):
    async def run(self, address: str) -> str:
        return address


def _inputs(world: World) -> list[tuple[int, bytes]]:
    return [
        (event.schema, event.data) for event in world.store.log.streams["Parcel/1"].events if event.type == "RunStarted"
    ]


def test_arguments_of_an_old_form_are_brought_into_todays() -> None:
    """And are recorded in it, so that the next restart finds them so. What does not fit is refused, and nothing recorded."""

    async def story(world: World) -> None:
        async with world.client() as client:
            first = world.node(app=App(actors=[Before]))
            assert await client.execute("Parcel", "1", input={"grams": 1500}) == 1500
            await first.stop()
            other = world.node(app=App(actors=[Other]))
            with pytest.raises(
                CommandInvalid, match=r"the arguments that Parcel/1 was started with do not fit .*--input"
            ):
                await client.corrections.restart("Parcel", "1")
            assert len(_inputs(world)) == 1
            await other.stop()
            for _ in range(2):
                node = world.node(app=App(actors=[After]))
                await client.corrections.restart("Parcel", "1")
                assert await client.result("Parcel", "1") == 1.5
                await client.corrections.restart("Parcel", "1")
                assert await client.result("Parcel", "1") == 1.5
                await node.stop()
            found = _inputs(world)
            assert [schema for schema, _ in found] == [1, 2, 2, 2, 2]
            assert all(b'"input":{"kilos":1.5}' in data for _, data in found[1:])

    simulate(story, App(actors=[Before]))


def test_a_type_that_nobody_knows_is_not_restarted() -> None:
    """Its code may come; so the message says that it is wanting. An instance that never was is not there."""

    async def story(world: World) -> None:
        async with world.client() as client:
            first = world.node(app=App(actors=[Before]))
            assert await client.execute("Parcel", "1", input={"grams": 1}) == 1
            with pytest.raises(NotFound):
                await client.corrections.restart("Parcel", "2")
            await first.stop()
            node = world.node(app=App(actors=[]))
            with pytest.raises(InstanceStuck, match="Parcel"):
                await client.corrections.restart("Parcel", "1")
            await node.stop()
            assert len(_inputs(world)) == 1

    simulate(story, App(actors=[Before]))
