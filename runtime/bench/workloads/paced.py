from __future__ import annotations

from runtime.bench.figures import Measurement, latency_of
from runtime.bench.jobs import Operation, Paced, Request
from runtime.bench.stage import Stage
from runtime.bench.workload import Bench, Workload

_STEPS = 13
_BETWEEN_STEPS = """
SELECT extract(epoch FROM recorded_at - before) * 1000 AS milliseconds FROM (
    SELECT type, recorded_at, lag(recorded_at) OVER (PARTITION BY stream ORDER BY version) AS before
    FROM perdure.events WHERE stream LIKE 'Steps/run-%'
) AS event WHERE type = 'TaskCompleted' AND before IS NOT NULL
"""


async def _run(bench: Bench) -> None:
    sizes = bench.sizes
    async with bench.stage() as stage:
        await stage.run(_job("warm-", sizes.rate, max(1.0, sizes.warm_up)))
        bench.begin(f"end to end at {sizes.rate:g} starts/s")
        measured = await stage.measure(bench.doing, "workflow", _job("run-", sizes.rate, sizes.rate_seconds))
        bench.found(measured)
        bench.begin("step to step")
        bench.found(await _steps(stage, bench.doing))


def _job(prefix: str, rate: float, seconds: float) -> Paced:
    request = Request(operation=Operation.EXECUTE, type="Steps", prefix=prefix, arguments=[_STEPS])
    return Paced(request=request, rate=rate, seconds=seconds)


async def _steps(stage: Stage, name: str) -> Measurement:
    async with stage.database() as connection:
        found = [float(row["milliseconds"]) for row in await connection.fetch(_BETWEEN_STEPS)]
    return Measurement(engine=stage.engine, name=name, unit="step", count=len(found), latency_ms=latency_of(found))


W8 = Workload(
    "w8",
    f"{_STEPS} local steps at a fixed rate of starts",
    _run,
    "End to end counts from the moment a start was due. Step to step is the time between two events of a stream in "
    "the log. Sub-workflows do not exist yet, so there is none in it.",
)
