from __future__ import annotations

import asyncio
from datetime import datetime

import asyncpg

from runtime.bench.figures import Measurement, latency_of
from runtime.bench.jobs import Closed, Operation, Request
from runtime.bench.members import BenchFailed
from runtime.bench.stage import Stage
from runtime.bench.workload import Bench, Workload
from runtime.settings import Settings

_ACTORS, _LANES = 400, 100
_BALANCE_SECONDS = 60.0
_OWNED = "SELECT partition, epoch FROM perdure.partitions WHERE owner = $1"
_OWNERS = "SELECT count(*) FILTER (WHERE owner = 'node-1') AS one, count(*) FILTER (WHERE owner = 'node-2') AS two, count(*) AS all FROM perdure.partitions"
_FIRST = """
SELECT partition, min(recorded_at) AS first FROM perdure.events
JOIN unnest($1::integer[], $2::integer[]) AS lost (partition, epoch) USING (partition)
WHERE events.epoch > lost.epoch AND recorded_at >= $3 GROUP BY partition
"""


async def _run(bench: Bench) -> None:
    times: list[float] = []
    async with bench.stage(nodes=2) as stage, stage.database() as connection:
        ttl = Settings(database_url=stage.place.database).lease_ttl
        for number in range(1, bench.sizes.kills + 1):
            bench.begin(f"kill {number} of {bench.sizes.kills}")
            if number > 1:
                await stage.start("node-1")
            await _balanced(connection)
            times += await _one_kill(stage, connection)
    bench.found(
        Measurement(
            engine=bench.servers.engine,
            name="SIGKILL to the first new commit of a partition",
            unit="partition",
            count=len(times),
            latency_ms=latency_of(times),
            figures={"lease seconds": ttl, "kills": bench.sizes.kills},
        )
    )


async def _one_kill(stage: Stage, connection: asyncpg.Connection) -> list[float]:
    """Kill the first node under load; gives milliseconds, one figure a partition."""
    request = Request(operation=Operation.CALL, type="Counter", prefix="", name="add", arguments=[1], keys=_ACTORS)
    await stage.run(Closed(request=request, lanes=_LANES, seconds=0.5))
    lost = {row["partition"]: row["epoch"] for row in await connection.fetch(_OWNED, "node-1")}
    # Until every partition works again, some lanes wait for an answer; the others keep the load on.
    loading = asyncio.create_task(stage.run(Closed(request=request, lanes=_LANES, seconds=8.0)), name="load")
    try:
        await asyncio.sleep(0.5)
        killed_at: datetime = await connection.fetchval("SELECT clock_timestamp()")
        await stage.kill("node-1")
        await loading
    finally:
        loading.cancel()
        await asyncio.wait([loading])
    return await _firsts(connection, lost, killed_at)


async def _firsts(connection: asyncpg.Connection, lost: dict[int, int], killed_at: datetime) -> list[float]:
    rows = await connection.fetch(_FIRST, list(lost), list(lost.values()), killed_at)
    if missing := lost.keys() - {row["partition"] for row in rows}:
        raise BenchFailed(f"no new commit on partitions {sorted(missing)} although every command was answered")
    return [(row["first"] - killed_at).total_seconds() * 1000 for row in rows]


async def _balanced(connection: asyncpg.Connection) -> None:
    """Wait until both nodes have their half of the partitions."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _BALANCE_SECONDS
    while True:
        row = await connection.fetchrow(_OWNERS)
        if row is not None and row["one"] + row["two"] == row["all"] and abs(row["one"] - row["two"]) <= 1:
            return
        if loop.time() >= deadline:
            raise BenchFailed(f"two nodes did not share the partitions within {_BALANCE_SECONDS:g} s: {row}")
        await asyncio.sleep(0.1)


W9 = Workload(
    "w9",
    "Recovery: one of two nodes is killed under load",
    _run,
    "By the time recorded in each partition's first event under a new epoch.",
)
