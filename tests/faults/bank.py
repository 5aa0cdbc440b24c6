"""What the fault suite runs: a bank whose transfers are sagas, tallies, errands, and voyages with children, which are cancelled."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from msgspec import Struct

from actors import (
    Actor,
    App,
    Failure,
    Rejected,
    Retry,
    Snapshots,
    Workflow,
    command,
    event,
    query,
    task,
    task_context,
)
from tests.faults.worker_links import bank_call, keep_effect

ACCOUNTS = 200
OPENING = 1_000
TALLIES = 60
CLOSED_EVERY = 10  # of the accounts takes no deposits, so transfers to it are refunded
SOON = Retry(first_delay=0.1, max_delay=2.0)  # for ever: servers come back
NEEDED = 2  # approvals that an errand waits for
OFTEN = Snapshots(every_events=20, least_share=0)


class Refused(Failure):
    """The bank said no."""


class Opened(Struct):
    amount: int


class Deposited(Struct):
    amount: int


class Withdrawn(Struct):
    amount: int


class Balance(Struct):
    value: int = 0
    moves: int = 0


class Account(Actor):
    """Every command emits one event, and answers how many there have been."""

    state: Balance
    snapshots = OFTEN

    @command
    def open(self, amount: int) -> int:
        self.emit(Opened(amount))
        return self.state.moves

    @command
    def deposit(self, amount: int) -> int:
        if is_closed(self.id):
            raise Rejected(f"account {self.id} is closed")
        self.emit(Deposited(amount))
        return self.state.moves

    @command
    def refund(self, amount: int) -> int:
        self.emit(Deposited(amount))
        return self.state.moves

    @command
    def withdraw(self, amount: int) -> int:
        if amount > self.state.value:
            raise Rejected(f"only {self.state.value} left")
        self.emit(Withdrawn(amount))
        return self.state.moves

    @event
    def opened(self, e: Opened) -> None:
        self.state.value += e.amount
        self.state.moves += 1

    @event
    def deposited(self, e: Deposited) -> None:
        self.state.value += e.amount
        self.state.moves += 1

    @event
    def withdrawn(self, e: Withdrawn) -> None:
        self.state.value -= e.amount
        self.state.moves += 1

    @query
    def view(self) -> list[int]:
        return [self.state.value, self.state.moves]


class Added(Struct):
    amount: int
    memo: str


class Total(Struct):
    amount: int = 0
    count: int = 0


class Tally(Actor):
    """Counts; answers how many additions there have been."""

    state: Total
    snapshots = OFTEN

    @command
    def add(self, amount: int, memo: str = "") -> int:
        self.emit(Added(amount, memo))
        return self.state.count

    @command
    def explode(self, memo: str = "") -> int:
        raise ZeroDivisionError("this handler is broken on purpose")

    @event
    def added(self, e: Added) -> None:
        self.state.amount += e.amount
        self.state.count += 1

    @query
    def view(self) -> list[int]:
        return [self.state.amount, self.state.count]


@task(queue="bank", retry=SOON, timeout=8, raises=(Refused,))
async def withdraw(account: str, amount: int) -> int:
    moves: int = await bank_call(Account, account, "withdraw", amount, Refused)
    return moves


@task(queue="bank", retry=SOON, timeout=8, raises=(Refused,))
async def deposit(account: str, amount: int) -> int:
    moves: int = await bank_call(Account, account, "deposit", amount, Refused)
    return moves


@task(queue="bank", retry=SOON, timeout=8)
async def refund(account: str, amount: int) -> int:
    moves: int = await bank_call(Account, account, "refund", amount, Refused)
    return moves


class Transfer(Workflow):
    """A saga: what was taken is given back when it can't be delivered."""

    def __init__(self) -> None:
        self.ended = ""

    async def run(self, source: str, target: str, amount: int) -> str:
        self.ended = await self._move(source, target, amount)
        return self.ended

    async def _move(self, source: str, target: str, amount: int) -> str:
        try:
            await withdraw(source, amount)
        except Refused:
            return "refused"
        try:
            await deposit(target, amount)
        except Refused:
            await refund(source, amount)
            return "refunded"
        return "moved"

    @query
    def view(self) -> str:
        return self.ended


@task(queue="notes", retry=SOON, timeout=8)
async def record(what: str) -> str:
    """Write an effect under the task's key; gives what stands there, whoever wrote it. Some fail once before."""
    context = task_context()
    if context.attempt == 1 and zlib.crc32(context.key.encode()) % 20 == 0:
        raise ConnectionError("the first attempt fails on purpose")
    return await keep_effect(context.key, what)


@task(local=True)
async def stamp(what: str) -> str:
    await asyncio.sleep(0)
    return f"stamped {what}"


class Errand(Workflow):
    """Parallel tasks, a local task, a timer, and a wait for commands."""

    def __init__(self) -> None:
        self.approved: list[str] = []
        self.done: list[str] = []

    async def run(self, what: str, seconds: float) -> dict[str, Any]:
        self.done += await asyncio.gather(record(f"{what} first"), record(f"{what} second"))
        self.done.append(await stamp(what))
        await asyncio.sleep(seconds)
        async with asyncio.timeout(3_600):
            await self.until(lambda: len(self.approved) >= NEEDED)
        return {"done": self.done, "approved": sorted(self.approved)}

    @command
    def approve(self, by: str) -> int:
        self.approved.append(by)
        return len(self.approved)

    @query
    def view(self) -> dict[str, Any]:
        return {"done": self.done, "approved": self.approved}


FOR_EVER = 3_600.0  # seconds: a leg of a voyage that nobody stops is found


class Leg(Workflow):
    """A child: it takes as long as it is told, unless it is stopped; what it began it then undoes."""

    async def run(self, what: str, seconds: float) -> str:
        await record(f"{what} began")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            await record(f"{what} undone")
            raise
        return what

    @query
    def view(self) -> str:
        return self.id


class Voyage(Workflow):
    """Three children, of which two end with it, and commands to a tally that are awaited and told. Some are cancelled."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    async def run(self, what: str, seconds: float, tally: str) -> str:
        self.start_child(Leg, f"{self.id}-kept", what, FOR_EVER, on_close="cancel")
        self.start_child(Leg, f"{self.id}-dropped", what, FOR_EVER, on_close="terminate")
        free = self.start_child(Leg, f"{self.id}-free", what, seconds, on_close="abandon")
        try:
            self.tell(Tally, tally).add(1)
            self.counts += await asyncio.gather(*(self.actor(Tally, tally).add(1) for _ in range(2)))
            self.tell(Tally, tally).add(1)
            return str(await free)
        except asyncio.CancelledError:
            await record(f"{what} called off")
            raise

    @query
    def view(self) -> list[int]:
        return self.counts


def is_closed(account: str) -> bool:
    """Whether an account takes no deposits."""
    return int(account) % CLOSED_EVERY == 0


app = App(actors=[Account, Tally, Transfer, Errand, Voyage, Leg], tasks=[withdraw, deposit, refund, record, stamp])
