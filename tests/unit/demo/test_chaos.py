"""The kills: a function of the seed, of both sorts, while there is work to disturb."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runtime.demo.chaos import Role, plan_kills


@given(seed=st.integers(0, 10**6), kills=st.integers(6, 40))
def test_kills_are_spread_over_the_work(seed: int, kills: int) -> None:
    """One in each stretch, none when the work is nearly done, nodes and workers alike."""
    plan = plan_kills(seed, 830, kills)
    moments = [kill.after for kill in plan]
    assert moments == sorted(moments)
    assert len(plan) == kills
    assert moments[-1] < 830 * 0.9
    counts = Counter(kill.role for kill in plan)
    assert abs(counts[Role.NODE] - counts[Role.WORKER]) <= 1


def test_a_seed_repeats_its_kills() -> None:
    """A run that went wrong can be tried again."""
    assert plan_kills(7, 830) == plan_kills(7, 830)
    assert plan_kills(7, 830) != plan_kills(8, 830)
