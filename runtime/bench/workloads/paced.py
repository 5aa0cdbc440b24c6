from __future__ import annotations

from runtime.bench.figures import Measurement, latency_of
from runtime.bench.jobs import Operation, Paced, Request
from runtime.bench.stage import Stage
from runtime.bench.workload import Bench, Workload

_STEPS = 13
# From the event before: a step's end from the last step's, a child's end from when it was asked for.
_TIMES = """
SELECT extract(epoch FROM recorded_at - before) * 1000 AS milliseconds FROM (
    SELECT type, recorded_at, lag(recorded_at) OVER (PARTITION BY stream ORDER BY version) AS before
    FROM perdure.events WHERE stream LIKE 'Nested/run-%'
) AS event WHERE type = $1 AND before IS NOT NULL
"""


async def _run(bench: Bench) -> None:
    sizes = bench.sizes
    async with bench.stage() as stage:
        await stage.run(_job("warm-", sizes.rate, max(1.0, sizes.warm_up)))
        bench.begin(f"end to end at {sizes.rate:g} starts/s")
        measured = await stage.measure(bench.doing, "workflow", _job("run-", sizes.rate, sizes.rate_seconds))
        bench.found(measured)
        for what, unit, type in (
            ("step to step", "step", "TaskCompleted"),
            ("sub-workflow", "sub-workflow", "ChildCompleted"),
        ):
            bench.begin(what)
            bench.found(await _times(stage, bench.doing, unit, type))


def _job(prefix: str, rate: float, seconds: float) -> Paced:
    request = Request(operation=Operation.EXECUTE, type="Nested", prefix=prefix, arguments=[_STEPS])
    return Paced(request=request, rate=rate, seconds=seconds)


async def _times(stage: Stage, name: str, unit: str, type: str) -> Measurement:
    async with stage.database() as connection:
        found = [float(row["milliseconds"]) for row in await connection.fetch(_TIMES, type)]
    return Measurement(engine=stage.engine, name=name, unit=unit, count=len(found), latency_ms=latency_of(found))


W8 = Workload(
    "w8",
    f"{_STEPS} local steps and a sub-workflow at a fixed rate of starts",
    _run,
    "End to end counts from the moment a start was due. Step to step is the time between two events of a stream in "
    "the log; sub-workflow is that from asking for the child, which has one local step, to its end.",
)
