"""Durable timers: set and cleared with the events that speak of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from eventstore import Commit, EventStore, TimerKey
from tests.conformance.store.building import commit, timer, write
from tests.conformance.store.kits import NOW


async def test_due_ones_soonest_first(store: EventStore) -> None:
    """`until` is inclusive; ties go by stream and number; the limit keeps the soonest."""
    timers = [timer(2), timer(0, "B/1"), timer(0, "A/1", 2), timer(0, "A/1", 1), timer(1)]
    await write(store, commit(timers_set=timers))
    assert await store.timers(0, until=NOW + timedelta(minutes=1), limit=9) == [
        timer(0, "A/1", 1),
        timer(0, "A/1", 2),
        timer(0, "B/1"),
        timer(1),
    ]
    assert await store.timers(0, until=NOW + timedelta(minutes=9), limit=2) == [timer(0, "A/1", 1), timer(0, "A/1", 2)]
    assert await store.timers(0, until=NOW - timedelta(microseconds=1), limit=9) == []
    assert await store.timers(1, until=NOW + timedelta(minutes=9), limit=9) == []


async def test_microseconds_and_far_times_are_exact(store: EventStore) -> None:
    """A due time comes back to the microsecond, so that the key clears its own row."""
    odd = [
        TimerKey(datetime(9000, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "A/1", 1),
        TimerKey(datetime(2026, 10, 25, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=2))), "A/1", 2),
        TimerKey(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "A/1", 3),
    ]
    await write(store, commit(timers_set=odd))
    until = datetime(9999, 1, 1, tzinfo=UTC)
    assert await store.timers(0, until=until, limit=9) == sorted(odd)
    await write(store, Commit(0, 1, timers_clear=odd))
    assert await store.timers(0, until=until, limit=9) == []


async def test_set_and_cleared_in_one_batch(store: EventStore) -> None:
    """A batch equals its commits one after the other; within one commit clearing comes last."""
    await write(store, commit(timers_set=[timer(number=1)]))
    await write(
        store,
        commit(expected=1, timers_set=[timer(number=2), timer(number=3)], timers_clear=[timer(number=1)]),
        commit(expected=2, timers_clear=[timer(number=2)]),
        commit(expected=3, timers_set=[timer(number=1)]),
        commit(expected=4, timers_set=[timer(number=4)], timers_clear=[timer(number=4)]),
    )
    assert await store.timers(0, until=NOW, limit=9) == [timer(number=1), timer(number=3)]


async def test_setting_twice_and_clearing_nothing(store: EventStore) -> None:
    """Both are harmless: a timer is its key."""
    await write(store, commit(timers_set=[timer()], timers_clear=[timer(5)]), commit(expected=1, timers_set=[timer()]))
    assert await store.timers(0, until=NOW, limit=9) == [timer()]
