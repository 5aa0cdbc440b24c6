from __future__ import annotations

from runtime.bench.workload import Bench, Workload
from runtime.bench.workloads.sequence import measure_sequence


async def _run(bench: Bench) -> None:
    await measure_sequence(bench, "Steps", 5)


W2 = Workload("w2", "Five local steps in a row, start to result", _run)
