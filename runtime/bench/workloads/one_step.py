from __future__ import annotations

from runtime.bench.workload import Bench, Workload
from runtime.bench.workloads.sequence import measure_sequence


async def _run(bench: Bench) -> None:
    await measure_sequence(bench, "Steps", 1)


W1 = Workload("w1", "One local step, start to result", _run)
