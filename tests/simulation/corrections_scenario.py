"""A life that is put right by hand: paused and resumed, and with steps that are settled for it."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from msgspec import Struct

from actors import Actor, App, Retry, RunFailed, TaskError, Workflow, command, event, query, task
from runtime import Client
from tests.simulation.audit import types_of
from tests.simulation.scenario import WAIT, Scenario
from tests.simulation.world import World


class Noted(Struct):
    text: str


class Notes(Struct):
    texts: list[str] = []


@task
async def pack(item: str) -> str:
    return f"{item} packed"


@task(retry=Retry(max_attempts=3, first_delay=3600, jitter=0))
async def stamp(item: str) -> str:
    raise OSError(f"no stamp for {item}")


class Bank:
    """Whether it is open; the story changes it."""

    open = False


@task(retry=Retry(max_attempts=1))
async def pay(cents: int) -> int:
    if not Bank.open:
        raise OSError("closed")
    return cents


class Bill(Workflow):
    """Pays, and fails where it can't; something else waits meanwhile."""

    async def run(self) -> list[str]:
        beside = asyncio.ensure_future(asyncio.sleep(3))
        paid = await pay(5)
        await beside
        return [str(paid), await pack("receipt")]


class Book(Actor):
    """Notes what it is told, in order; some of it slowly."""

    state: Notes

    @command
    async def note(self, text: str, slowly: bool = False) -> int:
        if slowly:
            await asyncio.sleep(8)
        self.emit(Noted(text))
        return len(self.state.texts)

    @event
    def noted(self, e: Noted) -> None:
        self.state.texts.append(e.text)


class Parcel(Workflow):
    def __init__(self) -> None:
        self.done: list[str] = []

    async def run(self, item: str) -> list[str]:
        self.done.append(await pack(item))
        await self.until(lambda: len(self.done) == 3)
        return self.done

    @command
    async def add(self, item: str) -> int:
        self.done.append(await pack(item))
        return len(self.done)

    @query
    def so_far(self) -> list[str]:
        return self.done


class Letter(Workflow):
    """Waits for what does not come by itself, or not soon."""

    async def run(self) -> list[str]:
        ends = []
        try:
            await stamp("a letter")
        except TaskError as error:
            ends.append(error.type)
        await asyncio.sleep(86_400)
        ends += await self.execute(Parcel, f"{self.id}-enclosed", "cup")
        book = self.actor(Book, "b")
        ends.append(str(await book.note("first", slowly=True)))
        ends.append(str(await book.note("second")))
        return ends


APP = App(actors=[Parcel, Letter, Book, Bill], tasks=[pack, stamp, pay])


async def tell(world: World, client: Client) -> None:
    """Tell of a parcel that is held, a letter each of whose steps is settled by hand, and a bill that is paid at the second go. Each request is said twice."""
    await _parcel(world, client)
    await _letter(world, client)
    await _bill(client)


async def _bill(client: Client) -> None:
    Bank.open = False
    await client.start(Bill, "1", timeout=WAIT)
    with pytest.raises(RunFailed):
        await client.result(Bill, "1", timeout=WAIT)
    Bank.open = True
    for _ in range(2):
        assert await client.corrections.retry(Bill, "1", "it is open", by="ann", command_id="t1", timeout=WAIT)
    assert await client.result(Bill, "1", timeout=WAIT) == ["5", "receipt packed"]


async def _parcel(world: World, client: Client) -> None:
    await client.start(Parcel, "1", "tea", timeout=WAIT)
    await world.until(lambda: "TaskCompleted" in types_of(world.store, "Parcel/1"), seconds=WAIT)
    for _ in range(2):
        assert await client.corrections.pause(Parcel, "1", "no tape", by="ann", command_id="h1", timeout=WAIT)
    assert not await client.corrections.pause(Parcel, "1", command_id="h2", timeout=WAIT)
    for item in ("cup", "pot"):
        await client.submit(Parcel, "1", "add", item, command_id=item, timeout=WAIT)
    assert await client.query(Parcel, "1", "so_far", timeout=WAIT) == ["tea packed"]
    for _ in range(2):
        assert await client.corrections.resume(Parcel, "1", "tape is here", by="bob", command_id="g1", timeout=WAIT)
    assert sorted(await client.result(Parcel, "1", timeout=WAIT)) == ["cup packed", "pot packed", "tea packed"]
    assert await client.corrections.pause(Parcel, "1", "no tape", by="ann", command_id="h1", timeout=WAIT)


async def _letter(world: World, client: Client) -> None:
    skip = client.corrections.skip

    async def reached(type: str) -> None:
        await world.until(lambda: type in types_of(world.store, "Letter/1"), seconds=WAIT, what=type)

    await client.start(Letter, "1", timeout=WAIT)
    await reached("TaskAttemptFailed")
    for _ in range(2):
        await skip(Letter, "1", 1, fail="no stamps", error="NoStamp", by="ann", command_id="s1", timeout=WAIT)
    await skip(Letter, "1", 2, command_id="s2", timeout=WAIT)
    await reached("ChildStarted")
    await world.until(lambda: "Parcel/1-enclosed" in world.store.log.streams, seconds=WAIT)
    for _ in range(2):
        await skip(Letter, "1", 3, result=["nothing"], command_id="s3", timeout=WAIT)
    await reached("CommandSent")
    await skip(Letter, "1", 4, result=0, command_id="s4", timeout=WAIT)
    assert await client.result(Letter, "1", timeout=WAIT) == ["NoStamp", "nothing", "0", "2"]
    await client.terminate(Parcel, "1-enclosed", timeout=WAIT)


def check(world: World) -> None:
    """Check what is left: each correction once, nothing decided while it was held, and no command lost or out of order."""
    types = types_of(world.store, "Parcel/1")
    assert types[3:7] == ["Paused", "CommandReceived", "CommandReceived", "Unpaused"]
    assert Counter(types) == {
        "RunStarted": 1, "TaskScheduled": 3, "TaskCompleted": 3, "CommandReceived": 2, "CommandCompleted": 2,
        "Paused": 1, "Unpaused": 1, "RunCompleted": 1,
    }  # fmt: skip
    assert types_of(world.store, "Letter/1") == [
        "RunStarted", "TaskScheduled", "TaskAttemptFailed", "TaskFailed", "TimerSet", "TimerFired", "ChildStarted",
        "ChildCompleted", "CommandSent", "CommandAnswered", "CommandSent", "CommandAnswered", "RunCompleted",
    ]  # fmt: skip
    bill = types_of(world.store, "Bill/1")
    assert bill[:3] == ["RunStarted", "TaskScheduled", "TimerSet"]
    assert bill[3:7] == ["TaskFailed", "RunFailed", "RunRetried", "Resumed"]
    assert Counter(bill)["TaskCompleted"] == 2
    noted = [event for event in world.store.log.streams["Book/b"].events if event.type == "Noted"]
    assert [event.data for event in noted] == [b'{"text":"first"}', b'{"text":"second"}']


CORRECTED = Scenario(tell, check, app=APP)
