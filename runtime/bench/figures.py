"""What a measurement comes out as."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from runtime.bench.usage import Usage


class Latency(Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p95: float
    p99: float
    worst: float


class Measurement(Struct, kw_only=True, omit_defaults=True):
    """One line of the table. What was not measured is absent."""

    engine: str
    name: str
    unit: str  # what is counted, in the singular
    count: int = 0
    seconds: float | None = None
    per_second: float | None = None
    latency_ms: Latency | None = None
    cpu_us: dict[str, float] = {}  # microseconds of CPU per unit, by role
    foreign_cores: float | None = None  # cores that other programs of the machine kept busy meanwhile
    figures: dict[str, float] = {}  # what is particular to a workload; the name says the unit


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least this share of the values does not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not sorted_values:
        raise ValueError("no values were measured; expected at least one")
    return sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)]


def latency_of(milliseconds: Sequence[float]) -> Latency | None:
    """Sum up latencies in milliseconds; None without any."""
    if not milliseconds:
        return None
    ordered = sorted(milliseconds)
    p50, p95, p99 = (round(percentile(ordered, share), 3) for share in (0.5, 0.95, 0.99))
    return Latency(p50, p95, p99, round(ordered[-1], 3))


def cpu_per_unit(used: Usage, count: int) -> dict[str, float]:
    """Give microseconds of CPU per unit by role, roles that used none left out."""
    if count < 1:
        return {}
    return {role: round(seconds * 1e6 / count, 1) for role, seconds in used.roles.items() if seconds > 0}
