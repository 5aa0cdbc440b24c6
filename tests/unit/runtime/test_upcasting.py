"""Old forms in a real log: read as today's by a node, written as today's from now on; stuck, not skipped, when they can't be."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from msgspec import Struct

from actors import Actor, App, Retired, Snapshots, Upcast, UpcastState, command, event
from runtime import InstanceStuck
from tests.simulation.audit import audit_log
from tests.simulation.world import NodeProcess, World, simulate
from tests.unit.runtime.tally import count_reads


class Put(Struct):
    kg: int


class Counted(Struct):
    pass


class Weight(Struct):
    kg: int = 0


class Old(Actor, name="Stock"):
    """The release of before: kilograms, a snapshot at every third event, and an event that means nothing."""

    state: Weight
    snapshots: ClassVar[Snapshots | None] = Snapshots(every_events=3, least_share=0)

    @command
    def put(self, kg: int) -> int:
        self.emit(Put(kg))
        return self.state.kg

    @command
    def count(self) -> None:
        self.emit(Counted())

    @event
    def on_put(self, e: Put) -> None:
        self.state.kg += e.kg

    @event
    def on_counted(self, e: Counted) -> None: ...


class Grams(Struct):
    grams: int = 0


def to_grams(old: Any) -> Any:
    return {"grams": old["kg"] * 1000}


def fails(old: Any) -> Any:
    raise LookupError("no scales")


class New(Actor, name="Stock"):
    """The release of today: grams."""

    state: Grams
    snapshots: ClassVar[Snapshots | None] = Snapshots(every_events=3, least_share=0, schema=2)
    upcasters: ClassVar[Any] = (Upcast("Put", 1, to_grams), Retired("Counted"), UpcastState(1, to_grams))

    @command
    def put(self, grams: int) -> int:
        self.emit(PutGrams(grams))
        return self.state.grams

    @event
    def on_put(self, e: PutGrams) -> None:
        self.state.grams += e.grams


class PutGrams(Struct):
    grams: int


PutGrams.__name__ = "Put"  # an event's type is its class's name, and there are two of it in this file


class Unprepared(New, name="Stock"):
    upcasters: ClassVar[Any] = (Upcast("Put", 1, to_grams), UpcastState(1, to_grams))


class Mistaken(New, name="Stock"):
    upcasters: ClassVar[Any] = (Upcast("Put", 1, fails), Retired("Counted"), UpcastState(1, fails))


class Misfit(New, name="Stock"):
    upcasters: ClassVar[Any] = (Upcast("Put", 1, dict), Retired("Counted"))


OLD, NEW = App(actors=[Old]), App(actors=[New])


async def deploy(world: World, node: NodeProcess, app: App) -> NodeProcess:
    await node.stop()
    new = world.node(app=app)
    await world.served(new)
    return new


@pytest.mark.parametrize("events", [2, 3, 5])
def test_old_events_and_snapshots_are_read_as_todays(events: int) -> None:
    """New ones stand behind them in today's form, and both are read together."""

    async def story(world: World) -> None:
        node = world.node(app=OLD)
        async with world.client() as client:
            for _ in range(events - 1):
                await client.call(Old, "tea", "put", 1)
            await client.call(Old, "tea", "count")
            node = await deploy(world, node, NEW)
            reads = count_reads(world.store)
            assert await client.call(New, "tea", "put", 5) == 1000 * (events - 1) + 5
            assert reads == [("Stock/tea", 3 if events >= 3 else 0, events % 3)]
            await deploy(world, node, NEW)
            assert await client.call(New, "tea", "put", 5) == 1000 * (events - 1) + 10
        await world.stop_all()
        stored = world.store.log.streams["Stock/tea"].events
        assert [event.schema for event in stored] == [1] * events + [2, 2]
        audit_log(world.store, NEW)

    simulate(story, OLD)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (Unprepared, "Nondeterminism: Stock/tea: at version 2 the journal has an event of type Counted"),
        (Mistaken, "Bug: Stock/tea: event Put at version 1: the upcaster of Put from schema 1 to 2 raised LookupError"),
        (
            Misfit,
            "Bug: Stock/tea: event Put at version 1 does not fit its class: Object missing required field `grams`",
        ),
    ],
    ids=["unknown type", "upcaster raises", "wrong form"],
)
def test_what_cant_be_read_leaves_the_actor_stuck_until_mended(wrong: type[Actor], why: str) -> None:
    """Listed with its reason; nothing is skipped, nothing is added; it goes on with mended code."""

    async def story(world: World) -> None:
        node = world.node(app=OLD)
        async with world.client() as client:
            await client.call(Old, "tea", "put", 1)
            await client.call(Old, "tea", "count")
            node = await deploy(world, node, App(actors=[wrong]))
            with pytest.raises(InstanceStuck):
                await client.call(New, "tea", "put", 5, command_id="c")
            (row,) = await client.list(status="stuck")
            assert (row.execution.error or "").startswith(why)
            assert len(world.store.log.streams["Stock/tea"].events) == 2
            await deploy(world, node, NEW)
            assert await client.call(New, "tea", "put", 5, command_id="c") == 1005
        await world.stop_all()
        audit_log(world.store, NEW)

    simulate(story, OLD)


def test_a_snapshot_whose_upcaster_raises_costs_time_only() -> None:
    """The events have it all."""

    class Careless(New, name="Stock"):
        upcasters: ClassVar[Any] = (Upcast("Put", 1, to_grams), Retired("Counted"), UpcastState(1, fails))

    async def story(world: World) -> None:
        node = world.node(app=OLD)
        async with world.client() as client:
            for _ in range(4):
                await client.call(Old, "tea", "put", 1)
            await deploy(world, node, App(actors=[Careless]))
            reads = count_reads(world.store)
            assert await client.call(New, "tea", "put", 5) == 4005
            assert reads == [("Stock/tea", 3, 1), ("Stock/tea", 0, 4)]
        await world.stop_all()

    simulate(story, OLD)
