"""How far a reader has come: durable, moved with what the reader writes, and by one process at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from importlib.resources import files
from typing import TypeAlias

import asyncpg
from asyncpg import exceptions as pg
from asyncpg.transaction import Transaction
from msgspec import Struct

from eventstore.errors import StoreUnavailable
from eventstore.postgres.migration import migrate, schema_state
from eventstore.postgres.translation import translated
from runtime.errors import PerdureError
from runtime.readers import checkpoint_statements as sql

COMPONENT = "readers"
MIGRATIONS = files("runtime.readers") / "migrations"
_CONNECT_TIMEOUT = 10.0  # seconds
_CLOSE_TIMEOUT = 5.0  # seconds

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Superseded(PerdureError):
    """The checkpoint is not where we left it: another process goes on with it, or it was set back to the beginning."""


class TransactionSpoilt(PerdureError):
    """A projection ended its transaction, or went on after an error of the database: its writes can't be kept."""


class Checkpoint(Struct, frozen=True):
    """One line of the list of checkpoints."""

    reader: str
    partition: int
    position: int
    moved_at: datetime
    owner: str | None
    trouble: str | None


async def migrate_checkpoints(dsn: str) -> list[str]:
    """Create or upgrade the table of checkpoints; gives the names of the migrations applied now. Raises `StoreError`."""
    connection = await _connect(dsn, {})
    with translated(dsn):
        try:
            return await migrate(connection, component=COMPONENT, folder=MIGRATIONS)
        finally:
            await connection.close(timeout=_CLOSE_TIMEOUT)


async def open_connection(dsn: str, **settings: str) -> Connection:
    """Connect to a database that has checkpoints.

    Raises:
        SchemaMismatch: it has none, or those of another version.
        StoreUnavailable: it can't be reached.
    """
    connection = await _connect(dsn, settings)
    try:
        with translated(dsn):
            mismatch = await schema_state(connection, component=COMPONENT, folder=MIGRATIONS)
        if mismatch is not None:
            raise mismatch
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _connect(dsn: str, settings: dict[str, str]) -> Connection:
    given = {"application_name": "perdure reader", "timezone": "UTC"} | settings
    with translated(dsn):
        return await asyncpg.connect(dsn, timeout=_CONNECT_TIMEOUT, server_settings=given)


class Checkpoints:
    """One reader's checkpoints, over one connection.

    After an error that is not the caller's own the connection is gone, and the next `claim` opens another one.

    Args:
        dsn: the database that the reader writes to.
        reader: its name.
        owner: this process's own name; no other process has it.
        ttl: seconds for which a claim holds; by the database's clock.
    """

    def __init__(self, dsn: str, reader: str, owner: str, *, ttl: float) -> None:
        self._dsn, self._reader, self._owner = dsn, reader, owner
        self._ttl = timedelta(seconds=ttl)
        self._connection: Connection | None = None

    async def connection(self) -> Connection:
        """Give the connection, opened if need be; raises `StoreUnavailable`, `SchemaMismatch`."""
        if self._connection is None or self._connection.is_closed():
            # A process that is stopped in the middle of a batch must not keep the checkpoint locked.
            idle = f"{max(1, int(self._ttl.total_seconds()))}s"
            self._connection = await open_connection(self._dsn, idle_in_transaction_session_timeout=idle)
        return self._connection

    async def claim(self, partitions: Sequence[int]) -> dict[int, int]:
        """Take or keep what is free of these partitions; gives the position of each that is ours now."""
        connection = await self.connection()
        with self._checked(connection):
            await connection.execute(sql.ADD, self._reader, list(partitions))
            rows = await connection.fetch(sql.CLAIM, self._reader, list(partitions), self._owner, self._ttl)
        return {row["partition"]: row["position"] for row in rows}

    async def begin(self, positions: Sequence[int]) -> None:
        """Begin at these positions, by partition, where there is no checkpoint yet."""
        connection = await self.connection()
        with self._checked(connection):
            await connection.execute(sql.ADD_AT, self._reader, list(range(len(positions))), list(positions))

    async def move(self, partition: int, before: int, after: int) -> None:
        """Say that a partition is done up to an offset. Raises `Superseded`, `StoreUnavailable`."""
        connection = await self.connection()
        with self._checked(connection):
            await self._move(connection, partition, before, after)

    @asynccontextmanager
    async def moving(self, partition: int, before: int, after: int) -> AsyncIterator[Connection]:
        """Do something in the transaction that moves a checkpoint: both become true, or neither.

        Raises:
            Superseded: nothing was done.
            StoreUnavailable: it is not known whether both were done, or nothing.
            TransactionSpoilt: the block ended the transaction, or let an error of the database pass; nothing was done.
        """
        connection = await self.connection()
        transaction = connection.transaction()
        with self._checked(connection):
            await transaction.start()
            held = await connection.fetchval(sql.LOCK, self._reader, partition, self._owner, before)
        try:
            if held is None:
                raise Superseded(self._not_ours(partition, before))
            yield connection
            if not connection.is_in_transaction():
                raise TransactionSpoilt(
                    "it ended the transaction that its connection was in: leave COMMIT and ROLLBACK to Perdure, and use "
                    "`async with db.transaction()` for a part that may fail"
                )
            with self._checked(connection):
                try:
                    await self._move(connection, partition, before, after)
                except pg.InFailedSQLTransactionError:
                    raise TransactionSpoilt(
                        "it caught an error of the database and went on, but the transaction was void by then: "
                        "use `async with db.transaction()` for a part that may fail"
                    ) from None
                await transaction.commit()
        except Exception:
            await self._roll_back(connection, transaction)
            raise
        except BaseException:
            connection.terminate()  # cancelled: whatever it was doing ends with it
            raise

    async def trouble(self, partitions: Sequence[int], text: str) -> None:
        """Say why these partitions do not go on."""
        connection = await self.connection()
        with self._checked(connection):
            await connection.execute(sql.TROUBLE, self._reader, list(partitions), self._owner, text.replace("\x00", ""))

    async def close(self) -> None:
        """Give back what is ours, if the database can be reached, and release the connection."""
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await connection.execute(sql.RELEASE, self._reader, self._owner)
                await connection.close()
        except (OSError, pg.PostgresError, pg.InterfaceError, pg.InternalClientError):
            connection.terminate()  # the claim runs out by itself

    async def _move(self, connection: Connection, partition: int, before: int, after: int) -> None:
        if await connection.fetchval(sql.MOVE, self._reader, partition, self._owner, before, after, self._ttl) is None:
            raise Superseded(self._not_ours(partition, before))

    async def _roll_back(self, connection: Connection, transaction: Transaction) -> None:
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await transaction.rollback()
        except (OSError, pg.PostgresError, pg.InterfaceError, pg.InternalClientError):
            connection.terminate()

    @contextmanager
    def _checked(self, connection: Connection) -> Iterator[None]:
        """Translate what the database raises, and end a connection of which nobody knows what it did."""
        try:
            with translated(self._dsn):
                yield
        except StoreUnavailable:
            connection.terminate()
            raise

    def _not_ours(self, partition: int, before: int) -> str:
        return f"{self._reader}: the checkpoint of partition {partition} is not ours at {before} any more"


async def list_checkpoints(dsn: str) -> list[Checkpoint]:
    """Give every reader's checkpoints, by name and partition. Raises `StoreUnavailable`, `SchemaMismatch`."""
    connection = await open_connection(dsn)
    try:
        with translated(dsn):
            return [Checkpoint(*row) for row in await connection.fetch(sql.LIST)]
    finally:
        await connection.close(timeout=_CLOSE_TIMEOUT)
