"""Cancelling and terminating on real Postgres, with RabbitMQ and with Postgres itself as the transport."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from actors import RunCancelled, RunTerminated
from runtime import AlreadyFinished
from tests.integration.runtime.audit import at_rest, audit
from tests.integration.runtime.conftest import Installation
from tests.integration.runtime.crew_app import Fleet, Sailing
from tests.integration.runtime.test_sigkill import Crew
from tests.waiting import wait_until

WAIT = 80.0
SHIPS, FLEETS = 3, 2
TREE = 1 + FLEETS + SHIPS * (1 + FLEETS)


async def _statuses(installed: Installation) -> Counter[str]:
    rows = await installed.sql("SELECT status FROM perdure.executions")
    return Counter(row["status"] for row in rows)


async def _are(installed: Installation, status: str, count: int) -> bool:
    return (await _statuses(installed))[status] == count


async def _effects(installed: Installation) -> list[str]:
    return sorted(row["what"] for row in await installed.sql("SELECT what FROM effects"))


async def _finish(installed: Installation) -> None:
    await wait_until(lambda: at_rest(installed.database), seconds=30, what="an empty outbox")
    await installed.stop()
    await audit(installed.database)


async def test_cancelling_reaches_children_and_tasks(installed: Installation) -> None:
    """The whole tree cleans up, and each worker hears that its task is not wanted any more."""
    await installed.node()
    await installed.node()
    await installed.worker()
    client = await installed.client()
    await client.start(Fleet, "1", SHIPS, FLEETS, timeout=WAIT)
    await wait_until(lambda: _are(installed, "running", TREE), seconds=30, what="the tree")
    assert await client.cancel(Fleet, "1", "storm", command_id="c", timeout=WAIT) is True
    with pytest.raises(RunCancelled, match="storm"):
        await client.result(Fleet, "1", timeout=WAIT)
    assert await client.cancel(Fleet, "1", command_id="c", timeout=WAIT) is True
    with pytest.raises(AlreadyFinished):
        await client.cancel(Fleet, "1", timeout=WAIT)
    await wait_until(lambda: _are(installed, "cancelled", TREE), seconds=30, what="everybody has cleaned up")

    ships = [f"1-s{n}" for n in range(SHIPS)] + [f"1-{f}-s{n}" for f in range(FLEETS) for n in range(SHIPS)]
    wanted = sorted([f"invoice refund of {ship}" for ship in ships] + [f"{ship} turned back" for ship in ships])

    async def told() -> bool:
        return await _effects(installed) == wanted

    await wait_until(told, seconds=30, what="every task was told")
    await _finish(installed)


async def test_kill_reaches_the_whole_tree(installed: Installation) -> None:
    """Nobody cleans up, and the tasks are told all the same."""
    await installed.node()
    await installed.worker()
    client = await installed.client()
    await client.start(Fleet, "1", SHIPS, FLEETS, timeout=WAIT)
    await wait_until(lambda: _are(installed, "running", TREE), seconds=30, what="the tree")
    assert await client.terminate(Fleet, "1", "sunk", tree=True, timeout=WAIT) is True
    await wait_until(lambda: _are(installed, "terminated", TREE), seconds=30, what="the tree has fallen")
    with pytest.raises(RunTerminated, match="its parent has ended"):
        await client.result(Sailing, "1-0-s0", timeout=WAIT)

    async def told() -> bool:
        return len(await _effects(installed)) == SHIPS * (1 + FLEETS)

    await wait_until(told, seconds=30, what="every task was told")
    await _finish(installed)


@pytest.mark.timeout(150)
async def test_killed_nodes_forget_no_cancellation(installed: Installation, tmp_path: Path) -> None:
    """Two nodes, one of which is killed right behind the request, and another one a moment later."""
    crew = Crew(installed, tmp_path)
    client = await installed.client()
    chance = random.Random(5)
    try:
        await crew.start("node")
        await crew.start("node")
        await crew.start("worker")
        await client.start(Fleet, "1", SHIPS, FLEETS, timeout=WAIT)
        await wait_until(lambda: _are(installed, "running", TREE), seconds=30, what="the tree")
        assert await client.cancel(Fleet, "1", timeout=WAIT) is True
        for _ in range(2):
            await crew.kill_one(chance)
        await wait_until(lambda: _are(installed, "cancelled", TREE), seconds=WAIT, what="everybody has cleaned up")
        await wait_until(lambda: at_rest(installed.database), seconds=30, what="an empty outbox")
        await crew.stop()
    finally:
        await crew.end()
    await audit(installed.database)
    assert [what for what in await _effects(installed) if what.startswith("invoice")] == sorted(
        f"invoice refund of {ship}"
        for ship in [f"1-s{n}" for n in range(SHIPS)] + [f"1-{f}-s{n}" for f in range(FLEETS) for n in range(SHIPS)]
    )
