from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.conformance.store.kits import PARTITIONS, TTL, PostgresKit


@pytest.fixture
async def kit(migrated_database: Callable[[int], Awaitable[str]]) -> AsyncIterator[PostgresKit]:
    """An empty log in a database of its own; node `n1` holds every partition under epoch 1."""
    kit = PostgresKit(await migrated_database(PARTITIONS))
    leases = await kit.leases()
    await leases.claim("n1", range(kit.partitions), TTL)
    yield kit
    await kit.close()
