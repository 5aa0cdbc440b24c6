"""Suspect messages are counted; hopeless ones are kept with their reason."""

from __future__ import annotations

from datetime import timedelta

from eventstore import Commit, EventStore
from tests.conformance.store.building import quarantined, write
from tests.conformance.store.kits import Kit


async def test_attempts_are_counted_for_each_message(store: EventStore) -> None:
    """Counts outlive the process that counted; the same id in another partition is another message."""
    assert [await store.count_attempt(0, "m") for _ in range(3)] == [1, 2, 3]
    assert await store.count_attempt(0, "other") == 1
    assert await store.count_attempt(1, "m") == 1


async def test_attempts_are_forgotten(store: EventStore) -> None:
    """A message that was handled after all starts anew; unknown ones are no error."""
    await store.count_attempt(0, "m")
    await store.count_attempt(1, "m")
    await store.forget_attempts(0, ["m", "unknown"])
    assert await store.count_attempt(0, "m") == 1
    assert await store.count_attempt(1, "m") == 2


async def test_old_counts_are_pruned(kit: Kit, store: EventStore) -> None:
    """Counts of what lies in quarantine stay for copies that still come, and go with the inbox marks of their time."""
    assert [await store.count_attempt(0, m) for m in ("quarantined", "again", "quarantined")] == [1, 1, 2]
    await kit.pass_time(timedelta(days=8))
    assert await store.count_attempt(0, "again") == 2
    assert await store.prune_inbox(timedelta(days=7)) == 0
    assert [await store.count_attempt(0, m) for m in ("quarantined", "again")] == [1, 3]


async def test_quarantined_newest_first(store: EventStore) -> None:
    """What goes in comes out, whatever its bytes; the limit keeps the newest."""
    old, new = quarantined("old", 0), quarantined("new", 5, reason="", source="")
    await write(store, Commit(0, 1, quarantine=[old]), Commit(1, 1, quarantine=[new]))
    assert await store.quarantined() == [new, old]
    assert await store.quarantined(limit=1) == [new]


async def test_quarantined_again(store: EventStore) -> None:
    """The same message keeps one row, the newest."""
    await write(store, Commit(0, 1, quarantine=[quarantined()]))
    await write(
        store, Commit(0, 1, quarantine=[quarantined(attempts=4)]), Commit(0, 1, quarantine=[quarantined(attempts=5)])
    )
    assert await store.quarantined() == [quarantined(attempts=5)]


async def test_quarantined_forgotten(store: EventStore) -> None:
    """Those that are named, in whatever partition; unknown ones are no error."""
    kept = quarantined("kept", 1)
    await write(store, Commit(0, 1, quarantine=[quarantined("a"), kept]), Commit(1, 1, quarantine=[quarantined("b")]))
    assert await store.forget_quarantined(["a", "b", "unknown", "a"]) == 2
    assert await store.quarantined() == [kept]
    assert await store.forget_quarantined([]) == 0
