"""The tasks of the simulated installation, and the outside world in which they leave traces."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

from actors import Failure, Retry, task, task_context
from runtime import Client, CommandFailed

SOON = Retry(first_delay=0.2, factor=1.5, max_delay=1.0)

CLIENT: ContextVar[Client] = ContextVar("client")  # of the worker that a task runs in
RUNS: ContextVar[dict[str, int]] = ContextVar("runs")  # how often each task key was run, in the outside world


class Mistake:
    """A mistake in the flows' code, which is mended with the healing."""

    is_there = False


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


@task(queue="work", timeout=4.0, retry=SOON)
async def item(fails: int) -> int:
    """Do one of many things in a worker."""
    number = run_number()
    if task_context().attempt <= fails:
        raise ConnectionError("try again")
    return number


@task(queue="work", timeout=4.0, retry=SOON)
async def take(what: str) -> int:
    """Take something that has to be given back."""
    return run_number()


@task(queue="work", timeout=4.0, retry=SOON)
async def give_back(what: str, fails: int) -> int:
    """Give it back; fails in its first attempts."""
    number = run_number()
    if task_context().attempt <= fails:
        raise ConnectionError("try again")
    return number
