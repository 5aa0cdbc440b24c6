"""An open store that nobody uses stands in nobody's way."""

from __future__ import annotations

import asyncpg

from tests.conformance.store.building import commit, write
from tests.conformance.store.kits import PostgresKit

_LOCK_ALL = """
SET lock_timeout = '5s';
BEGIN;
LOCK TABLE perdure.events, perdure.partitions, perdure.inbox, perdure.executions, perdure.nodes;
COMMIT
"""


async def test_no_locks_are_left(kit: PostgresKit) -> None:
    """Right after opening, and after a batch that took the careful path, a migration could go ahead."""
    store, leases = await kit.store(), await kit.leases()
    connection = await asyncpg.connect(kit.dsn)
    try:
        await connection.execute(_LOCK_ALL)
        await write(store, commit())
        assert None not in await store.commit([commit()])
        await leases.leave("n9")
        await connection.execute(_LOCK_ALL)
    finally:
        await connection.close()
