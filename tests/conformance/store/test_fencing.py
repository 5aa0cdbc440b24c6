"""A writer that lost its lease can't write, whatever it believes."""

from __future__ import annotations

import asyncio

from eventstore import Commit, EventStore, Leases, StaleEpoch
from tests.conformance.store.building import commit, message, snapshot, write
from tests.conformance.store.kits import NOW, TTL, Kit


async def take_over(kit: Kit, leases: Leases, partition: int) -> None:
    await kit.pass_time(2 * TTL)
    [lease] = await leases.claim("n2", [partition], TTL)
    assert lease.epoch == 2


async def test_the_old_owner_is_fenced(kit: Kit, store: EventStore, leases: Leases) -> None:
    """After a takeover the old epoch is refused, the new one writes, in the same batch or another store."""
    await write(store, commit())
    await take_over(kit, leases, 0)
    other = await kit.store()
    [late] = await store.commit([commit(expected=1)])
    assert isinstance(late, StaleEpoch)
    assert (late.partition, late.expected, late.actual) == (0, 1, 2)
    await write(other, commit(expected=1, epoch=2))
    assert [e.epoch for e in await store.read_stream("Account/1")] == [1, 2]


async def test_other_partitions_of_the_fenced_writer_go_on(kit: Kit, store: EventStore, leases: Leases) -> None:
    """A fenced partition's commits are left out and nobody else's."""
    await take_over(kit, leases, 0)
    answers = await store.commit([commit("A/1"), commit("B/1", partition=1), commit("A/2"), commit("C/1", partition=2)])
    assert [isinstance(a, StaleEpoch) for a in answers] == [True, False, True, False]
    assert [await store.partition_offset(p) for p in range(3)] == [0, 1, 1]


async def test_housekeeping_is_fenced_too(kit: Kit, store: EventStore, leases: Leases) -> None:
    """An old owner can't remove what the new owner must still send."""
    await write(store, Commit(0, 1, outbox=[message()]))
    await take_over(kit, leases, 0)
    [refusal] = await store.commit([Commit(0, 1, outbox_remove=["message-1"])])
    assert isinstance(refusal, StaleEpoch)
    assert await store.outbox(0, until=NOW, limit=9) == [message()]


async def test_the_old_owner_leaves_no_snapshot(kit: Kit, store: EventStore, leases: Leases) -> None:
    """What it folded may not be what the log says by now."""
    await write(store, commit())
    await take_over(kit, leases, 0)
    [refusal] = await store.commit([commit(expected=1, count=0, snapshot=snapshot(1))])
    assert isinstance(refusal, StaleEpoch)
    assert await store.snapshot("Account/1") is None


async def test_an_expired_lease_that_nobody_took_still_writes(kit: Kit, store: EventStore) -> None:
    """Fencing is by epoch alone: time only says who may claim."""
    await kit.pass_time(2 * TTL)
    await write(store, commit())


async def test_old_and_new_owner_at_once(kit: Kit, store: EventStore, leases: Leases) -> None:
    """Two stores write to one partition while it changes hands: history stays linear, epochs never go down."""
    other = await kit.store()
    accepted: list[int] = []

    async def writer(which: EventStore, epoch: int) -> None:
        for n in range(25):
            [refusal] = await which.commit([commit(f"W/{epoch}-{n}", epoch=epoch)])
            assert refusal is None or isinstance(refusal, StaleEpoch)
            if refusal is None:
                accepted.append(epoch)

    async def handover() -> None:
        await leases.release("n1", [lease for lease in (await leases.beat("n1", TTL)).leases if lease.partition == 0])
        await leases.claim("n2", [0], TTL)

    await asyncio.gather(writer(store, 1), writer(other, 2), handover())
    await write(other, commit("W/end", epoch=2))
    log = await store.read_partition(0)
    assert [e.offset for e in log] == list(range(1, len(accepted) + 2))
    assert [e.epoch for e in log] == sorted(e.epoch for e in log)
