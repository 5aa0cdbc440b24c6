from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from eventstore import PostgresStore
from runtime import Projection
from runtime.readers.log_reader import LogReader
from runtime.readers.projector import Projector
from tests.conformance.store.building import commit, event, write
from tests.conformance.store.kits import TTL, PostgresKit
from tests.integration.readers.shelves import app
from tests.waiting import wait_until

PARTITIONS = 3


class Shelves:
    """A log with events of shelves, and what reads it."""

    def __init__(self, kit: PostgresKit, store: PostgresStore) -> None:
        self.kit, self.store = kit, store
        self.database = kit.dsn
        self._versions: dict[str, int] = {}

    async def add(self, id: str, *units: int, data: bytes | None = None, type: str = "Added") -> None:
        """Write events of one shelf; its partition is its first letter's."""
        stream, before = f"Shelf/{id}", self._versions.get(id, 0)
        events = [event(type, data=data if data is not None else b'{"units":%d}' % n) for n in units]
        await write(self.store, commit(stream, before, events=events, partition=ord(id[0]) % PARTITIONS))
        self._versions[id] = before + len(units)

    def projector(self, projection: Projection, **options: Any) -> Projector:
        return Projector(projection, app, self.store, self.database, **options)

    @asynccontextmanager
    async def running(self, *readers: LogReader) -> AsyncIterator[None]:
        """Run readers for the time of a block; they end in order."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for reader in readers:
                group.create_task(reader.run(stop))
            try:
                yield
            finally:
                stop.set()

    async def sql(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await self.kit.execute(statement, *arguments)

    async def levels(self) -> dict[str, tuple[int, int]]:
        """Units and events of each shelf, as projected; nothing while there is no table."""
        if not (await self.sql("SELECT to_regclass('levels') IS NOT NULL AS there"))[0]["there"]:
            return {}
        return {row["id"]: (row["units"], row["events"]) for row in await self.sql("SELECT * FROM levels")}

    async def until(self, expected: dict[str, tuple[int, int]], seconds: float = 20) -> None:
        """Wait until the projection shows this."""

        async def shown() -> bool:
            return await self.levels() == expected

        await wait_until(shown, seconds=seconds, what=f"levels {expected}")

    async def trouble(self, name: str) -> str:
        """Wait until a reader says what is wrong."""

        async def said() -> str | None:
            rows = await self.sql("SELECT trouble FROM perdure.checkpoints WHERE reader = $1 AND trouble <> ''", name)
            return rows[0]["trouble"] if rows else None

        found = await wait_until(said, what=f"trouble of {name}")
        assert found is not None
        return found


@pytest.fixture
async def shelves(migrated_database: Callable[[int], Awaitable[str]]) -> AsyncIterator[Shelves]:
    """An empty log, migrated; node `n1` holds every partition under epoch 1."""
    database = await migrated_database(PARTITIONS)
    kit = PostgresKit(database, PARTITIONS)
    leases = await kit.leases()
    await leases.claim("n1", range(PARTITIONS), TTL)
    store = await kit.store()
    assert isinstance(store, PostgresStore)
    yield Shelves(kit, store)
    await kit.close()
