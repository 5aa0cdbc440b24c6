"""Nodes and workers as processes, killed with SIGKILL at random, and an audit from outside."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import sys
from pathlib import Path

import pytest

from runtime import Client
from tests.integration.runtime.audit import at_rest, audit
from tests.integration.runtime.conftest import Installation
from tests.integration.runtime.crew_app import Account, Order, result_of
from tests.waiting import wait_until

ORDERS, ACCOUNTS, DEPOSITS, KILLS = 90, 5, 100, 6
WAIT = 80.0
_ROOT = Path(__file__).resolve().parents[3]


class Crew:
    """Two nodes and two workers; whoever is killed is started again."""

    def __init__(self, installed: Installation, logs: Path) -> None:
        settings = installed.settings
        self._address = [settings.database_url, *([settings.broker_url] if settings.broker_url else [])]
        self._logs = logs
        self._members: list[tuple[str, asyncio.subprocess.Process]] = []

    async def start(self, role: str) -> None:
        """Start a process and wait until it is ready."""
        with (self._logs / f"{role}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.integration.runtime.crew_app", role, *self._address,
                cwd=_ROOT, stdout=asyncio.subprocess.PIPE, stderr=log, env=os.environ | {"PYTHONPATH": str(_ROOT)},
            )  # fmt: skip
        self._members.append((role, process))
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        assert line == b"ready\n", (self._logs / f"{role}.log").read_text()[-3000:]

    async def kill_one(self, chance: random.Random) -> str:
        """SIGKILL a random member and start another in its place."""
        role, process = self._members.pop(chance.randrange(len(self._members)))
        assert process.returncode is None, f"a {role} ended by itself:\n{self._log(role)}"
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await self.start(role)
        return role

    async def stop(self) -> None:
        """Stop all in order; each must end well."""
        for role, process in self._members:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                assert await process.wait() == 0, f"{role}:\n{self._log(role)}"
        self._members.clear()

    async def end(self) -> None:
        """End what a failed test left."""
        for _, process in self._members:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _log(self, role: str) -> str:
        return (self._logs / f"{role}.log").read_text()[-3000:]


async def _order(client: Client, number: int) -> list[str]:
    await client.start(Order, f"{number}", f"tea {number}", timeout=WAIT)
    await client.call(Order, f"{number}", "approve", "ann", command_id=f"a{number}", timeout=WAIT)
    result: list[str] = await client.result(Order, f"{number}", timeout=WAIT)
    return result


async def _deposit(client: Client, number: int, start: asyncio.Event) -> None:
    if number % 2:
        await start.wait()
    for _ in range(2):  # each is sent twice
        await client.send(Account, f"{number % ACCOUNTS}", "deposit", 1, command_id=f"d{number}", timeout=WAIT)


@pytest.mark.timeout(150)
async def test_sigkill_at_random_moments_loses_and_doubles_nothing(installed: Installation, tmp_path: Path) -> None:
    """Every order ends once with its effects once, every deposit counts once; the log's invariants hold."""
    seed = int(os.environ.get("PERDURE_SEED") or secrets.randbelow(1_000_000))
    sys.stdout.write(f"seed {seed}: PERDURE_SEED={seed} repeats the choices\n")
    chance = random.Random(seed)
    crew, half = Crew(installed, tmp_path), asyncio.Event()
    client = await installed.client()
    try:
        await asyncio.gather(*(crew.start(role) for role in ("node", "node", "worker", "worker")))
        deposits = [asyncio.create_task(_deposit(client, n, half)) for n in range(DEPOSITS)]
        orders: list[asyncio.Task[list[str]]] = []
        killed: list[str] = []
        for _ in range(KILLS):
            more = range(len(orders), len(orders) + ORDERS // KILLS)
            orders += [asyncio.create_task(_order(client, n)) for n in more]
            enough = chance.randint(1, len(orders))
            await wait_until(lambda: sum(o.done() for o in orders) >= enough - 5, seconds=WAIT)  # noqa: B023 - at once
            killed.append(await crew.kill_one(chance))
            half.set()
        assert await asyncio.gather(*orders) == [result_of(f"tea {n}") for n in range(ORDERS)]
        await asyncio.gather(*deposits)
        for number in range(ACCOUNTS):
            await wait_until(lambda: _balance(client, number), seconds=WAIT, what="all deposits applied")  # noqa: B023
        await wait_until(lambda: at_rest(installed.database), seconds=30, what="an empty outbox")
        await crew.stop()
    finally:
        await crew.end()
    assert len(killed) == KILLS
    await audit(installed.database)
    effects = {row["key"]: row["what"] for row in await installed.sql("SELECT key, what FROM effects")}
    assert effects == {
        f"Order/{n}#{task}": f"{what} tea {n}"
        for n in range(ORDERS)
        for task, what in enumerate(("reserve", "invoice", "stamp", "message"), 1)
    }
    rows = await installed.sql("SELECT stream, count(*) AS n FROM perdure.events WHERE type = 'Deposited' GROUP BY 1")
    assert {row["stream"]: row["n"] for row in rows} == {f"Account/{n}": DEPOSITS // ACCOUNTS for n in range(ACCOUNTS)}


async def _balance(client: Client, number: int) -> bool:
    balance: int = await client.query(Account, f"{number}", "balance", timeout=WAIT)
    assert balance <= DEPOSITS // ACCOUNTS
    return balance == DEPOSITS // ACCOUNTS
