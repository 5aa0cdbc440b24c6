"""What the kit tells is what a real node tells: the same stories on both, the same answers and the same journals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.json import decode

from actors import App, RunFailed
from actors.testing import CommandFailed, CommandRefused, WorkflowTest
from runtime import Client
from runtime.errors import CommandError
from tests.simulation.conftest import silence
from tests.simulation.world import EPOCH, World, simulate
from tests.unit.testing import branch, shop
from tests.unit.testing.branch import Account, Book, Desk, Meter, Offer, Transfer
from tests.unit.testing.shop import Basket, Hurried, Order, Stock
from tests.unit.testing.test_task_mocks import CLASSES, Does, Near, forever, near, work

Story = Callable[["Teller"], Awaitable[None]]
DOING = App(actors=CLASSES, tasks=[work, near, forever])


class Teller:
    """Tells a story, on whichever; `said` holds each answer, or the error's type and message."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    async def note(self, told: Callable[[], Awaitable[Any]]) -> None:
        try:
            self.said.append(await told())
        except (CommandFailed, CommandRefused, CommandError, RunFailed) as error:
            self.said.append((error.type, getattr(error, "details", None)))

    async def do(self, what: str, type: Any, id: str, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    async def late(self, type: Any, id: str, seconds: float, command: str, *args: Any) -> None:
        raise NotImplementedError

    async def later(self, seconds: float) -> None:
        raise NotImplementedError


class OnTheKit(Teller):
    def __init__(self, run: WorkflowTest) -> None:
        super().__init__()
        self.run = run

    async def do(self, what: str, type: Any, id: str, *args: Any, **kwargs: Any) -> None:
        async def told() -> Any:
            answer = getattr(self.run.get(type, id), what)(*args, **kwargs)
            return None if what in {"start", "cancel", "terminate"} else answer

        await self.note(told)

    async def late(self, type: Any, id: str, seconds: float, command: str, *args: Any) -> None:
        self.run.get(type, id).call_later(command, *args, after=seconds)

    async def later(self, seconds: float) -> None:
        self.run.advance(seconds)


class OnANode(Teller):
    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client

    async def do(self, what: str, type: Any, id: str, *args: Any, **kwargs: Any) -> None:
        async def told() -> Any:
            answer = await getattr(self.client, what)(type, id, *args, **kwargs)
            await asyncio.sleep(5)  # for what comes about by it
            if what in {"resolve", "reject"}:
                return answer.resolved
            return None if what in {"start", "cancel", "terminate"} else answer

        await self.note(told)

    async def late(self, type: Any, id: str, seconds: float, command: str, *args: Any) -> None:
        await self.client.call_later(type, id, command, *args, after=seconds)

    async def later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def an_order(tell: Teller) -> None:
    await tell.do("start", Order, "1", "ada", 500)
    await tell.do("start", Order, "1", "ada", 500)
    await tell.do("start", Order, "1", "ada", 501)
    await tell.do("query", Order, "1", "status")
    await tell.do("query", Order, "1", "refuses")
    await tell.do("call", Order, "1", "ship", "T-1")
    await tell.do("result", Order, "1")
    await tell.do("call", Order, "1", "ship", "T-1")
    await tell.do("query", Order, "1", "status")
    await tell.do("call", Order, "2", "ship", "T-1")


async def children(tell: Teller) -> None:
    await tell.do("start", Order, "5-2", "eve", 1)
    await tell.do("start", Basket, "5", "ada", [100, 200])
    await tell.do("call", Order, "5-1", "ship", "T-1")
    await tell.do("result", Basket, "5")
    await tell.do("start", Basket, "6", "ada", [100])
    await tell.do("cancel", Basket, "6", "enough")
    await tell.do("result", Basket, "6")
    await tell.do("result", Order, "6-1")
    await tell.do("start", Basket, "7", "ada", [100, 200])
    await tell.do("terminate", Basket, "7", "enough", tree=True)
    await tell.do("result", Basket, "7")
    await tell.do("result", Order, "7-1")
    await tell.do("start", Hurried, "1", 20)
    await tell.later(30)
    await tell.do("result", Hurried, "1")
    await tell.do("call", Order, "h1-audit", "ship", "T-9")
    await tell.do("result", Order, "h1-audit")
    await tell.do("result", Order, "h1-late")


async def a_stock(tell: Teller) -> None:
    await tell.do("call", Stock, "tea", "add", 10)
    await tell.do("call", Stock, "tea", "take", 11)
    await tell.do("call", Stock, "tea", "take", 3)
    await tell.do("query", Stock, "tea", "units")


async def tasks_that_fail(tell: Teller) -> None:
    await tell.do("start", Does, "1", 1)
    await tell.later(60)
    await tell.do("result", Does, "1")
    await tell.do("start", Near, "1", 1)
    await tell.later(60)
    await tell.do("result", Near, "1")


async def transfers(tell: Teller) -> None:
    await tell.do("call", Account, "ann", "move", 100)
    await tell.do("call", Account, "ann", "move", 0)
    await tell.do("start", Transfer, "1", "ann", "bob", 30)
    await tell.later(30)
    await tell.do("result", Transfer, "1")
    await tell.do("start", Transfer, "2", "ann", "bob", 300)
    await tell.do("result", Transfer, "2")
    await tell.do("start", Transfer, "3", "ann", "bob", 30)
    await tell.do("cancel", Transfer, "3", "no")
    await tell.do("result", Transfer, "3")
    await tell.do("start", Transfer, "4", "ann", "bob", 30)
    await tell.do("terminate", Transfer, "4", "no")
    await tell.do("result", Transfer, "4")
    await tell.do("terminate", Transfer, "1")
    await tell.do("start_and_call", Transfer, "5", ["ann", "bob", 1], "stop", "")
    await tell.do("start_and_call", Transfer, "5", ["ann", "bob", 1], "stop", "tired")
    await tell.later(30)
    await tell.do("result", Transfer, "5")
    await tell.do("call", Book, "2026", "write", "the end")
    await tell.do("start", Transfer, "6", "ann", "bob", 1)
    await tell.late(Transfer, "6", 3.0, "stop", "in time")
    await tell.late(Transfer, "6", 2.0, "stop", "")
    await tell.late(Transfer, "6", 1_000.0, "stop", "too late")
    await tell.late(Book, "2026", 20.0, "write", "later")
    await tell.later(2_000)
    await tell.do("result", Transfer, "6")


async def runs(tell: Teller) -> None:
    await tell.do("start", Meter, "1")
    for units in range(1, 7):
        await tell.do("call", Meter, "1", "read", units)
        await tell.later(5)
    await tell.do("result", Meter, "1")


async def promises(tell: Teller) -> None:
    await tell.do("start", Offer, "1")
    await tell.do("resolve", Offer, "1", "price", "much")
    await tell.do("resolve", Offer, "1", "price", 4000)
    await tell.do("resolve", Offer, "1", "price", 5000)
    await tell.do("result", Offer, "1")
    await tell.do("resolve", Offer, "1", "other", 1)
    await tell.do("start", Offer, "2")
    await tell.do("reject", Offer, "2", "price", "no")
    await tell.do("result", Offer, "2")


async def a_desk(tell: Teller) -> None:
    await tell.do("call", Desk, "1", "mend", "x")
    await tell.do("call", Desk, "1", "count")
    await tell.do("call", Desk, "1", "lose", "ring")


STORIES = [
    (an_order, shop.app),
    (children, shop.app),
    (a_stock, shop.app),
    (tasks_that_fail, DOING),
    (transfers, branch.app),
    (runs, branch.app),
    (promises, branch.app),
    (a_desk, branch.app),
]

__all__ = ["silence"]

Told = tuple[list[Any], dict[str, list[str]]]


def kept(type: str, data: bytes) -> str:
    """An event without what differs by chance: ids, times, traces."""
    told = decode(data)
    told.get("error", {}).pop("trace", None)
    return f"{type} { ({name: told[name] for name in sorted(told) if name not in CHANCE}) }"


CHANCE = {"id", "by", "due", "retry_at", "command_id", "said"}


def on_the_kit(story: Story, app: App) -> Told:
    run = WorkflowTest(app, real=True, at=EPOCH)
    tell = OnTheKit(run)
    asyncio.run(_told(story, tell))
    journals = {stream: hosted.journal for stream, hosted in run._world.instances.items() if hosted.journal}
    return tell.said, {name: sorted(kept(e.type, e.data) for e in events) for name, events in journals.items()}


async def _told(story: Story, tell: Teller) -> None:
    await story(tell)


def on_a_node(story: Story, app: App) -> Told:
    async def told(world: World) -> list[Any]:
        world.node()
        world.worker()
        async with world.client() as client:
            tell = OnANode(client)
            await story(tell)
        journals = {name: stream.events for name, stream in world.store.log.streams.items() if stream.events}
        await world.stop_all()
        return [tell.said, {n: sorted(kept(e.type, e.data) for e in events) for n, events in journals.items()}]

    said, journals = simulate(told, app, within=3600.0)
    return said, journals


@pytest.mark.parametrize(("story", "app"), STORIES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_same_story(story: Story, app: App) -> None:
    """The same answers and errors; the same events in every stream, but for ids, times and the order of what is at once."""
    said, journals = on_the_kit(story, app)
    said_there, journals_there = on_a_node(story, app)
    assert said == said_there
    for stream in journals | journals_there:
        assert journals.get(stream) == journals_there.get(stream), stream
