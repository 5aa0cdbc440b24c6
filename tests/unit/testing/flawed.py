"""Planted bugs: what works in a quiet test, and not when a node dies."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from actors import Actor, Workflow, command, event, query, task

HITS: list[str] = []  # the world that nobody may touch from workflow code


@task
async def book(cents: int) -> None: ...


@task
async def other() -> None: ...


class Wavering(Workflow):
    """Asks for another task in every second run."""

    async def run(self, cents: int) -> None:
        HITS.append("run")
        if len(HITS) % 2:
            await book(cents)
        else:
            await other()
        await asyncio.sleep(1)


class Counting(Workflow):
    """Its command handler counts in the world, and so once more in each replay."""

    def __init__(self) -> None:
        self.hits = 0

    async def run(self) -> int:
        await self.until(lambda: self.hits)
        await asyncio.sleep(1)
        return len(HITS)

    @command
    def hit(self) -> None:
        self.hits += 1
        HITS.append("hit")


class Paying(Workflow):
    async def run(self, cents: int) -> None:
        await book(cents)
        await asyncio.sleep(1)


class Tally(Struct):
    count: int = 0
    last: Any = None


class Counted(Struct):
    by: int
    what: Any = None


class Forgetful(Actor):
    """Changes its state without an event."""

    state: Tally

    @command
    def count(self, what: Any = None) -> int:
        self.state.count += 1
        self.emit(Counted(1, what))
        return self.state.count

    @command
    def keep(self, what: str) -> None:
        self.emit(Counted(1, (what, what)))

    @query
    def total(self) -> int:
        return self.state.count

    @event
    def counted(self, e: Counted) -> None:
        self.state.last = e.what


class Tuples(Actor):
    """Its state becomes another one in JSON."""

    state: Tally

    @command
    def count(self) -> int:
        self.emit(Counted(1))
        return self.state.count

    @event
    def counted(self, e: Counted) -> None:
        self.state.count += e.by
        self.state.last = (e.by, e.by)


class Customer(Struct):
    name: str


class GoldCustomer(Customer):
    discount: int = 10


@task
async def greet(customer: Customer, factor: float) -> dict[str, Any]:
    return {}


class Greeting(Workflow):
    async def run(self, gold: bool, factor: float) -> Customer:
        customer = GoldCustomer("ada") if gold else Customer("ada")
        await greet(customer, factor)
        return customer
