"""A small app with a command, a query and an end of every sort."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from actors import Actor, App, Failure, Rejected, Workflow, command, event, query, task, validator


class OutOfTea(Failure):
    """A declared failure of the shop's own."""


JUDGED: list[str] = []  # by validators, which leave no other trace


class Added(Struct):
    units: int


class Shelf(Struct):
    units: int = 0
    history: list[int] = []


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
    def give_away(self, units: int, to: str) -> int:
        return self.take(units)

    @validator(give_away)
    def may_give_away(self, units: int, to: str) -> None:
        JUDGED.append(to)
        if units > self.state.units:
            raise Rejected(f"only {self.state.units} left for {to}", {"left": self.state.units})

    @event
    def added(self, added: Added) -> None:
        self.state.units += added.units
        self.state.history.append(added.units)

    @query
    def units(self) -> int:
        return self.state.units

    @query
    def history(self) -> list[int]:
        return self.state.history

    @query
    def share(self, of: int) -> float:
        return self.state.units / of


@task
async def fetch(what: str) -> str:
    return f"{what} fetched"


class Order(Workflow):
    """Is open until somebody closes it, and ends as it was told."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.released: set[str] = set()
        self.end: str | None = None

    async def run(self, customer: str = "ada") -> list[str]:
        await self.until(lambda: self.end is not None)
        if self.end == "failed":
            raise OutOfTea(f"no tea for {customer}", {"customer": customer})
        return self.items

    @command
    def add(self, item: str) -> int:
        if item == "coffee":
            raise OutOfTea("we have tea only", {"asked": item})
        self.items.append(item)
        return len(self.items)

    @command
    def add_special(self, item: str) -> int:
        return self.add(item)

    @validator(add_special)
    def may_add_special(self, item: str) -> None:
        JUDGED.append(item)
        if len(self.items) < 2:
            raise OutOfTea(f"no {item} before the third item")

    @command
    async def add_slowly(self, item: str) -> int:
        await self.until(lambda: item in self.released)
        self.items.append(item)
        return len(self.items)

    @command
    async def add_fetched(self, items: list[str]) -> list[str]:
        return [await fetch(item) for item in items]

    @command
    def release(self, item: str) -> None:
        self.released.add(item)

    @command
    def close(self, end: str = "completed") -> None:
        self.end = end

    @command
    async def close_and_wait(self) -> str:
        """Lets the run return in its own turn, and is done in a later one."""
        self.end = "completed"
        await asyncio.sleep(0.1)
        return "after the end"

    @query
    def content(self) -> list[str]:
        return self.items

    @query
    def first(self, length: int = 1) -> list[str]:
        return self.items[:length]

    @query
    def break_it(self) -> None:
        raise ZeroDivisionError("no such share")

    @query
    def meddle(self) -> None:
        self.end = "completed"


class Parcel(Workflow):
    """Has one task, whose outcome tests may tell in a worker's place."""

    async def run(self) -> Any:
        return await fetch("parcel")


class Quick(Workflow):
    """Ends in the turn in which it begins."""

    async def run(self) -> str:
        return "done"

    @command
    def hurry(self) -> None: ...


class Price(Struct):
    cents: int


class Deal(Workflow):
    """Waits for a price that somebody has to name; with patience, only after a while."""

    async def run(self, patience: float = 0) -> str:
        if patience:
            await asyncio.sleep(patience)
        price = await self.promise("price", Price)
        return f"sold for {price.cents}"


APP = App(actors=[Stock, Order, Parcel, Quick, Deal], tasks=[fetch])
