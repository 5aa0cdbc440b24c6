from __future__ import annotations

from runtime.bench.jobs import Closed, Operation, Request
from runtime.bench.workload import Bench, Workload


async def _run(bench: Bench) -> None:
    async with bench.stage(workers=1) as stage:
        await stage.run(_job("warm-", 100))
        for tasks in bench.sizes.fan_out:
            bench.begin(f"{tasks:,} tasks")
            measured = await stage.measure(bench.doing, "task", _job(f"run-{tasks}-", tasks), units=tasks)
            measured.latency_ms = None  # one execution has no distribution
            bench.found(measured)


def _job(prefix: str, tasks: int) -> Closed:
    request = Request(operation=Operation.EXECUTE, type="FanOut", prefix=prefix, arguments=[tasks])
    return Closed(request=request, lanes=1, count=1)


W4 = Workload("w4", "One execution, many parallel tasks on a worker process", _run)
