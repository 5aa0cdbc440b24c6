"""What a store's tests need beside the port: a second store on the same log, passing time, damage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

import asyncpg

from eventstore import EventStore, Leases, MemoryLeases, MemoryStore, PostgresLeases, PostgresStore

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
TTL = timedelta(seconds=60)
PARTITIONS = 4

_EMPTY = """
ALTER TABLE perdure.events DISABLE TRIGGER events_never_change;
DELETE FROM perdure.events;
DELETE FROM perdure.inbox;
DELETE FROM perdure.outbox;
DELETE FROM perdure.timers;
DELETE FROM perdure.snapshots;
DELETE FROM perdure.executions;
DELETE FROM perdure.quarantine;
DELETE FROM perdure.attempts;
DELETE FROM perdure.nodes;
ALTER TABLE perdure.events ENABLE ALWAYS TRIGGER events_never_change;
UPDATE perdure.partitions SET head = 0, epoch = 0, owner = NULL, expires_at = NULL;
"""


class Kit(Protocol):
    """One log, and hands on it that the port does not give."""

    partitions: int

    async def store(self) -> EventStore:
        """Open one more store on the log."""

    async def leases(self) -> Leases:
        """Open one more `Leases` on the log."""

    async def pass_time(self, duration: timedelta) -> None:
        """Let so much time pass for leases, nodes and inbox marks, without waiting."""

    async def close(self) -> None:
        """Close all of it."""


class MemoryKit:
    """A log in memory with a clock of its own."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self._now = NOW
        self._store = MemoryStore(partitions, clock=lambda: self._now)

    async def store(self) -> EventStore:
        return self._store

    async def leases(self) -> Leases:
        return MemoryLeases(self._store)

    async def pass_time(self, duration: timedelta) -> None:
        self._now += duration

    async def close(self) -> None:
        await self._store.close()


class PostgresKit:
    """A log in a database of its own. Time passes by moving what is stored into the past."""

    def __init__(self, dsn: str, partitions: int = PARTITIONS) -> None:
        self.dsn = dsn
        self.partitions = partitions
        self._opened: list[PostgresStore | PostgresLeases] = []

    async def store(self) -> EventStore:
        store = PostgresStore(self.dsn, pool_size=3)
        self._opened.append(store)
        await store.open()
        return store

    async def leases(self) -> Leases:
        leases = PostgresLeases(self.dsn)
        self._opened.append(leases)
        await leases.open()
        return leases

    async def empty(self) -> None:
        """Make the log empty, as its owner can and the store can't."""
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(_EMPTY)
        finally:
            await connection.close()

    async def pass_time(self, duration: timedelta) -> None:
        for statement in (
            "UPDATE perdure.partitions SET expires_at = expires_at - $1::interval",
            "UPDATE perdure.nodes SET expires_at = expires_at - $1::interval",
            "UPDATE perdure.inbox SET recorded_at = recorded_at - $1::interval",
            "UPDATE perdure.attempts SET counted_at = counted_at - $1::interval",
        ):
            await self.execute(statement, duration)

    async def execute(self, statement: str, *args: object) -> list[asyncpg.Record]:
        """Run a statement as somebody else with the database's password could."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(statement, *args)
        finally:
            await connection.close()

    async def close(self) -> None:
        for opened in self._opened:
            await opened.close()
