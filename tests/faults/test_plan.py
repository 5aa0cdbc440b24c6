"""The plan of faults."""

from __future__ import annotations

from collections import Counter

from tests.faults.plan import MINIMUM, Kind, make_plan

BY_DRILLS = {Kind.NODE_KILL: 1, Kind.NODE_STOP: 1, Kind.BROKER_KILL: 1, Kind.POSTGRES_KILL: 1}


def test_the_seed_decides() -> None:
    """The same seed gives the same plan, another one another."""
    assert make_plan(7, 200) == make_plan(7, 200)
    assert make_plan(7, 200) != make_plan(8, 200)


def test_every_class_comes_often_enough() -> None:
    """Plan, drills and what `everything` kills reach each minimum; cancellations are the clients'."""
    planned = Counter(fault.kind for fault in make_plan(1, 200))
    assert planned[Kind.EVERYTHING] >= 1
    found = planned + Counter(BY_DRILLS)
    assert {kind for kind, least in MINIMUM.items() if found[kind] < least} == {Kind.CANCELLATION}


def test_longer_runs_have_more_faults() -> None:
    """The rate stays about the same, and all of it lies within the time."""
    plan = make_plan(3, 2_000)
    assert len(plan) == 10 * len(make_plan(3, 200))
    assert 0 <= plan[0].at <= plan[-1].at <= 2_000
