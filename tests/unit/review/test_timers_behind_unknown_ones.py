"""Timers that nobody here can fire don't hide those that come due after them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from eventstore import Commit, MemoryLeases, MemoryStore, TimerKey
from runtime.clock import Clock
from runtime.hosting import timers
from runtime.hosting.schedule import Schedule
from runtime.hosting.timers import Timers

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_page_full_of_timers_of_an_unknown_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their rows stay: the type was taken out of the app, and may come back."""
    monkeypatch.setattr(timers, "PAGE", 10)
    store = MemoryStore(1, clock=lambda: NOW)
    (lease,) = await MemoryLeases(store).claim("n", [0], timedelta(seconds=5))
    gone = [TimerKey(NOW - timedelta(hours=1), f"Gone/{n}", 1) for n in range(10)]
    known = TimerKey(NOW, "Known/1", 1)
    await store.commit([Commit(0, lease.epoch, timers_set=[*gone, known])])
    clock = Clock()
    clock.set(NOW)
    schedule, fired = Schedule(clock), list[TimerKey]()
    due = Timers(0, clock, schedule, fired.append)

    while not await due.look(store):
        await schedule.run_due(0.0, limit=100)
        assert len(fired) < 100
    await schedule.run_due(0.0, limit=100)

    assert fired == [*gone, known]
