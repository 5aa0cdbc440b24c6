"""The app of the real servers' tests, and its processes.

Run as a program it is a node or a worker: `python -m tests.integration.runtime.crew_app node DATABASE [BROKER]`.
Tasks write their effects into a table, one row per idempotency key, and count every run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import asyncpg
from msgspec import Struct

from actors import (
    Actor,
    App,
    CallFailed,
    ChildFailed,
    Rejected,
    Retry,
    Workflow,
    command,
    event,
    query,
    task,
    task_context,
)
from runtime import Settings, run_node, run_worker
from runtime.logs import configure
from tests.notebook import Notebook, Noted

TABLES = """
CREATE TABLE effects (key text PRIMARY KEY, what text NOT NULL, runs integer NOT NULL DEFAULT 1);
"""
_EFFECT = """
INSERT INTO effects (key, what) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET runs = effects.runs + 1
"""
_POOL: list[asyncpg.Pool] = []


async def _effect(what: str) -> None:
    if not _POOL:
        _POOL.append(await asyncpg.create_pool(os.environ["EFFECTS_URL"], min_size=0, max_size=4))
    await _POOL[0].execute(_EFFECT, task_context().key, what)


@task(retry=Retry(first_delay=0.1))
async def reserve(item: str) -> str:
    await _effect(f"reserve {item}")
    return f"reserved {item}"


@task(retry=Retry(first_delay=0.1))
async def invoice(item: str) -> str:
    await _effect(f"invoice {item}")
    return f"invoiced {item}"


@task(retry=Retry(max_attempts=20, first_delay=0.1, max_delay=0.5))
async def message(item: str) -> str:
    if task_context().attempt < 3:
        raise ConnectionError("the gateway is busy")
    await _effect(f"message {item}")
    return f"told about {item}"


@task(local=True)
async def stamp(item: str) -> str:
    await _effect(f"stamp {item}")
    return f"stamped {item}"


class Order(Workflow):
    def __init__(self) -> None:
        self.approved: str | None = None

    async def run(self, item: str) -> list[str]:
        both = await asyncio.gather(reserve(item), invoice(item))
        done = [*both, await stamp(item), await message(item)]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(600):
            await self.until(lambda: self.approved)
        return [*done, f"approved by {self.approved}"]

    @command
    def approve(self, by: str) -> str:
        self.approved = by
        return by

    @query
    def is_approved(self) -> bool:
        return self.approved is not None


class Stamped(Workflow):
    """A child: one effect, or a failure."""

    async def run(self, item: str, fails: bool = False) -> list[str]:
        stamped = await stamp(item)
        if fails:
            raise Rejected(f"{item} is damaged", {"item": item})
        return [stamped]


class Family(Workflow):
    """A parent: has its children do the work."""

    async def run(self, plan: str, children: int = 1) -> list[str]:
        if plan == "order":
            return list(await self.execute(Order, f"{self.id}-order", "tea"))
        ids = ["taken"] if plan == "taken" else [f"{self.id}-{n}" for n in range(children)]
        calls = (self.execute(Stamped, id, f"tea {n}", fails=plan == "fails") for n, id in enumerate(ids))
        ended: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
        return [f"{end.type} {end.details}" if isinstance(end, ChildFailed) else end[0] for end in ended]


@task(timeout=600)
async def voyage(name: str) -> None:
    """Takes for ever, and says so when it is told to stop."""
    try:
        await asyncio.sleep(500)
    except asyncio.CancelledError:
        await _effect(f"{name} turned back")
        raise


class Sailing(Workflow):
    """A leaf of a tree: a long task, and clean-up with one of its own."""

    async def run(self, name: str) -> None:
        try:
            await voyage(name)
        except asyncio.CancelledError:
            await invoice(f"refund of {name}")
            raise


class Fleet(Workflow):
    """A tree: ships below a fleet, fleets below a fleet."""

    async def run(self, ships: int, fleets: int = 0) -> None:
        below = [self.start_child(Fleet, f"{self.id}-{n}", ships) for n in range(fleets)]
        below += [self.start_child(Sailing, f"{self.id}-s{n}", f"{self.id}-s{n}") for n in range(ships)]
        await asyncio.gather(*below)


class Deposited(Struct):
    amount: int


class Balance(Struct):
    value: int = 0


class Account(Actor):
    state: Balance

    @command
    def deposit(self, amount: int) -> int:
        if amount == 13:
            raise ZeroDivisionError("unlucky")
        self.emit(Deposited(amount))
        if amount < 0:
            raise Rejected("too little")
        return self.state.value

    @event
    def deposited(self, e: Deposited) -> None:
        self.state.value += e.amount

    @query
    def balance(self) -> int:
        return self.state.value


class Desk(Notebook):
    """Has commands that wait, and gives others commands."""

    @command
    async def work(self, item: str, seconds: float) -> list[str]:
        self.emit(Noted(f"begin {item}"))
        self.emit(Noted(await reserve(item)))
        self.emit(Noted(await stamp(item)))
        await asyncio.sleep(seconds)
        self.emit(Noted(str(await self.actor(Desk, f"{self.id}-copy").note(item))))
        return self.state.lines

    @command
    def note(self, line: str) -> int:
        if line == "nonsense":
            raise Rejected("that is nonsense", {"line": line})
        self.emit(Noted(line))
        if not self.id.endswith("-copy"):
            self.tell(Desk, f"{self.id}-copy").note(line)
        return len(self.state.lines)


class Boss(Workflow):
    """Gives commands to many desks, in order, and hears of each."""

    async def run(self, desks: int, lines: int) -> list[Any]:
        for n in range(desks):
            for line in range(lines):
                self.tell(Desk, f"{self.id}-{n}").note(f"{line}")
        works = (self.actor(Desk, f"{self.id}-{n}").work("tea", 0.1) for n in range(desks))
        results = [result[-1] for result in await asyncio.gather(*works)]
        failed: BaseException | None = None
        try:
            await self.actor(Desk, f"{self.id}-0").note("nonsense")
        except CallFailed as error:
            failed = error
        return [*results, failed.type if isinstance(failed, CallFailed) else None]


APP = App(
    actors=[Order, Account, Family, Stamped, Fleet, Sailing, Desk, Boss],
    tasks=[reserve, invoice, message, stamp, voyage],
)


def result_of(item: str) -> list[str]:
    """The result of an order for this item."""
    return [f"reserved {item}", f"invoiced {item}", f"stamped {item}", f"told about {item}", "approved by ann"]


def settings_for(database: str, broker: str | None, **others: Any) -> Settings:
    """Short leases and sweeps, so that tests need not wait long."""
    quick: dict[str, Any] = {"lease_ttl": 2.0, "sweep_after": 3.0, "idle": 2.0, "shutdown_grace": 10.0}
    return Settings(database_url=database, broker_url=broker, **(quick | others))


async def _main(role: str, database: str, broker: str | None) -> None:
    configure("info")
    os.environ["EFFECTS_URL"] = database
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = settings_for(database, broker)

    def ready() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    if role == "node":
        await run_node(APP, settings, stop, ready)
    else:
        await run_worker(APP, settings, None, stop, ready)


if __name__ == "__main__":
    from tests.integration.runtime import crew_app  # so that its names are those of the module, not of __main__

    asyncio.run(crew_app._main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
