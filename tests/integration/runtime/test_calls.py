"""Commands between actors, and actors' commands that wait, on real Postgres, with RabbitMQ and with Postgres itself."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.integration.runtime.audit import at_rest, audit
from tests.integration.runtime.conftest import Installation
from tests.integration.runtime.crew_app import Boss, Desk
from tests.integration.runtime.test_sigkill import Crew
from tests.waiting import wait_until

WAIT = 80.0
DESKS, LINES = 6, 5
WORKED = ["begin tea", "reserved tea", "stamped tea"]


async def _finish(installed: Installation) -> None:
    await wait_until(lambda: at_rest(installed.database), seconds=20, what="an empty outbox")
    await installed.stop()
    await audit(installed.database)


async def test_commands_and_answers_on_every_partition(installed: Installation) -> None:
    """In order, told and awaited, by a workflow and by actors; a failure comes back with its type."""
    await installed.node()
    await installed.worker()
    client = await installed.client()
    copied = str(LINES + 1)
    assert await client.execute(Boss, "1", DESKS, LINES, timeout=WAIT) == [copied] * DESKS + ["Rejected"]
    lines = [f"{n}" for n in range(LINES)]
    for n in range(DESKS):
        assert await client.query(Desk, f"1-{n}", "lines") == [*lines, *WORKED, copied]
        assert await client.query(Desk, f"1-{n}-copy", "lines") == [*lines, "tea"]
    await _finish(installed)


async def test_a_command_blocked_half_way_survives_a_node_restart(installed: Installation) -> None:
    """And what waits behind it; each is answered, also when it is asked about again."""
    first = await installed.node()
    await installed.worker()
    client = await installed.client()
    await client.submit(Desk, "a", "work", "tea", 3.0, command_id="w", timeout=WAIT)
    await client.submit(Desk, "a", "note", "behind", command_id="n", timeout=WAIT)
    await wait_until(lambda: _has(installed, "TimerSet"), seconds=20, what="it waits")
    await installed.stop(first)
    await installed.node()
    for _ in range(2):
        assert await client.call(Desk, "a", "work", "tea", 3.0, command_id="w", timeout=WAIT) == [*WORKED, "1"]
        assert await client.call(Desk, "a", "note", "behind", command_id="n", timeout=WAIT) == 5
    await _finish(installed)


@pytest.mark.timeout(150)
async def test_killed_nodes_lose_and_double_no_command(installed: Installation, tmp_path: Path) -> None:
    """Each command has one effect, in order, and each answer came once."""
    crew = Crew(installed, tmp_path)
    client = await installed.client()
    chance = random.Random(4)
    bosses = 40
    try:
        await asyncio.gather(crew.start("node"), crew.start("node"), crew.start("worker"))
        runs = [asyncio.create_task(client.execute(Boss, f"{n}", 2, LINES, timeout=WAIT)) for n in range(bosses)]
        for enough in (bosses // 5, bosses // 2):
            await wait_until(lambda: sum(run.done() for run in runs) >= enough, seconds=WAIT)  # noqa: B023 - at once
            await crew.kill_one(chance)
        copied = str(LINES + 1)
        assert await asyncio.gather(*runs) == [[copied, copied, "Rejected"]] * bosses
        await wait_until(lambda: at_rest(installed.database), seconds=60, what="an empty outbox")
        lines = [f"{n}" for n in range(LINES)]
        for n in range(bosses):
            assert await client.query(Desk, f"{n}-1", "lines", timeout=WAIT) == [*lines, *WORKED, copied]
            assert await client.query(Desk, f"{n}-1-copy", "lines", timeout=WAIT) == [*lines, "tea"]
        await crew.stop()
    finally:
        await crew.end()
    await audit(installed.database)


async def _has(installed: Installation, type: str) -> bool:
    return bool(await installed.sql("SELECT FROM perdure.events WHERE type = $1", type))
