"""A shop for the kit's tests: workflows of each sort, an actor, tasks that must not run by themselves."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from actors import Actor, App, Failure, Rejected, Retry, Workflow, command, event, query, task, task_context

DAY = 86_400


class Declined(Failure):
    """The card was declined."""


class NeverShipped(Failure):
    """Nobody shipped the order."""


@task(retry=Retry(max_attempts=3, first_delay=10), timeout=5, raises=(Declined,))
async def charge(customer: str, cents: int) -> str:
    return f"charge {task_context().key} of {cents}"


@task
async def write_to(customer: str, text: str) -> None: ...


@task(local=True, retry=Retry(max_attempts=2, first_delay=1))
async def tax(cents: int) -> int:
    return cents // 5


class Order(Workflow):
    def __init__(self) -> None:
        self.tracking: str | None = None

    async def run(self, customer: str, cents: int) -> str:
        payment: str
        payment, more = await asyncio.gather(charge(customer, cents), tax(cents))
        self.log.info("paid", tax=more)
        self.set_search_attributes(customer=customer, cents=cents)
        try:
            await self.until(lambda: self.tracking, timeout=30 * DAY)
        except TimeoutError:
            raise NeverShipped(f"order {self.id}") from None
        await write_to(customer, f"shipped as {self.tracking} at {self.now():%m-%d}")
        return payment

    @command
    def ship(self, tracking: str) -> None:
        if self.tracking not in (None, tracking):
            raise Rejected(f"shipped as {self.tracking}")
        self.tracking = tracking

    @command
    async def ship_later(self, tracking: str, days: int) -> str:
        await asyncio.sleep(days * DAY)
        self.tracking = tracking
        return tracking

    @query
    def status(self) -> str:
        return f"shipped as {self.tracking}" if self.tracking else "waiting"

    @query
    def refuses(self) -> str:
        raise Rejected("no")


class Basket(Workflow):
    async def run(self, customer: str, cents: list[int]) -> list[str]:
        orders = (self.execute(Order, f"{self.id}-{n}", customer, each) for n, each in enumerate(cents, 1))
        payments: list[str] = await asyncio.gather(*orders)
        return payments


class Hurried(Workflow):
    """Gives one child a time, and lets another outlive it."""

    async def run(self, seconds: int) -> str:
        self.start_child(Order, f"h{self.id}-audit", "audit", 1, on_close="abandon")
        try:
            async with asyncio.timeout(seconds):
                await self.execute(Order, f"h{self.id}-late", "late", 2)
        except TimeoutError:
            return "too late"
        return "in time"


class Waits(Workflow):
    async def run(self) -> None:
        await self.until(lambda: False)


class Ticks(Workflow):
    async def run(self) -> None:
        while True:  # noqa: ASYNC110 - on purpose
            await asyncio.sleep(1)


class Broken(Workflow):
    async def run(self, items: list[int]) -> int:
        await write_to("x", "y")
        return items[7]


class Added(Struct):
    units: int


class Shelf(Struct):
    units: int = 0


class Stock(Actor):
    state: Shelf

    @command
    def add(self, units: int) -> int:
        self.emit(Added(units))
        return self.state.units

    @command
    def take(self, units: int) -> int:
        if units > self.state.units:
            raise Rejected(f"only {self.state.units} left", {"left": self.state.units})
        self.emit(Added(-units))
        return self.state.units

    @command
    def fail(self) -> None:
        raise KeyError("shelf")

    @query
    def units(self) -> int:
        return self.state.units

    @event
    def added(self, e: Added) -> None:
        self.state.units += e.units


app = App(actors=[Order, Basket, Hurried, Waits, Ticks, Broken, Stock], tasks=[charge, write_to, tax])
PAID: dict[Any, Any] = {charge: "payment-1", write_to: None, tax: tax}


@task
async def price(cents: int) -> int:
    return cents


class Catalogue(Workflow):
    async def run(self, items: int) -> int:
        return sum(await self.map(price, range(items), at_most=10))


catalogue = App(actors=[Catalogue], tasks=[price])
