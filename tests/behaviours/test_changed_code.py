"""Code that changes under running instances: what goes on, what is found out, and what waits for the right code."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, ClassVar

import pytest
from msgspec import Struct

from actors import Actor, App, Renamed, Upcast, UpcastInput, UpcastResult, Workflow, command, event, query, task
from runtime import Client, InstanceStuck
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place

ran: list[str] = []  # what tasks were really run, over all nodes of a story


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@task(local=True)
async def pack(what: str) -> str:
    ran.append(f"pack {what}")
    return f"packed {what}"


@task(local=True)
async def insure(what: str) -> str:
    ran.append(f"insure {what}")
    return f"insured {what}"


@task
async def post(what: str) -> str:
    ran.append(f"post {what}")
    return f"posted {what}"


TASKS = [pack, insure, post]


class Stepping(Workflow, name="Order"):
    """Goes one step further with each command; `notes` is its result."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps = 0

    async def step(self, number: int) -> None:
        await self.until(lambda: self.steps >= number)

    @command
    async def go(self) -> int:
        self.steps += 1
        return self.steps

    @query
    def seen(self) -> list[str]:
        return self.notes


async def deploy(place: Place, node: Any, cls: type[Workflow], *more: type[Workflow] | type[Actor]) -> Any:
    """Stop a node, and start one with other code."""
    await place.stop(node)
    return await place.node(App(actors=[cls, *more], tasks=TASKS))


async def reason(client: Client, status: str) -> str:
    """Why the one instance with this status does not go on; empty when there is none."""
    rows = await client.list(status=status)
    return (rows[0].execution.error or "") if rows else ""


# -- patches --------------------------------------------------------------------------------------------------


class First(Stepping, name="Order"):
    """The first release: three rounds, in each of which something is packed."""

    async def round(self, number: int) -> None:
        self.notes.append(await pack(str(number)))

    async def run(self) -> list[str]:
        for number in (1, 2, 3):
            await self.step(number)
            await self.round(number)
        return self.notes


class Second(First, name="Order"):
    """Insures first: all rounds of a run or none; and from one round on, what a round begins now is marked."""

    async def round(self, number: int) -> None:
        if self.patched("insure"):
            self.notes.append(await insure(str(number)))
        self.notes.append(await pack(str(number)))
        if self.patched(f"mark-{number}"):
            self.notes.append(f"mark {number}")


class Third(First, name="Order"):
    """No run without insurance is left."""

    async def round(self, number: int) -> None:
        self.notes += [await insure(str(number)), await pack(str(number)), f"mark {number}"]


def test_patch_added_removed_in_a_loop_with_an_old_and_a_new_run_side_by_side(play: Play) -> None:
    """The old run keeps to its way and the new one to its own, on one node; the latter bears that the patch goes."""

    async def story(place: Place) -> None:
        node = await place.node(App(actors=[First], tasks=TASKS))
        client = await place.client()
        await client.start(First, "old")
        await client.call(First, "old", "go")
        await place.until(lambda: place.has("Order/old", "TaskCompleted"))
        node = await deploy(place, node, Second)
        await client.start(Second, "new")
        for _ in range(2):
            await client.call(Second, "old", "go")
            await client.call(Second, "new", "go")
        assert await client.result(Second, "old") == ["packed 1", "packed 2", "mark 2", "packed 3", "mark 3"]
        before = await client.query(Second, "new", "seen")
        node = await deploy(place, node, Third)
        assert await client.query(Third, "new", "seen") == before
        await client.call(Third, "new", "go")
        expected = [text for n in (1, 2, 3) for text in (f"insured {n}", f"packed {n}", f"mark {n}")]
        assert await client.result(Third, "new") == expected
        assert (await place.types("Order/new")).count("Patched") == 3  # insure, mark-1, mark-2
        await deploy(place, node, Second)  # the old run, which has ended, is looked at by its own code
        assert await client.query(Second, "old", "seen") == await client.result(Second, "old")

    play(story, App(actors=[Second], tasks=TASKS))


# -- nondeterminism -------------------------------------------------------------------------------------------


class Right(Stepping, name="Order"):
    """Posts two parcels, one after the other, and waits."""

    async def work(self) -> None:
        self.notes.append(await post("one"))
        self.notes.append(await post("two"))

    async def run(self) -> list[str]:
        await self.work()
        await self.step(1)
        return self.notes


class OtherOperation(Right, name="Order"):
    async def work(self) -> None:
        self.notes.append(await post("one"))
        await asyncio.sleep(0.1)


class Missing(Right, name="Order"):
    async def work(self) -> None:
        self.notes.append(await post("one"))


class Extra(Right, name="Order"):
    async def work(self) -> None:
        await asyncio.gather(post("one"), post("wrong"))
        await post("two")


class Another(Workflow, name="Other"):
    async def run(self) -> None: ...


class OtherOrder(Right, name="Order"):
    async def work(self) -> None:
        await asyncio.gather(asyncio.sleep(0.1), post("one"))
        await post("two")


KINDS = [
    (OtherOperation, "at version 4 the journal has TaskScheduled(#2 post), but the code now asks for TimerSet(#2)"),
    (Missing, "at version 4 the journal has TaskScheduled(#2 post), but the code now asks for nothing more"),
    (Extra, "at version 3 the journal has TaskCompleted(#1), but the code now first asks for TaskScheduled(#2 post)"),
    (OtherOrder, "at version 2 the journal has TaskScheduled(#1 post), but the code now asks for TimerSet(#1)"),
]


@pytest.mark.parametrize(("wrong", "why"), KINDS, ids=["other operation", "missing", "extra", "other order"])
def test_four_kinds_of_nondeterminism_each_detected_and_nothing_of_the_wrong_path_applied(
    play: Play, wrong: type[Workflow], why: str
) -> None:
    """Stuck, listed with what was recorded and what the code wants; what comes is kept; the right code goes on."""

    async def story(place: Place) -> None:
        node = await place.node(App(actors=[Right], tasks=TASKS))
        await place.worker(App(tasks=TASKS))
        client = await place.client()
        await client.start(Right, "1")
        await place.until(lambda: ended_tasks(place, 2))
        node = await deploy(place, node, wrong)
        with pytest.raises(InstanceStuck, match="Nondeterminism"):
            await client.call(wrong, "1", "go", command_id="step")
        assert (await reason(client, "stuck")).startswith(f"Nondeterminism: Order/1: {why}")
        with pytest.raises(InstanceStuck):
            await client.query(wrong, "1", "seen")
        types = await place.types("Order/1")
        assert types[5:] == ["Stuck", "CommandReceived"]
        await deploy(place, node, Right)
        assert await client.result(Right, "1") == ["posted one", "posted two"]
        assert set(ran) == {"post one", "post two"}

    play(story, App(actors=[Right], tasks=TASKS))


async def ended_tasks(place: Place, number: int) -> bool:
    """Whether so many tasks have ended."""
    return (await place.types("Order/1")).count("TaskCompleted") == number


# -- from one release to the next -----------------------------------------------------------------------------


class Put(Struct):
    kg: int


class Kilos(Struct):
    kg: int = 0


class StockN(Actor, name="Stock"):
    state: Kilos

    @command
    def put(self, kg: int) -> int:
        self.emit(Put(kg))
        return self.state.kg

    @event
    def on_put(self, e: Put) -> None:
        self.state.kg += e.kg


class Added(Struct):
    grams: int


class Grams(Struct):
    grams: int = 0


def to_grams(old: Any) -> Any:
    return {"grams": old["kg"] * 1000}


class Stock(Actor):
    state: Grams
    upcasters: ClassVar[Any] = (Renamed("Put", Added), Upcast(Added, 1, to_grams))

    @command
    def put(self, grams: int) -> int:
        self.emit(Added(grams))
        return self.state.grams

    @event
    def added(self, e: Added) -> None:
        self.state.grams += e.grams


class ReleaseN(Stepping, name="Order"):
    """The release that is in flight."""

    async def run(self, what: str) -> list[str]:
        self.notes.append(await pack(what))
        await self.step(1)
        self.notes.append(await self.execute("Parcel", f"{self.id}-parcel", what))
        await asyncio.sleep(0.2)
        await self.step(2)
        return self.notes


class ParcelN(Workflow, name="Parcel"):
    def __init__(self) -> None:
        self.sent = False

    async def run(self, what: str) -> str:
        await self.until(lambda: self.sent)
        return what

    @command
    def send(self) -> None:
        self.sent = True


class ReleaseN1(Stepping, name="Order", version=1):
    """The next release of the same version: another input, another result of its child, one more task."""

    upcasters: ClassVar[Any] = (
        UpcastInput("run", 1, lambda old: {"items": [old["what"]]}),
        UpcastResult("Parcel", 1, lambda what: {"what": what}),
    )

    async def run(self, items: list[str]) -> list[str]:
        for item in items:
            self.notes.append(await pack(item))
        await self.step(1)
        if self.patched("insure"):
            self.notes.append(await insure(items[0]))
        parcel = await self.execute("Parcel", f"{self.id}-parcel", items[0])
        self.notes.append(str(parcel["what"]))
        await asyncio.sleep(0.2)
        await self.step(2)
        return self.notes


class ParcelN1(ParcelN, name="Parcel"):
    async def run(self, what: str) -> dict[str, str]:  # type: ignore[override]  # that is what has changed
        await self.until(lambda: self.sent)
        return {"what": what}


class Fresh(Workflow, name="Order", version=2):
    """And a new version for who starts now."""

    async def run(self, items: list[str]) -> str:
        return self.record(lambda: f"fresh {len(items)}")


def test_in_flight_instances_of_release_n_finish_under_release_n_plus_1_code(play: Play) -> None:
    """Wherever they are: before the change, behind it, waiting for a child, a timer or a command."""
    release_n: list[Any] = [ReleaseN, ParcelN, StockN]
    release_n1: list[Any] = [ReleaseN1, Fresh, ParcelN1, Stock]

    async def story(place: Place) -> None:
        node = await place.node(App(actors=release_n, tasks=TASKS))
        client = await place.client()
        await client.call(StockN, "tea", "put", 2)
        for id in ("early", "child", "timer"):
            await client.start(ReleaseN, id, id)
            await place.until(partial(place.has, f"Order/{id}", "TaskCompleted"))
        for id in ("child", "timer"):
            await client.call(ReleaseN, id, "go")
            await place.until(partial(place.has, f"Parcel/{id}-parcel", "RunStarted"))
        await client.call(ParcelN, "timer-parcel", "send")
        await place.until(lambda: place.has("Order/timer", "ChildCompleted"))
        await place.stop(node)
        await place.node(App(actors=release_n1, tasks=TASKS))
        await client.call("Order", "early", "go")
        for id in ("early", "child"):
            await place.until(partial(place.has, f"Parcel/{id}-parcel", "RunStarted"))
            await client.call(ParcelN1, f"{id}-parcel", "send")
        for id in ("early", "child", "timer"):
            await client.call("Order", id, "go")
        assert await client.result("Order", "early") == ["packed early", "insured early", "early"]
        assert await client.result("Order", "child") == ["packed child", "child"]
        assert await client.result("Order", "timer") == ["packed timer", "timer"]
        assert await client.call(Stock, "tea", "put", 5) == 2005
        assert await client.execute("Order", "now", input={"items": ["a", "b"]}) == "fresh 2"

    play(story, App(actors=release_n1, tasks=TASKS))


def test_unknown_type_or_version_parks_the_instance_and_it_goes_on_when_a_node_that_knows_it_appears(
    play: Play,
) -> None:
    """Listed with its reason; a command that comes meanwhile is kept."""

    class Newer(Workflow, name="Order", version=2):
        async def run(self) -> None: ...

    async def story(place: Place) -> None:
        node = await place.node(App(actors=[First], tasks=TASKS))
        client = await place.client()
        await client.start(First, "1")
        for number, without in enumerate((Another, Newer), 1):
            node = await deploy(place, node, without)
            with pytest.raises(InstanceStuck, match="UnknownType"):
                await client.call(First, "1", "go", command_id=f"step-{number}")
            assert (await reason(client, "parked")).startswith("UnknownType: Order/1: at version 1 the journal has")
            node = await deploy(place, node, First)
            assert await client.call(First, "1", "go", command_id=f"step-{number}") == number
        await client.call(First, "1", "go")
        assert await client.result(First, "1") == ["packed 1", "packed 2", "packed 3"]
        assert await client.list(status="parked") == []

    play(story, App(actors=[First], tasks=TASKS))
