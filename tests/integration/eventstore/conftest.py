from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from eventstore import migrate_store
from tests.conformance.store.kits import TTL, PostgresKit


@pytest.fixture
async def kit(fresh_database: Callable[[], Awaitable[str]]) -> AsyncIterator[PostgresKit]:
    """An empty log in a database of its own; node `n1` holds every partition under epoch 1."""
    kit = PostgresKit(await fresh_database())
    await migrate_store(kit.dsn, kit.partitions)
    leases = await kit.leases()
    await leases.claim("n1", range(kit.partitions), TTL)
    yield kit
    await kit.close()
