from __future__ import annotations

from runtime.bench.workload import Bench, Workload
from runtime.bench.workloads.sequence import measure_sequence


async def _run(bench: Bench) -> None:
    await measure_sequence(bench, "Tasks", 5, workers=1)


W3 = Workload("w3", "Five tasks in a row on a worker process, start to result", _run)
