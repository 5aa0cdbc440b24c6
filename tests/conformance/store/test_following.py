"""A subscription follows the log live: woken, not by asking again and again, and without skipping anything."""

from __future__ import annotations

import asyncio

import pytest

from eventstore import EventStore, Position, Selection
from tests.conformance.store.building import commit, write
from tests.conformance.store.following import never_looking, next_of, places, take
from tests.conformance.store.kits import Kit
from tests.waiting import wait_until


async def test_follow_live_without_polling(store: EventStore) -> None:
    """Each event wakes a reader that waits, also from other processes, although it never looks by itself."""
    async with never_looking(store) as batches:
        for n in range(5):
            waiting = asyncio.create_task(next_of(batches))
            await asyncio.sleep(0)
            await write(store, commit(f"Account/{n}", count=2, partition=n % 4))
            assert places((await waiting).events) == [(n % 4, n // 4 * 2 + 1), (n % 4, n // 4 * 2 + 2)]


async def test_every_follower_is_woken(kit: Kit, store: EventStore) -> None:
    """Several readers, of one store and of several, each see every event."""
    others = [store, store, await kit.store(), await kit.store()]
    followers = [never_looking(other, limit=3) for other in others]
    reading = [asyncio.create_task(take(follower, 40)) for follower in followers]
    for n in range(20):
        await write(store, commit(f"Account/{n}", count=2, partition=n % 4))
    for task in reading:
        assert sorted(places(await task)) == [(p, n) for p in range(4) for n in range(1, 11)]
    for follower in followers:
        follower.close()


async def test_subscribe_never_skips_an_event(kit: Kit, store: EventStore) -> None:
    """Several writers fill all partitions at once; readers that are only woken get each event, in order."""
    writers = [store, await kit.store(), await kit.store()]

    async def append(number: int) -> None:
        for n in range(25):
            batch = [commit(f"S/{number}-{n}-{k}", count=k % 3 + 1, partition=k % 4) for k in range(4)]
            assert await writers[number].commit(batch) == [None] * 4

    async with never_looking(store, limit=7) as everything, never_looking(store, partitions=[1]) as one:
        reading = asyncio.create_task(take(everything, 3 * 25 * 7)), asyncio.create_task(take(one, 3 * 25 * 2))
        await asyncio.gather(*(append(n) for n in range(3)))
        every, alone = [await task for task in reading]
    for partition, count in ((0, 75), (1, 150), (2, 225), (3, 75)):
        assert [e.offset for e in every if e.partition == partition] == list(range(1, count + 1))
    assert places(alone) == [(1, n) for n in range(1, 151)]


async def test_events_that_nobody_wants_do_not_end_the_wait(store: EventStore) -> None:
    """A reader of one type is woken for the others, and goes on waiting."""
    async with never_looking(store, selection=Selection(types=("Order",))) as batches:
        waiting = asyncio.create_task(next_of(batches))
        for n in range(3):
            await write(store, commit(f"Account/{n}"))
        await write(store, commit("Order/1"))
        assert places((await waiting).events) == [(0, 4)]


async def test_cancelling_a_wait_loses_nothing(store: EventStore) -> None:
    """The same subscription goes on, at each moment at which it may be cancelled."""
    async with never_looking(store, limit=2) as batches:
        seen = []
        for n in range(12):
            await write(store, commit(f"Account/{n}"))
            waiting = asyncio.create_task(anext(batches))
            for _ in range(n):
                await asyncio.sleep(0)
            waiting.cancel()
            [outcome] = await asyncio.gather(waiting, return_exceptions=True)
            if not isinstance(outcome, BaseException):
                seen += outcome.events
        seen += await take(batches, 12 - len(seen))
    assert places(seen) == [(0, n) for n in range(1, 13)]


async def test_closing_ends_the_iteration(store: EventStore) -> None:
    """Also for who waits in it; twice is as good as once."""
    batches = never_looking(store)

    async def read() -> int:
        return len([batch async for batch in batches])

    waiting = asyncio.create_task(read())
    await write(store, commit())
    await wait_until(lambda: batches.position == Position({0: 1}))
    batches.close()
    batches.close()
    async with asyncio.timeout(10):
        assert await waiting == 1
    with pytest.raises(StopAsyncIteration):
        await anext(batches)


async def test_one_reader_at_a_time(store: EventStore) -> None:
    """A second one would get half of the events."""
    async with never_looking(store) as batches:
        waiting = asyncio.create_task(next_of(batches))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one reader at a time"):
            await anext(batches)
        await write(store, commit())
        assert len((await waiting).events) == 1


async def test_from_now_on(store: EventStore) -> None:
    """A position at the heads sees only what comes."""
    await write(store, commit(count=3))
    async with never_looking(store, after=Position.at(await store.heads())) as batches:
        await write(store, commit(expected=3))
        assert places(await take(batches, 1)) == [(0, 4)]
