"""Followers of the log in Postgres: what wakes them, what it costs, and connections that break."""

from __future__ import annotations

import asyncio

import asyncpg

from eventstore import EventStore, StoreUnavailable, Subscription
from eventstore.postgres.doorbell import CHANNEL
from tests.conformance.store.building import commit, mark, write
from tests.conformance.store.following import never_looking, next_of, places, take
from tests.conformance.store.kits import PostgresKit
from tests.waiting import wait_until

_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND {}"
_OF_FOLLOWERS = "application_name = 'perdure follow'"
_OF_ALL = "pid <> pg_backend_pid() AND application_name <> 'test'"
_HOLD = "INSERT INTO perdure.inbox (digest, stream, command_id, reply) VALUES (0, 'Slow/1', 'held', '')"
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def awaited(kit: PostgresKit) -> list[int]:
    return [row[0] for row in await kit.execute("SELECT partition FROM perdure.partitions WHERE awaited ORDER BY 1")]


async def test_a_commit_that_was_under_way_wakes_too(kit: PostgresKit) -> None:
    """It moved the head before the follower asked, and comes to light after the follower's first look."""
    writer, reader = await kit.store(), await kit.store()
    holder = await asyncpg.connect(kit.dsn)
    holding = holder.transaction()
    await holding.start()
    await holder.execute(_HOLD)
    late = asyncio.create_task(writer.commit([commit("Slow/1", inbox=[mark("held")])]))

    async def so_many(count: int) -> bool:
        [(waiting,)] = await kit.execute(_WAITING)
        return bool(waiting >= count)

    await wait_until(lambda: so_many(1), what="a commit that is held up")
    async with never_looking(reader) as batches:
        waiting = asyncio.create_task(next_of(batches))
        await wait_until(lambda: so_many(2), what="a follower that waits for the commit's head")
        await holding.rollback()
        await holder.close()
        assert await late == [None]
        assert places((await waiting).events) == [(0, 1)]


async def test_commits_notify_only_who_waits(kit: PostgresKit) -> None:
    """Nobody follows: no notification. A follower that does not come back, because it is frozen or busy: one."""
    store = await kit.store()
    listener, heard = await asyncpg.connect(kit.dsn), []
    await listener.add_listener(CHANNEL, lambda *told: heard.append(told[-1]))
    await write(store, *(commit(f"A/{n}") for n in range(5)))
    async with never_looking(store) as batches:
        await take(batches, 5)
        waiting = asyncio.create_task(next_of(batches))
        await wait_until(lambda: awaited(kit), what="a follower that waits")
        for n in range(50):
            await write(store, commit(f"B/{n}"))
            if n == 0:
                waiting.cancel()
        await listener.execute("SELECT 1")
    await wait_until(lambda: heard)
    assert heard == ["0"]
    assert await awaited(kit) in ([1, 2, 3], [0, 1, 2, 3])
    await listener.close()


async def written(store: EventStore, stream: str) -> bool:
    """Write an event, unless it is there; the store's own connections were cut, too."""
    try:
        if not await store.stream_version(stream):
            await write(store, commit(stream))
    except StoreUnavailable:
        return False
    return True


async def test_going_on_after_a_lost_connection(kit: PostgresKit) -> None:
    """The follower's, and then all of them, again and again: nothing is skipped and nothing comes twice."""
    writer, reader = await kit.store(), await kit.store()
    async with never_looking(reader) as batches:
        for n in range(6):
            waiting = asyncio.create_task(next_of(batches))
            await wait_until(lambda: awaited(kit), what="a follower that waits")
            await kit.execute(_END.format(_OF_FOLLOWERS if n % 2 else _OF_ALL))
            await wait_until(lambda: written(writer, f"A/{n}"))  # noqa: B023 - at once
            assert places((await waiting).events) == [(0, n + 1)]


async def test_trouble_is_told_and_outlived(kit: PostgresKit) -> None:
    """A closed store is an unreachable one; when it is open again the reader goes on."""
    writer, reader = await kit.store(), await kit.store()
    told: list[StoreUnavailable] = []
    async with never_looking(reader, on_trouble=told.append) as batches:
        await write(writer, commit())
        await take(batches, 1)
        await reader.close()
        waiting = asyncio.create_task(next_of(batches))
        await wait_until(lambda: told)
        await write(writer, commit(expected=1))
        await reader.open()
        assert places((await waiting).events) == [(0, 2)]


async def test_a_lost_wake_up_costs_only_time(kit: PostgresKit) -> None:
    """What the slow look is for: the flag is gone, nobody rings, and the event is found all the same."""
    store = await kit.store()
    async with Subscription(store, recheck=0.05) as batches:
        waiting = asyncio.create_task(next_of(batches))
        await wait_until(lambda: awaited(kit), what="a follower that waits")
        connection = await asyncpg.connect(kit.dsn)
        async with connection.transaction():
            await connection.execute("UPDATE perdure.partitions SET awaited = false")
            await connection.execute("ALTER TABLE perdure.partitions DISABLE TRIGGER partitions_awaited")
        await connection.close()
        await write(store, commit())
        assert places((await waiting).events) == [(0, 1)]


async def test_a_transaction_that_is_rolled_back_rings_nobody(kit: PostgresKit) -> None:
    """A refused commit leaves the follower waiting, and the next one wakes it."""
    store = await kit.store()
    async with never_looking(store) as batches:
        waiting = asyncio.create_task(next_of(batches))
        await wait_until(lambda: awaited(kit), what="a follower that waits")
        [refused] = await store.commit([commit(expected=7)])
        assert refused is not None
        assert 0 in await awaited(kit)
        await write(store, commit())
        assert places((await waiting).events) == [(0, 1)]
