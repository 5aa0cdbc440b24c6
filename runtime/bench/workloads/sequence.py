"""What W1, W2 and W3 have in common: a workflow of a few steps, from its start to its result, ever more at once."""

from __future__ import annotations

from runtime.bench.jobs import Closed, Operation, Request
from runtime.bench.workload import Bench


async def measure_sequence(bench: Bench, type: str, steps: int, *, workers: int = 0) -> None:
    """Measure one workflow type at each concurrency.

    Args:
        bench: the run.
        type: a workflow whose only argument is how many steps it makes.
        steps: that number.
        workers: how many worker processes it needs.
    """
    async with bench.stage(workers=workers) as stage:
        for lanes in bench.sizes.lanes:
            bench.begin(f"concurrency {lanes}")

            def job(prefix: str, seconds: float, lanes: int = lanes) -> Closed:
                request = Request(operation=Operation.EXECUTE, type=type, prefix=prefix, arguments=[steps])
                return Closed(request=request, lanes=lanes, seconds=seconds)

            await stage.run(job(f"warm-{lanes}-", bench.sizes.warm_up))
            measured = await stage.measure(bench.doing, "workflow", job(f"run-{lanes}-", bench.sizes.seconds))
            if steps > 1 and measured.per_second is not None:
                measured.figures["steps/s"] = round(measured.per_second * steps, 1)
            bench.found(measured)
