"""The figures as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from runtime.bench.figures import Measurement
from runtime.bench.machine import Machine
from runtime.bench.workload import Workload

Results = Mapping[str, Sequence[Measurement]]


def as_object(workloads: Sequence[Workload], results: Results, machine: Machine) -> dict[str, Any]:
    """Give `w1` to `w9` with the measurements of each, and `machine`. Workloads that did not run are absent."""
    found: dict[str, Any] = {
        workload.key: {"title": workload.title, "note": workload.note, "measurements": list(results[workload.key])}
        for workload in workloads
    }
    made: dict[str, Any] = msgspec.to_builtins(found | {"machine": machine})
    return made


def write_json(folder: Path, report: dict[str, Any]) -> Path:
    """Write `bench.json`; gives its path. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return path
