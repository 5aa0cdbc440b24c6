from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from eventstore import EventStore, Leases, migrate_store
from runtime.servers import create_database, drop_database
from tests.conformance.store.kits import PARTITIONS, TTL, Kit, MemoryKit, PostgresKit
from tests.conformance.store.simulated import SimulatedKit


@pytest.fixture(scope="session")
def log_database(postgres_url: str) -> Iterator[str]:
    """One migrated database for all of these tests: making one takes longer than emptying one."""
    name = f"log_{secrets.token_hex(6)}"
    dsn = asyncio.run(create_database(postgres_url, name))
    asyncio.run(migrate_store(dsn, PARTITIONS))
    yield dsn
    asyncio.run(drop_database(postgres_url, name))


@pytest.fixture(params=["memory", "simulated", "postgres"])
def new_kit(request: pytest.FixtureRequest) -> Callable[[], Awaitable[Kit]]:
    """Makes a kit with an empty log; a server is started only for the store that needs it."""
    dsn = request.getfixturevalue("log_database") if request.param == "postgres" else None

    async def make() -> Kit:
        if dsn is None:
            return SimulatedKit() if request.param == "simulated" else MemoryKit()
        kit = PostgresKit(dsn)
        await kit.empty()
        return kit

    return make


@pytest.fixture
async def kit(new_kit: Callable[[], Awaitable[Kit]]) -> AsyncIterator[Kit]:
    """Every store in turn, with an empty log."""
    kit = await new_kit()
    yield kit
    await kit.close()


@pytest.fixture
async def leases(kit: Kit) -> Leases:
    """Leases of the log."""
    return await kit.leases()


@pytest.fixture
async def store(kit: Kit, leases: Leases) -> EventStore:
    """An open store; node `n1` holds every partition under epoch 1."""
    await leases.claim("n1", range(kit.partitions), TTL)
    return await kit.store()
