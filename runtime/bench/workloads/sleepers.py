from __future__ import annotations

import asyncio
import time

from runtime.bench.figures import Measurement, cpu_per_unit, latency_of
from runtime.bench.jobs import Closed, Operation, Request
from runtime.bench.members import BenchFailed
from runtime.bench.stage import Stage
from runtime.bench.usage import resident_bytes
from runtime.bench.workload import Bench, Workload

_LANES = 200
_IDLE = 2.0  # seconds after which a node unloads what sleeps
_DAY = 86_400.0
_LATE = 120.0  # seconds that the last of a burst may be late
_BYTES = """
SELECT sum(pg_total_relation_size('perdure.' || name))::bigint
FROM unnest('{events,executions,timers,outbox,inbox,snapshots}'::text[]) AS name
"""
_ASLEEP = """
SELECT count(*) FROM perdure.partitions AS p JOIN LATERAL (
    SELECT 1 FROM perdure.timers AS t WHERE t.partition = p.partition AND t.due_at <= to_timestamp($1)
) AS timer ON true
"""
_LATENESS = """
SELECT extract(epoch FROM recorded_at) - $1 AS seconds FROM perdure.events
WHERE stream LIKE 'Sleeper/burst-%' AND type = 'TimerFired'
"""


async def _run(bench: Bench) -> None:
    async with bench.stage(environment={"PERDURE_IDLE": f"{_IDLE:g}"}) as stage:
        await stage.run(_starts("warm-", 500, time.time() + _DAY))
        rate = await _sleep(bench, stage)
        await _wake(bench, stage, rate)


async def _sleep(bench: Bench, stage: Stage) -> float:
    """Start the sleepers, and see what they hold; gives starts a second."""
    half = bench.sizes.sleepers // 2
    bench.begin(f"start {half:,} sleepers")
    await stage.run(_starts("first-", half, time.time() + _DAY))
    bytes_before, memory_before = await _footprint(stage)
    bench.begin(f"start {half:,} more")
    measured = await stage.measure("start, to sleep for a day", "start", _starts("second-", half, time.time() + _DAY))
    bytes_after, memory_after = await _footprint(stage)
    measured.figures = {
        "disk bytes/instance": round((bytes_after - bytes_before) / half),
        "node memory bytes/instance": round((memory_after - memory_before) / half),
    }
    bench.found(measured)
    return measured.per_second or 1.0


async def _footprint(stage: Stage) -> tuple[int, int]:
    """Give the log's bytes on disk and the node's in memory, once all that sleeps is unloaded."""
    await asyncio.sleep(2 * _IDLE)
    async with stage.database() as connection:
        return int(await connection.fetchval(_BYTES)), resident_bytes(stage.host("node-1").pid)


async def _wake(bench: Bench, stage: Stage, rate: float) -> None:
    burst = bench.sizes.burst
    bench.begin(f"start {burst:,} that wake together")
    due = float(round(time.time() + 1.5 * burst / rate + 2 * _IDLE + 2))
    await stage.run(_starts("burst-", burst, due))
    if time.time() >= due:
        raise BenchFailed(f"{burst} sleepers could not be started before they were due: the machine is too busy")
    bench.begin(f"wake {burst:,} in the same second")
    await asyncio.sleep(max(0.0, due - 0.2 - time.time()))
    before = stage.usage()
    async with stage.database() as connection:
        while asleep := await connection.fetchval(_ASLEEP, due):
            if time.time() > due + _LATE:
                raise BenchFailed(f"{asleep} of {burst} sleepers did not wake up within {_LATE:g} s")
            bench.advance(bench.doing, burst - asleep)
            await asyncio.sleep(0.25)
        used = stage.usage().since(before)
        late = [float(row["seconds"]) * 1000 for row in await connection.fetch(_LATENESS, due)]
    seconds = max(late) / 1000
    bench.found(
        Measurement(
            engine=stage.engine,
            name=f"wake up, {burst:,} due in the same second",
            unit="wake-up",
            count=burst,
            seconds=round(seconds, 3),
            per_second=round(burst / seconds, 1),
            latency_ms=latency_of(late),
            cpu_us=cpu_per_unit(used, burst),
            figures={"early": sum(lateness < 0 for lateness in late)},
        )
    )


def _starts(prefix: str, count: int, until: float) -> Closed:
    request = Request(operation=Operation.START, type="Sleeper", prefix=prefix, arguments=[until])
    return Closed(request=request, lanes=_LANES, count=count)


W7 = Workload(
    "w7",
    "Sleeping instances",
    _run,
    f"Bytes are what the second half of the sleepers added, the store's tables with their indexes, after {2 * _IDLE:g} s in which the node "
    f"unloads what sleeps (PERDURE_IDLE={_IDLE:g}). Those that wake together were unloaded, too; a latency is how much "
    "later than due a wake-up was recorded.",
)
