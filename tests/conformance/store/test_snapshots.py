"""Snapshots: the newest good one, never more than an optimisation."""

from __future__ import annotations

from eventstore import EventStore, LoadRequest, Snapshot
from tests.conformance.store.building import commit, snapshot, versions, write
from tests.conformance.store.kits import Kit, PostgresKit


async def with_two(store: EventStore) -> None:
    """Account/1 at version 10 with snapshots at 5 and 8."""
    await write(store, commit(count=5, snapshot=snapshot(5)))
    await write(store, commit(expected=5, count=5, snapshot=snapshot(8)))


async def test_it_keeps_everything(store: EventStore) -> None:
    """What goes in comes out."""
    kept = Snapshot(1, b"\x00\xff", schema=7, code="")
    await write(store, commit(snapshot=kept))
    assert await store.snapshot("Account/1") == kept


async def test_the_highest_version_and_the_highest_up_to_one(store: EventStore) -> None:
    """Bounds are inclusive."""
    await with_two(store)
    assert await store.snapshot("Account/1") == snapshot(8)
    assert await store.snapshot("Account/1", upto=8) == snapshot(8)
    assert await store.snapshot("Account/1", upto=7) == snapshot(5)
    assert await store.snapshot("Account/1", upto=4) is None
    assert await store.snapshot("Account/2") is None


async def test_the_highest_version_survives_deletion_of_a_lower_one(store: EventStore) -> None:
    """Deleting up to a version leaves those above it."""
    await with_two(store)
    await store.delete_snapshots("Account/1", upto=7)
    assert await store.snapshot("Account/1") == snapshot(8)
    assert await store.snapshot("Account/1", upto=7) is None


async def test_deleting_all_loses_nothing(store: EventStore) -> None:
    """Without snapshots a load gives every event."""
    await with_two(store)
    await write(store, commit("Account/2", snapshot=snapshot(1)))
    await store.delete_snapshots("Account/1")
    [loaded] = await store.load([LoadRequest("Account/1")])
    assert (loaded.snapshot, versions(loaded.events)) == (None, list(range(1, 11)))
    assert await store.snapshot("Account/2") == snapshot(1)
    await store.delete_snapshots("Account/1")


async def test_one_reserve_is_kept(store: EventStore) -> None:
    """A new snapshot leaves the newest one before it, and clears older ones."""
    await with_two(store)
    await write(store, commit(expected=10, snapshot=snapshot(11)))
    assert await store.snapshot("Account/1", upto=10) == snapshot(8)
    assert await store.snapshot("Account/1", upto=7) is None


async def test_taken_again_at_the_same_version(store: EventStore) -> None:
    """Other code folds the same events to another state: its snapshot replaces the old one."""
    await with_two(store)
    await write(store, commit(expected=10, count=0, snapshot=snapshot(8, code="v2")))
    assert await store.snapshot("Account/1") == snapshot(8, code="v2")
    assert await store.snapshot("Account/1", upto=7) == snapshot(5)


async def test_two_in_one_batch(store: EventStore) -> None:
    """Of several in one batch the last one counts."""
    await write(store, commit(snapshot=snapshot(1)), commit(expected=1, snapshot=snapshot(2)))
    assert await store.snapshot("Account/1") == snapshot(2)


async def test_a_damaged_one_is_passed_over(kit: Kit, store: EventStore) -> None:
    """A flipped byte is noticed: the reserve is used, or else every event."""
    if not isinstance(kit, PostgresKit):
        return  # memory has no bytes at rest that could be damaged
    await with_two(store)
    await kit.execute("UPDATE perdure.snapshots SET data = 'state at 9' WHERE version = 8")
    first, other = await store.load([LoadRequest("Account/1"), LoadRequest("Account/1", after=9)])
    assert (first.snapshot, versions(first.events), first.damaged) == (snapshot(5), [6, 7, 8, 9, 10], [8])
    assert (versions(other.events), other.damaged) == ([10], [])
    assert await store.snapshot("Account/1") == snapshot(5)
    await kit.execute("UPDATE perdure.snapshots SET code = 'v9' WHERE version = 5")
    [loaded] = await store.load([LoadRequest("Account/1")])
    assert (loaded.snapshot, len(loaded.events), loaded.damaged) == (None, 10, [8, 5])
    assert await store.snapshot("Account/1") is None


async def test_one_ahead_of_the_log_is_passed_over(kit: Kit, store: EventStore) -> None:
    """After a restore of an older log a snapshot may know the future: it does not count."""
    if not isinstance(kit, PostgresKit):
        return  # memory is never restored
    await with_two(store)
    await kit.execute("UPDATE perdure.snapshots SET version = 99 WHERE version = 8")
    [loaded] = await store.load([LoadRequest("Account/1")])
    assert (loaded.snapshot, versions(loaded.events)) == (snapshot(5), [6, 7, 8, 9, 10])
    assert await store.snapshot("Account/1") == snapshot(5)
