"""Workflows that start workflows, on real Postgres, with RabbitMQ and with Postgres itself as the transport."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from runtime.routing import partition_of
from tests.integration.runtime.audit import at_rest, audit
from tests.integration.runtime.conftest import Installation
from tests.integration.runtime.crew_app import Family, Order, Stamped, result_of
from tests.integration.runtime.test_sigkill import Crew
from tests.waiting import wait_until

PARENTS, CHILDREN = 100, 12  # 300 are in tests/behaviours/test_family.py
WAIT = 80.0


async def _finish(installed: Installation) -> None:
    await wait_until(lambda: at_rest(installed.database), seconds=20, what="an empty outbox")
    await installed.stop()
    await audit(installed.database)


async def test_results_failures_and_conflicts(installed: Installation) -> None:
    """Children on every partition tell how they ended; one whose id is somebody else's does so, too."""
    await installed.node()
    client = await installed.client()
    assert await client.execute(Family, "1", "works", CHILDREN, timeout=WAIT) == [
        f"stamped tea {n}" for n in range(CHILDREN)
    ]
    homes = {partition_of(f"Stamped/1-{n}", 4) for n in range(CHILDREN)}
    assert homes == set(range(4)), "its own partition and all others"
    failed = await client.execute(Family, "2", "fails", 3, timeout=WAIT)
    assert failed == [f"Rejected {{'item': 'tea {n}'}}" for n in range(3)]
    await client.execute(Stamped, "taken", "tea 0", timeout=WAIT)
    assert await client.execute(Family, "3", "taken", timeout=WAIT) == ["Conflict None"]
    assert len(await installed.sql("SELECT FROM perdure.events WHERE stream = 'Stamped/taken'")) == 3
    await _finish(installed)


async def test_a_child_outlives_a_restart(installed: Installation) -> None:
    """It waits for somebody; the nodes are gone meanwhile, and others carry on with both."""
    first = await installed.node()
    await installed.worker()
    client = await installed.client()
    await client.start(Family, "1", "order", timeout=WAIT)
    await wait_until(lambda: _is_listed(installed, "Order/1-order"), seconds=20, what="the child is there")
    await installed.stop(first)
    await installed.node()
    await client.call(Order, "1-order", "approve", "ann", timeout=WAIT)
    assert await client.result(Family, "1", timeout=WAIT) == result_of("tea")
    await _finish(installed)


@pytest.mark.timeout(150)
async def test_killed_nodes_lose_and_double_no_child(installed: Installation, tmp_path: Path) -> None:
    """Each of many parents gets its child's result once, and each child's effect is there once."""
    crew = Crew(installed, tmp_path)
    client = await installed.client()
    chance = random.Random(4)
    try:
        await asyncio.gather(crew.start("node"), crew.start("node"))
        parents = [asyncio.create_task(client.execute(Family, f"{n}", "works", timeout=WAIT)) for n in range(PARENTS)]
        for enough in (PARENTS // 5, PARENTS // 2):
            await wait_until(lambda: sum(p.done() for p in parents) >= enough, seconds=WAIT)  # noqa: B023 - at once
            await crew.kill_one(chance)
        assert await asyncio.gather(*parents) == [["stamped tea 0"]] * PARENTS
        # Wherever the dead nodes were: the living must have taken over by the end.
        assert len(await client.execute(Family, "last", "works", CHILDREN, timeout=WAIT)) == CHILDREN
        await wait_until(lambda: at_rest(installed.database), seconds=30, what="an empty outbox")
        await crew.stop()
    finally:
        await crew.end()
    await audit(installed.database)
    effects = {row["key"] for row in await installed.sql("SELECT key FROM effects")}
    children = [f"{n}-0" for n in range(PARENTS)] + [f"last-{n}" for n in range(CHILDREN)]
    assert effects == {f"Stamped/{child}#1" for child in children}
    types = await installed.sql("SELECT type, count(*) AS n FROM perdure.events GROUP BY 1")
    assert {row["type"]: row["n"] for row in types} == {
        "RunStarted": PARENTS + 1 + len(children), "ChildStarted": len(children), "TaskCompleted": len(children),
        "ChildCompleted": len(children), "RunCompleted": PARENTS + 1 + len(children),
    }  # fmt: skip


async def _is_listed(installed: Installation, stream: str) -> bool:
    return bool(await installed.sql("SELECT FROM perdure.executions WHERE stream = $1", stream))
