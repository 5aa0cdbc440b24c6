"""A commit that takes long comes to light before its successors, or not at all: readers by offset miss nothing."""

from __future__ import annotations

import asyncio

import asyncpg

from eventstore import EventStore
from tests.conformance.store.building import commit, mark
from tests.conformance.store.kits import PostgresKit
from tests.waiting import wait_until

_HOLD = "INSERT INTO perdure.inbox (digest, stream, command_id, reply) VALUES (0, 'Slow/1', 'held', '')"
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_a_reader_by_offset_misses_no_late_commit(kit: PostgresKit) -> None:
    """One commit has its offset and is held up; another one wants in meanwhile; a reader goes on from what it saw."""
    slow, quick = await kit.store(), await kit.store()
    holder = await asyncpg.connect(kit.dsn)
    holding = holder.transaction()
    await holding.start()
    await holder.execute(_HOLD)
    first = asyncio.create_task(slow.commit([commit("Slow/1", inbox=[mark("held")])]))
    await _waiting(kit, 1)
    second = asyncio.create_task(quick.commit([commit("Quick/1")]))
    await _waiting(kit, 2, second)
    seen = await _offsets(quick, after=0)
    await holding.rollback()
    await holder.close()
    assert await first == await second == [None]
    seen += await _offsets(quick, after=max(seen, default=0))
    assert seen == await _offsets(quick, after=0)


async def _waiting(kit: PostgresKit, count: int, *unless: asyncio.Task[object]) -> None:
    async def so_many() -> bool:
        [(waiting,)] = await kit.execute(_WAITING)
        return waiting >= count or any(task.done() for task in unless)

    await wait_until(so_many, what=f"{count} commits wait")


async def _offsets(store: EventStore, after: int) -> list[int]:
    return [event.offset for event in await store.read_partition(0, after=after)]
