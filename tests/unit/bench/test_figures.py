"""Percentiles, and what a unit cost."""

from __future__ import annotations

import pytest

from runtime.bench.figures import Latency, cpu_per_unit, latency_of, percentile
from runtime.bench.usage import Usage


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_nearest_rank(share: float, value: int) -> None:
    """The value that this share of all values does not exceed."""
    assert percentile(range(1, 101), share) == value


def test_one_value_is_every_percentile() -> None:
    """A single measurement says all there is to say."""
    assert latency_of([7.0]) == Latency(7.0, 7.0, 7.0, 7.0)


def test_no_values() -> None:
    """Nothing measured is no latency, and has no percentile."""
    assert latency_of([]) is None
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_order_does_not_matter() -> None:
    """Latencies come in the order of the answers."""
    assert latency_of([3.0, 1.0, 2.0]) == Latency(2.0, 3.0, 3.0, 3.0)


def test_cpu_per_unit() -> None:
    """Microseconds for each unit; a role that did nothing is left out, and no units make no figures."""
    used = Usage({"node": 0.5, "worker": 0.0}, 1.0)
    assert cpu_per_unit(used, 1000) == {"node": 500.0}
    assert cpu_per_unit(used, 0) == {}
