"""One life of everything: a workflow with parallel tasks, a local task, a retried task, a durable timer, a command and a
query, and an actor with commands and a rejection.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec import Struct

from actors import Actor, App, ChildFailed, Rejected, Retry, Workflow, command, event, query, task, task_context
from runtime import Client, CommandFailed
from tests.simulation.audit import types_of
from tests.simulation.world import World

ORDER = "Order/1"
ACCOUNT = "Account/a"
TRIP = "Trip/1"


class Outside:
    """The outside world, which takes an effect once per idempotency key."""

    def __init__(self) -> None:
        self.effects: dict[str, str] = {}
        self.runs: Counter[str] = Counter()

    async def effect(self, what: str) -> None:
        """Act, with an await before and after the effect, where the actor's process may die."""
        key = task_context().key
        await asyncio.sleep(0)
        self.runs[key] += 1
        self.effects.setdefault(key, what)
        await asyncio.sleep(0)


OUTSIDE = Outside()


@task(retry=Retry(first_delay=0.2, jitter=0))
async def reserve(item: str) -> str:
    await OUTSIDE.effect(f"reserve {item}")
    return f"reserved {item}"


@task(retry=Retry(first_delay=0.2, jitter=0))
async def price(item: str) -> int:
    await OUTSIDE.effect(f"price {item}")
    return len(item)


@task(local=True)
async def stamp(item: str) -> str:
    await OUTSIDE.effect(f"stamp {item}")
    return f"stamped {item}"


@task(retry=Retry(max_attempts=9, first_delay=0.3, jitter=0))
async def message(item: str) -> int:
    """Fail twice."""
    if task_context().attempt < 3:
        raise ConnectionError("the gateway is busy")
    await OUTSIDE.effect(f"message {item}")
    return task_context().attempt


class Order(Workflow):
    def __init__(self) -> None:
        self.approved_by: str | None = None
        self.seen: list[str] = []

    async def run(self, item: str) -> dict[str, Any]:
        reserved, cost = await asyncio.gather(reserve(item), price(item))
        self.seen.append("gathered")
        stamped = await stamp(item)
        sent = await message(item)
        await asyncio.sleep(1.5)
        self.seen.append("slept")
        async with asyncio.timeout(86_400):
            await self.until(lambda: self.approved_by)
        return {"reserved": reserved, "cost": cost, "stamped": stamped, "sent": sent, "by": self.approved_by}

    @command
    async def approve(self, by: str) -> str:
        self.approved_by = by
        return f"approved by {by}"

    @query
    def progress(self) -> list[str]:
        return self.seen


class Deposited(Struct):
    amount: int


class Withdrawn(Struct):
    amount: int


class Balance(Struct):
    value: int = 0


class Account(Actor):
    state: Balance

    @command
    def deposit(self, amount: int) -> int:
        self.emit(Deposited(amount))
        return self.state.value

    @command
    def withdraw(self, amount: int) -> int:
        self.emit(Withdrawn(amount))
        if self.state.value < 0:  # after the event, so that a rejection has something to take back
            raise Rejected("insufficient funds", {"short": -self.state.value})
        return self.state.value

    @event
    def deposited(self, e: Deposited) -> None:
        self.state.value += e.amount

    @event
    def withdrawn(self, e: Withdrawn) -> None:
        self.state.value -= e.amount

    @query
    def balance(self) -> int:
        return self.state.value


class Errand(Workflow):
    async def run(self, item: str) -> str:
        return await reserve(item)


class Loss(Workflow):
    async def run(self, item: str) -> None:
        await price(item)
        raise Rejected(f"{item} is lost")


class Trip(Workflow):
    """Has two children side by side, one of which fails, and then a third whose id is taken."""

    async def run(self, item: str) -> list[str]:
        calls = (self.execute(Errand, "a", item), self.execute(Loss, "d", item))
        ends: tuple[Any, Any] = await asyncio.gather(*calls, return_exceptions=True)
        try:
            return [await self.execute(Errand, "taken", item)]
        except ChildFailed as conflict:
            return [ends[0], ends[1].type, conflict.type]


class Rounds(Workflow):
    """Buys one item a round, in three runs; listeners hear of the last one, whichever run they came in."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.last = False

    async def run(self, round: int = 1) -> int:
        await self.until(lambda: self.items)
        async with asyncio.timeout(86_400):
            await asyncio.gather(reserve(self.items[0]), stamp(self.items[0]))
        if round == 3:
            self.last = True
            return round
        return self.continue_as_new(round + 1)

    @command
    async def buy(self, item: str) -> int:
        self.items.append(item)
        return await price(item)

    @command(carry_over=True)
    async def listen(self) -> str:
        await self.until(lambda: self.last)
        return self.items[0]


APP = App(actors=[Order, Account, Errand, Trip, Loss, Rounds], tasks=[reserve, price, stamp, message])

RESULT = {"reserved": "reserved tea", "cost": 3, "stamped": "stamped tea", "sent": 3, "by": "ann"}
EFFECTS = {
    f"{ORDER}#1": "reserve tea",
    f"{ORDER}#2": "price tea",
    f"{ORDER}#3": "stamp tea",
    f"{ORDER}#4": "message tea",
}
FACTS = {
    "RunStarted": 1, "TaskScheduled": 3, "TaskCompleted": 4, "TaskAttemptFailed": 2, "TimerFired": 1,
    "CommandReceived": 1, "CommandCompleted": 1, "RunCompleted": 1, "TimerSet": 2,
}  # fmt: skip
WAIT = 200.0


async def tell_short(world: World, client: Client) -> None:
    """Tell of one command that somebody waits for, one that nobody asks about again, and one task."""
    assert await client.call(Account, "a", "deposit", 10, command_id="d", timeout=WAIT) == 10
    await client.send(Account, "a", "deposit", 20, command_id="s", timeout=WAIT)
    assert await client.execute(Errand, "1", "tea", command_id="start", timeout=WAIT) == "reserved tea"
    await world.until(lambda: len(types_of(world.store, ACCOUNT)) == 2, what="what was sent is applied")


def check_short(world: World) -> None:
    """Check what the short scenario left."""
    assert OUTSIDE.effects == {"Errand/1#1": "reserve tea"}
    assert types_of(world.store, ACCOUNT) == ["Deposited", "Deposited"]
    assert types_of(world.store, "Errand/1") == ["RunStarted", "TaskScheduled", "TaskCompleted", "RunCompleted"]


async def tell(world: World, client: Client) -> None:
    """Tell the scenario as its client; every answer must be the right one, whatever dies meanwhile."""
    assert await client.start(Order, "1", "tea", command_id="start", timeout=WAIT) is True
    assert await client.start(Order, "1", "tea", command_id="start again", timeout=WAIT) is False
    replies = await asyncio.gather(
        *(client.call(Account, "a", "deposit", 10, command_id=f"d{n}", timeout=WAIT) for n in range(3))
    )
    assert sorted(replies) == [10, 20, 30]
    with pytest.raises(CommandFailed) as refused:
        await client.call(Account, "a", "withdraw", 100, command_id="too much", timeout=WAIT)
    assert (refused.value.type, refused.value.details) == ("Rejected", {"short": 70})
    assert await client.call(Account, "a", "withdraw", 5, command_id="w", timeout=WAIT) == 25
    assert await client.call(Account, "a", "deposit", 10, command_id="d1", timeout=WAIT) in {10, 20, 30}
    assert await client.query(Account, "a", "balance", timeout=WAIT) == 25
    await client.send(Account, "a", "deposit", 1000, command_id="s", timeout=WAIT)
    # Nobody asks meanwhile: what the instance waits for must bring it back into memory, not a caller.
    await world.until(lambda: "TimerFired" in types_of(world.store, ORDER), seconds=WAIT, what="the timer fired")
    assert await client.query(Order, "1", "progress", timeout=WAIT) == ["gathered", "slept"]
    waiting = asyncio.ensure_future(client.result(Order, "1", timeout=WAIT))
    answer = await client.call(Order, "1", "approve", "ann", command_id="approve", timeout=WAIT)
    assert answer == "approved by ann"
    assert await waiting == RESULT
    assert await client.result(Order, "1", timeout=WAIT) == RESULT


def check(world: World) -> None:
    """Check what the scenario left."""
    assert OUTSIDE.effects == EFFECTS
    seen = types_of(world.store, ORDER)
    assert {type_: seen.count(type_) for type_ in FACTS} == FACTS, seen
    assert sorted(types_of(world.store, ACCOUNT)) == ["Deposited"] * 4 + ["Withdrawn"]
    assert set(world.store.log.streams[ACCOUNT].inbox) == {"d0", "d1", "d2", "too much", "w", "s"}


async def tell_of_children(world: World, client: Client) -> None:
    """Tell of a workflow with children, which nobody asks about once it was started."""
    assert await client.execute(Errand, "taken", "soap", command_id="taken", timeout=WAIT) == "reserved soap"
    await client.start(Trip, "1", "tea", command_id="start", timeout=WAIT)
    await world.until(lambda: types_of(world.store, TRIP)[-1] == "RunCompleted", seconds=WAIT, what="the parent's end")
    assert await client.result(Trip, "1", timeout=WAIT) == ["reserved tea", "Rejected", "Conflict"]


def check_children(world: World) -> None:
    """Check what the children's scenario left: each ran once, and each end was told and taken once."""
    assert OUTSIDE.effects == {"Errand/taken#1": "reserve soap", "Errand/a#1": "reserve tea", "Loss/d#1": "price tea"}
    assert sorted(types_of(world.store, TRIP)) == [
        "ChildCompleted", "ChildFailed", "ChildFailed", "ChildStarted", "ChildStarted", "ChildStarted",
        "RunCompleted", "RunStarted",
    ]  # fmt: skip
    assert types_of(world.store, "Errand/a") == ["RunStarted", "TaskScheduled", "TaskCompleted", "RunCompleted"]
    assert types_of(world.store, "Loss/d") == ["RunStarted", "TaskScheduled", "TaskCompleted", "RunFailed"]
    streams = world.store.log.streams
    assert streams[TRIP].partition != streams["Errand/a"].partition, "one child lives in another partition"
    assert streams[TRIP].partition == streams["Loss/d"].partition, "and one in its parent's"


async def tell_of_rounds(world: World, client: Client) -> None:
    """Tell of a workflow that starts over twice, with commands of each run said again at the end."""
    await client.start(Rounds, "1", command_id="start", timeout=WAIT)
    waiting = asyncio.ensure_future(client.result(Rounds, "1", timeout=WAIT))
    listening = asyncio.ensure_future(client.call(Rounds, "1", "listen", command_id="listen", timeout=WAIT))
    for round, item in enumerate(("tea", "soap", "bread"), 1):
        assert await client.call(Rounds, "1", "buy", item, command_id=f"b{round}", timeout=WAIT) == len(item)
        again = await client.call(Rounds, "1", "buy", "tea", command_id="b1", timeout=WAIT)
        assert again == 3
        await world.until(lambda: _ends(world) == round, seconds=WAIT, what="the round's end")  # noqa: B023 - at once
    assert (await waiting, await listening) == (3, "bread")


def _ends(world: World) -> int:
    return sum(type_ in {"RunContinued", "RunCompleted"} for type_ in types_of(world.store, "Rounds/1"))


def check_rounds(world: World) -> None:
    """Check what the rounds left: every number, command and effect once, whichever run it belongs to."""
    seen = types_of(world.store, "Rounds/1")
    assert (seen.count("RunStarted"), seen.count("RunContinued"), seen.count("RunCompleted")) == (1, 2, 1)
    assert (seen.count("CommandReceived"), seen.count("CommandCompleted")) == (4, 4)
    assert sorted(OUTSIDE.effects.values()) == sorted(
        f"{what} {item}" for what in ("reserve", "stamp", "price") for item in ("tea", "soap", "bread")
    )


class Scenario(Struct):
    """What is told, and what must be left of it."""

    tell: Callable[[World, Client], Coroutine[Any, Any, None]]
    check: Callable[[World], None]
    sweep_after: float = 6.0
    app: App = APP


ROUNDS = Scenario(tell_of_rounds, check_rounds)
LONG, SHORT = Scenario(tell, check), Scenario(tell_short, check_short)
CHILDREN = Scenario(tell_of_children, check_children, sweep_after=600.0)  # no second asking helps in time


def forget_outside() -> None:
    """Begin with an outside world in which nothing has happened."""
    OUTSIDE.effects.clear()
    OUTSIDE.runs.clear()
