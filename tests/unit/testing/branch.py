"""A bank's branch: actors and workflows that give each other commands, and ends that come from outside."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from actors import Actor, App, CallFailed, PromiseFailed, Rejected, Workflow, command, event, task, validator


@task
async def tell_customer(text: str) -> None: ...


class Moved(Struct):
    cents: int


class Balance(Struct):
    cents: int = 0


class Account(Actor):
    state: Balance

    @command
    def move(self, cents: int) -> int:
        if self.state.cents + cents < 0:
            raise Rejected("insufficient funds", {"left": self.state.cents})
        self.emit(Moved(cents))
        self.tell(Book, "2026").write(f"{self.id} {cents:+}")
        return self.state.cents

    @command
    def close(self) -> None:
        self.tell(Transfer, "nobody").stop("closed")

    @command
    def export(self) -> None:
        self.tell("Elsewhere", "1").take(self.id)

    @validator(move)
    def may_move(self, cents: int) -> None:
        if cents == 0:
            raise Rejected("nothing to move")

    @event
    def moved(self, e: Moved) -> None:
        self.state.cents += e.cents


class Written(Struct):
    line: str


class Lines(Struct):
    lines: list[str] = []


class Book(Actor):
    state: Lines

    @command
    def write(self, line: str) -> None:
        self.emit(Written(line))

    @event
    def written(self, e: Written) -> None:
        self.state.lines.append(e.line)


class Transfer(Workflow):
    def __init__(self) -> None:
        self.stopped = ""

    async def run(self, giver: str, taker: str, cents: int) -> str:
        try:
            left = await self.actor(Account, giver).move(-cents)
        except CallFailed as failed:
            return f"{failed.type}: {failed.message} {failed.details}"
        try:
            await asyncio.sleep(10)
            await self.actor(Account, taker).move(cents)
        except asyncio.CancelledError:
            await self.actor(Account, giver).move(cents)
            await tell_customer("taken back")
            raise
        return f"{left} left {self.stopped}".strip()

    @command
    def stop(self, why: str) -> None:
        self.stopped = why

    @validator(stop)
    def may_stop(self, why: str) -> None:
        if not why:
            raise Rejected("say why")


class Mended(Struct):
    what: str
    hours: int


class Work(Struct):
    hours: int = 0
    things: list[str] = []


class Desk(Actor):
    """Its commands wait: for tasks, local ones, timers and other actors."""

    state: Work

    @command
    async def mend(self, what: str) -> int:
        hours = await weigh(len(what))
        self.emit(Mended(what, hours))
        await asyncio.sleep(hours * 10)
        await tell_customer(f"{what} is mended")
        paid = await self.actor(Account, "desk").move(hours)
        self.tell(Book, "desk").write(what)
        return int(paid)

    @command
    async def lose(self, what: str) -> None:
        self.emit(Mended(what, 1))
        await asyncio.sleep(10)
        raise Rejected("lost", [what])

    @command
    def count(self) -> int:
        return len(self.state.things)

    @command
    async def fail(self) -> None:
        await asyncio.sleep(1)
        raise KeyError("screw")

    @event
    def mended(self, e: Mended) -> None:
        self.state.hours += e.hours
        self.state.things.append(e.what)


@task(local=True)
async def weigh(units: int) -> int:
    return units


class Meter(Workflow):
    """Begins a new run every second reading."""

    def __init__(self) -> None:
        self.units: list[int] = []

    async def run(self, before: int = 0, runs: int = 1) -> int:
        await self.until(lambda: len(self.units) == 2)
        total = before + sum(self.units)
        self.tell(Book, "meters").write(f"run {runs}: {total}")
        if runs == 3:
            return total
        weighing = asyncio.create_task(weigh(total))
        await asyncio.sleep(1)
        weighing.cancel()
        return self.continue_as_new(total, runs + 1)

    @command
    def read(self, units: int) -> int:
        self.units.append(units)
        return len(self.units)

    @command(carry_over=True)
    async def second(self) -> int:
        await self.until(lambda: len(self.units) > 1)
        return sum(self.units)


class Offer(Workflow):
    async def run(self) -> str:
        try:
            return f"{await self.promise('price', int)} cents"
        except PromiseFailed as failed:
            return f"{failed.type}: {failed.details}"


app = App(actors=[Account, Book, Transfer, Meter, Offer, Desk], tasks=[tell_customer, weigh])
