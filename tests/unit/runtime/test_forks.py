"""Forks: a new instance out of recorded events, whole or not at all, and the original never changed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from actors import Actor, App, Workflow, command, event, query, task
from runtime.errors import CommandInvalid, Conflict, NotFound
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate

RAN: list[str] = []


@task
async def price(item: str) -> int:
    return 10


@task
async def deliver(order: str, total: int) -> str:
    RAN.append(order)
    return f"{order} for {total}"


@task(local=True)
async def tax(total: int) -> int:
    return total // 10


class Order(Workflow):
    def __init__(self) -> None:
        self.go = False
        self.token = ""

    async def run(self, item: str) -> str:
        self.token = str(self.uuid())
        total = await price(item)
        if total > 100:
            return "too dear"
        total += await tax(total)
        await self.until(lambda: self.go)
        delivered, _ = await asyncio.gather(deliver(self.id, total), asyncio.sleep(5))
        return str(delivered)

    @command
    def release(self) -> None:
        self.go = True

    @query
    def secret(self) -> str:
        return self.token


class Part(Workflow):
    def __init__(self) -> None:
        self.done = False

    async def run(self) -> str:
        await self.until(lambda: self.done)
        return self.id

    @command
    def finish(self) -> None:
        self.done = True


class Whole(Workflow):
    async def run(self) -> list[str]:
        return [await self.execute(Part, f"{self.id}-{n}") for n in (1, 2)]


class Put(msgspec.Struct):
    units: int


class Shelf(msgspec.Struct):
    units: int = 0


class Stock(Actor):
    state: Shelf

    @command
    def put(self, units: int) -> int:
        self.emit(Put(units))
        return self.state.units

    @command
    async def put_priced(self, item: str) -> int:
        units = await price(item)
        self.emit(Put(units))
        return self.state.units

    @event
    def on_put(self, put: Put) -> None:
        self.state.units += put.units

    @query
    def units(self) -> int:
        return self.state.units


APP = App(actors=[Order, Part, Whole, Stock], tasks=[price, deliver, tax])


def told(story: Any, **settings: Any) -> None:
    """Run a story, and audit what is left."""

    async def whole(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await story(world, client)
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions), seconds=300)
        await world.stop_all()
        audit_log(world.store, APP)
        audit_rest(world.store, world.broker, APP.task_queues, ended=False)

    simulate(whole, APP, **settings)


def events_of(world: World, stream: str) -> list[tuple[str, bytes]]:
    found = world.store.log.streams.get(stream)
    return [] if found is None else [(event.type, event.data) for event in found.events]


async def there(world: World, stream: str) -> None:
    await world.until(lambda: stream in world.store.log.streams)


async def an_order(world: World, client: Any) -> list[tuple[str, bytes]]:
    """One that waits to be released: RunStarted, TaskScheduled, TaskCompleted (price), TaskCompleted (tax)."""
    await client.start(Order, "1", "tea")
    await world.until(lambda: len(events_of(world, "Order/1")) == 4)
    return events_of(world, "Order/1")


def test_fork_copies_up_to_the_point_and_no_further() -> None:
    """The new one lives on from there, on its own; the first event names its origin; the original is as it was."""

    async def story(world: World, client: Any) -> None:
        original = await an_order(world, client)
        await client.call(Order, "1", "release")
        await client.result(Order, "1")
        assert await client.fork(Order, "1", "2", at=4)
        assert types_of(world.store, "Order/2") == ["RunStarted", "TaskScheduled", "TaskCompleted", "TaskCompleted"]
        started = json.loads(events_of(world, "Order/2")[0][1])
        assert started["origin"]["stream"] == "Order/1"
        assert started["origin"]["version"] == 4
        assert events_of(world, "Order/2")[1:] == original[1:]
        assert await client.query(Order, "2", "secret") == await client.query(Order, "1", "secret")
        before = events_of(world, "Order/1")
        await client.call(Order, "2", "release")
        assert await client.result(Order, "2") == "2 for 11"
        assert events_of(world, "Order/1") == before
        assert await client.result(Order, "1") == "1 for 11"

    told(story)


def test_what_is_open_at_the_point_is_opened_again() -> None:
    """Tasks under the new one's keys, timers with their due times."""
    RAN.clear()

    async def story(world: World, client: Any) -> None:
        await an_order(world, client)
        await client.call(Order, "1", "release")
        await client.result(Order, "1")
        scheduled = types_of(world.store, "Order/1").index("TimerSet") + 1
        await client.fork(Order, "1", "2", at=scheduled)
        assert await client.result(Order, "2") == "1 for 11", "its input was recorded before the fork"
        assert RAN == ["1", "1"]
        kinds = types_of(world.store, "Order/2")[scheduled:]
        assert sorted(kinds) == ["RunCompleted", "TaskCompleted", "TimerFired"]

    told(story)


def test_a_point_in_the_middle_of_a_turn() -> None:
    """The code decides the rest of the turn itself."""

    async def story(world: World, client: Any) -> None:
        await an_order(world, client)
        await client.fork(Order, "1", "2", at=1)
        await world.until(lambda: len(events_of(world, "Order/2")) == 4)
        assert types_of(world.store, "Order/2") == types_of(world.store, "Order/1")

    told(story)


def test_a_changed_result() -> None:
    """What would have been, if the task had said something else; said twice, it is done once."""

    async def story(world: World, client: Any) -> None:
        await an_order(world, client)
        assert await client.fork(Order, "1", "dear", at=3, changes={3: {"result": 500}})
        assert await client.result(Order, "dear") == "too dear"
        assert not await client.fork(Order, "1", "dear", at=3, changes={3: {"result": 500}})
        with pytest.raises(Conflict, match="is not this fork"):
            await client.fork(Order, "1", "dear", at=3, changes={3: {"result": 501}})
        with pytest.raises(Conflict):
            await client.fork(Order, "1", "dear", at=3)
        assert types_of(world.store, "Order/dear") == ["RunStarted", "TaskScheduled", "TaskCompleted", "RunCompleted"]

    told(story)


def test_a_change_that_leads_elsewhere_is_explained() -> None:
    """Nothing is stored when the copied events do not follow from the change."""

    async def story(world: World, client: Any) -> None:
        await an_order(world, client)
        with pytest.raises(
            CommandInvalid, match=r"with version 3 changed the code goes another way.*Fork at version 3"
        ):
            await client.fork(Order, "1", "2", at=4, changes={3: {"result": 500}})
        assert "Order/2" not in world.store.log.streams

    told(story)


@pytest.mark.parametrize(
    ("at", "changes", "says"),
    [
        (9, {}, "Order/1 has 4 events; there is no version 9"),
        (2, {3: {"result": 1}}, "version 3 is to be changed, but only versions 1 to 2 are copied"),
        (3, {3: {"reslt": 1}}, "the event has no field 'reslt'; it has task, result"),
        (3, {3: 7}, "expected an object with the fields to change"),
        (3, {3: {"task": "x"}}, "Expected `int`"),
    ],
)
def test_what_can_not_be_forked_is_refused(at: int, changes: dict[int, Any], says: str) -> None:
    """And says why."""

    async def story(world: World, client: Any) -> None:
        await an_order(world, client)
        with pytest.raises(CommandInvalid, match=says):
            await client.fork(Order, "1", "2", at=at, changes=changes)
        assert "Order/2" not in world.store.log.streams

    told(story)


def test_there_must_be_an_original_and_a_free_id() -> None:
    """Nothing is forked from nothing, or onto somebody."""

    async def story(world: World, client: Any) -> None:
        with pytest.raises(NotFound, match="no Order/1 to fork"):
            await client.fork(Order, "1", "2", at=1)
        await an_order(world, client)
        await client.start(Order, "2", "tea")
        with pytest.raises(Conflict):
            await client.fork(Order, "1", "2", at=1)

    told(story)


def test_children_are_named_by_the_new_id() -> None:
    """Those that had ended are not started again; the open one is, as a child of the fork's own."""

    async def story(world: World, client: Any) -> None:
        await client.start(Whole, "a")
        for n in (1, 2):
            await there(world, f"Part/a-{n}")
            if n == 1:
                await client.call(Part, "a-1", "finish")
        at = len(events_of(world, "Whole/a"))
        await client.fork(Whole, "a", "b", at=at)
        await world.until(lambda: "Part/b-2" in world.store.log.streams)
        assert "Part/b-1" not in world.store.log.streams
        await client.call(Part, "b-2", "finish")
        assert await client.result(Whole, "b") == ["a-1", "b-2"]
        assert types_of(world.store, "Whole/a")[-1] == "ChildStarted"
        await client.call(Part, "a-2", "finish")
        assert await client.result(Whole, "a") == ["a-1", "a-2"]

    told(story)


def test_a_fork_of_a_child_tells_no_parent() -> None:
    """The parent hears of its own child only."""

    async def story(world: World, client: Any) -> None:
        await client.start(Whole, "a")
        await world.until(lambda: "Part/a-1" in world.store.log.streams)
        await client.fork(Part, "a-1", "other", at=1)
        await client.call(Part, "other", "finish")
        assert await client.result(Part, "other") == "other"
        assert types_of(world.store, "Whole/a") == ["RunStarted", "ChildStarted"]
        for n in (1, 2):
            await there(world, f"Part/a-{n}")
            await client.call(Part, f"a-{n}", "finish")
        await client.result(Whole, "a")

    told(story)


def test_actors_fork_too() -> None:
    """With changed events; the same again changes nothing."""

    async def story(world: World, client: Any) -> None:
        for units in (1, 2, 4):
            await client.call(Stock, "tea", "put", units)
        assert await client.fork(Stock, "tea", "coffee", at=2, changes={1: {"units": 100}})
        assert not await client.fork(Stock, "tea", "coffee", at=2, changes={1: {"units": 100}})
        assert await client.query(Stock, "coffee", "units") == 102
        assert await client.call(Stock, "coffee", "put", 1) == 103
        assert await client.query(Stock, "tea", "units") == 7
        with pytest.raises(Conflict):
            await client.fork(Stock, "tea", "coffee", at=1)
        with pytest.raises(CommandInvalid, match="the event has no field 'unit'; it has units"):
            await client.fork(Stock, "tea", "cocoa", at=2, changes={1: {"unit": 1}})

    told(story)


def test_a_fork_of_a_fork() -> None:
    """Draws the random numbers that the first one drew."""

    async def story(world: World, client: Any) -> None:
        await an_order(world, client)
        await client.fork(Order, "1", "2", at=4)
        await client.fork(Order, "2", "3", at=3)
        secrets = {await client.query(Order, id, "secret") for id in ("1", "2", "3")}
        assert len(secrets) == 1

    told(story)


def test_who_asked_too_early_sees_the_fork() -> None:
    """What was loaded of a stream that did not exist is not believed any more."""

    async def story(world: World, client: Any) -> None:
        await an_order(world, client)
        with pytest.raises(NotFound):
            await client.query(Order, "2", "secret")
        await client.fork(Order, "1", "2", at=4)
        assert await client.query(Order, "2", "secret")

    told(story)


def test_an_actor_is_not_forked_in_the_middle_of_a_command() -> None:
    """What the command has open belongs to the original; before and after it there is nothing open."""

    async def story(world: World, client: Any) -> None:
        await client.call(Stock, "tea", "put", 1)
        assert await client.call(Stock, "tea", "put_priced", "x") == 11
        kinds = types_of(world.store, "Stock/tea")
        middle = kinds.index("TaskScheduled") + 1
        with pytest.raises(CommandInvalid, match="was carrying out command put_priced: fork an actor where no command"):
            await client.fork(Stock, "tea", "a", at=middle)
        assert await client.fork(Stock, "tea", "b", at=len(kinds))
        assert await client.call(Stock, "b", "put_priced", "x") == 21
        assert await client.fork(Stock, "tea", "c", at=1)
        assert await client.query(Stock, "c", "units") == 1

    told(story)
