"""What runs in the simulated installation: workflows that do what their input says, accounts, and transfers between them."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any, Literal

from msgspec import Struct

from actors import Actor, App, Failure, Rejected, Retry, Snapshots, Workflow, command, event, query, task, task_context
from runtime import Client, CommandFailed

SOON = Retry(first_delay=0.2, factor=1.5, max_delay=1.0)

CLIENT: ContextVar[Client] = ContextVar("client")  # of the worker that a task runs in
RUNS: ContextVar[dict[str, int]] = ContextVar("runs")  # how often each task key was run, in the outside world


class Refused(Failure):
    """A task that will not be done."""


def run_number() -> int:
    """Count one more run of the current task in the outside world."""
    runs, key = RUNS.get(), task_context().key
    runs[key] = runs.get(key, 0) + 1
    return runs[key]


@task(local=True, retry=SOON)
async def note(fails: int, seconds: float) -> int:
    """Do something inside the node; fails in its first attempts."""
    number = run_number()
    await asyncio.sleep(seconds)
    if task_context().attempt <= fails:
        raise ConnectionError("try again")
    return number


@task(queue="work", timeout=4.0, retry=SOON)
async def work(fails: int, seconds: float) -> int:
    """Do something in a worker; fails in its first attempts. Each run ends differently, as in real life."""
    number = run_number()
    await asyncio.sleep(seconds)
    if task_context().attempt <= fails:
        raise ConnectionError("try again")
    return number


@task(queue="work", timeout=4.0, retry=SOON, raises=(Refused,))
async def refuse() -> None:
    """End with a declared failure."""
    run_number()
    raise Refused("never")


@task(queue="bank", timeout=6.0, retry=SOON)
async def move(account: str, amount: int) -> bool:
    """Move money to an account or from it, as another actor's client; says whether it was moved."""
    run_number()
    try:
        await CLIENT.get().call("Account", account, "move", amount=amount, command_id=task_context().key, timeout=5.0)
    except CommandFailed:
        return False
    return True


class Deed(Struct):
    """One thing that a `Flow` does."""

    do: Literal["note", "work", "refuse", "sleep", "wait", "together", "race"]
    fails: int = 0
    seconds: float = 0.0
    count: int = 0
    deeds: list[Deed] = []


class Flow(Workflow):
    """Does what its input says; its result tells of each deed."""

    def __init__(self) -> None:
        self.pokes: list[str] = []
        self.done = 0

    async def run(self, deeds: list[Deed]) -> list[Any]:
        results = []
        for deed in deeds:
            results.append(await self._do(deed))
            self.done += 1
        return results

    async def _do(self, deed: Deed) -> Any:  # noqa: C901 - one case a kind of deed
        match deed.do:
            case "note":
                return await note(deed.fails, deed.seconds)
            case "work":
                return await work(deed.fails, deed.seconds)
            case "refuse":
                try:
                    await refuse()
                except Refused as error:
                    return str(error)
            case "sleep":
                return await asyncio.sleep(deed.seconds, "slept")
            case "wait":
                try:
                    await self.until(lambda: len(self.pokes) >= deed.count, timeout=deed.seconds or None)
                except TimeoutError:
                    return "nobody came"
                return "poked"
            case "together":
                return await asyncio.gather(*(self._do(each) for each in deed.deeds))
            case "race":
                try:
                    async with asyncio.timeout(deed.seconds):
                        return await self._do(deed.deeds[0])
                except TimeoutError:
                    return "too late"
        return None

    @command
    async def poke(self, who: str, seconds: float) -> int:
        """Count up, and answer after a while."""
        self.pokes.append(who)
        number = len(self.pokes)
        if seconds:
            await asyncio.sleep(seconds)
        return number

    @query
    def state(self) -> tuple[list[str], int]:
        return self.pokes, self.done


class Moved(Struct):
    amount: int


class Balance(Struct):
    cents: int = 0
    moves: int = 0


class Account(Actor):
    state: Balance
    snapshots = Snapshots(every_events=2, least_share=0)

    @command
    def move(self, amount: int) -> tuple[int, int]:
        if self.state.cents + amount < 0:
            raise Rejected("insufficient funds")
        self.emit(Moved(amount))
        return self.state.moves, self.state.cents

    @event
    def moved(self, moved: Moved) -> None:
        self.state.cents += moved.amount
        self.state.moves += 1

    @query
    def balance(self) -> tuple[int, int]:
        return self.state.moves, self.state.cents


class Transfer(Workflow):
    """Moves money from one account to another, or not at all."""

    async def run(self, source: str, target: str, amount: int) -> bool:
        if not await move(source, -amount):
            return False
        await move(target, amount)
        return True


APP = App(actors=[Flow, Account, Transfer], tasks=[note, work, refuse, move])
