"""Leases in Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg
from asyncpg import exceptions as pg

from eventstore.errors import StoreUnavailable
from eventstore.postgres.address import address_of
from eventstore.postgres.connection import connect
from eventstore.postgres.lease_statements import BEAT, CLAIM, LEAVE, RELEASE
from eventstore.postgres.schema import check_store
from eventstore.postgres.translation import translate
from eventstore.records import Lease, Membership

PATIENCE = 5.0  # seconds for one call: less than a lease, so that a beat can still come in time

T = TypeVar("T")


class PostgresLeases:
    """`Leases` on one connection of their own, opened again after a failure.

    Every method is one statement, so a connection that breaks leaves nothing half-done; the caller sees
    `StoreUnavailable` and beats again. What has no answer in time is cancelled by the server; where that answer is
    lost, too, the next beat shows what became of it.

    Args:
        dsn: connection URL of a migrated database.
        patience: seconds for which one call may take, connecting and waiting for a head's lock included.
    """

    def __init__(self, dsn: str, *, patience: float = PATIENCE) -> None:
        self._dsn = dsn
        self._patience = patience
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def open(self) -> None:
        """Connect; see `Leases.open`. Raises `SchemaMismatch` too, as the store does."""
        self._closed = False
        await self._run(check_store)

    async def close(self) -> None:
        """Close the connection; leases stay until they are released or run out."""
        self._closed = True
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.terminate()  # nothing is in flight: there is nobody to say goodbye for

    async def beat(self, node: str, ttl: timedelta) -> Membership:
        """Renew and look around in one statement; see `Leases.beat`."""
        rows = await self._fetch(BEAT, node, ttl)
        return Membership(
            rows[0]["now"],
            sorted(rows[0]["nodes"]),
            [Lease(row["partition"], row["epoch"], row["owner"], row["expires_at"]) for row in rows],
        )

    async def claim(self, node: str, partitions: Sequence[int], ttl: timedelta) -> list[Lease]:
        """Take free partitions; see `Leases.claim`."""
        rows = await self._fetch(CLAIM, node, sorted(set(partitions)), ttl)
        return sorted((Lease(*row) for row in rows), key=lambda lease: lease.partition)

    async def release(self, node: str, leases: Sequence[Lease]) -> None:
        """Give leases back; see `Leases.release`."""
        await self._fetch(RELEASE, node, [lease.partition for lease in leases], [lease.epoch for lease in leases])

    async def leave(self, node: str) -> None:
        """Give back everything; see `Leases.leave`."""
        await self._fetch(LEAVE, node)

    async def _fetch(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        return await self._run(lambda connection: connection.fetch(statement, *args))

    async def _run(self, step: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[T]]) -> T:
        if self._closed:
            raise StoreUnavailable("the leases are closed")
        try:
            async with asyncio.timeout(self._patience), self._turn:
                return await self._step(step)
        except TimeoutError as error:
            raise StoreUnavailable(
                f"{address_of(self._dsn)} did not answer about leases within {self._patience:g} s; beat again"
            ) from error

    async def _step(self, step: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[T]]) -> T:
        try:
            if self._connection is None or self._connection.is_closed():
                # The server gives up before the client does, so that no claim is granted after its asker has gone.
                self._connection = await connect(self._dsn, statement_timeout=f"{int(self._patience * 900)}ms")
            return await step(self._connection)
        except (OSError, OverflowError, pg.PostgresError, pg.InterfaceError, pg.InternalClientError) as error:
            self._forget()
            raise translate(error, self._dsn) from error
        except asyncio.CancelledError:
            self._forget()  # what it was doing is unknown, and the next beat must not wait for it
            raise

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
