"""A reader of a partition never sees a gap that fills later."""

from __future__ import annotations

import asyncio

from eventstore import EventStore
from tests.conformance.store.building import commit
from tests.conformance.store.kits import Kit


async def test_live_readers_see_no_gaps(kit: Kit, store: EventStore) -> None:
    """Several stores append to all partitions while readers follow them by offset."""
    others = [await kit.store() for _ in range(2)]
    done = asyncio.Event()

    async def append(number: int, which: EventStore) -> None:
        for n in range(20):
            streams = [f"S/{number}-{n}-{k}" for k in range(6)]
            answers = await which.commit([commit(s, count=k % 3 + 1, partition=k % 4) for k, s in enumerate(streams)])
            assert answers == [None] * 6

    async def follow(partition: int) -> list[int]:
        seen: list[int] = []
        while True:
            last_round = done.is_set()
            page = await store.read_partition(partition, after=len(seen), limit=7)
            offsets = [e.offset for e in page]
            assert offsets == list(range(len(seen) + 1, len(seen) + 1 + len(page))), "a gap"
            seen += offsets
            if last_round and not page:
                return seen
            await asyncio.sleep(0)

    readers = [asyncio.create_task(follow(p)) for p in range(4)]
    await asyncio.gather(*(append(n, which) for n, which in enumerate([store, *others])))
    done.set()
    found = await asyncio.gather(*readers)
    assert sum(len(seen) for seen in found) == 3 * 20 * 12
