"""Opening and closing."""

from __future__ import annotations

from eventstore import EventStore, Leases
from tests.conformance.store.building import commit, write
from tests.conformance.store.kits import Kit


async def test_close_twice_and_open_again(store: EventStore, leases: Leases) -> None:
    """Closing is safe at any time, and what was written is there afterwards."""
    await write(store, commit())
    await store.close()
    await store.close()
    await leases.close()
    await leases.close()
    await store.open()
    assert await store.stream_version("Account/1") == 1


async def test_open_twice(store: EventStore) -> None:
    """The second one does nothing."""
    await store.open()
    await write(store, commit())


async def test_partitions_are_known(kit: Kit, store: EventStore) -> None:
    """The number that the store was created with."""
    assert store.partitions == kit.partitions
