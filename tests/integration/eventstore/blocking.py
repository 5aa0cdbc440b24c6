"""Holding a partition's head, so that a commit waits at a known place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.conformance.store.kits import PostgresKit
from tests.waiting import wait_until

_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%-- perdure commit%' AND pid <> pg_backend_pid()
"""
_BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@asynccontextmanager
async def head_held(kit: PostgresKit, partition: int = 0) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Hold the head's row lock; the transaction is committed at the end of the block."""
    connection = await asyncpg.connect(kit.dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM perdure.partitions WHERE partition = $1 FOR UPDATE", partition)
            yield connection
    finally:
        await connection.close()


async def none_waits(kit: PostgresKit) -> None:
    """Wait until no call waits for a lock any more: the server has heard who gave up."""

    async def all_gone() -> bool:
        return not await kit.execute(_BLOCKED)

    await wait_until(all_gone, what="no call that waits for a lock")


async def waiting_commit(kit: PostgresKit) -> int:
    """Wait until a commit waits for a head; gives its backend's process id."""

    async def pid() -> int | None:
        rows = await kit.execute(_WAITING)
        return rows[0]["pid"] if rows else None

    found = await wait_until(pid, what="a commit that waits for a lock")
    assert found is not None
    return found
