"""The event store in Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from eventstore.errors import CommitRefused, StoreUnavailable
from eventstore.postgres import read_statements as sql
from eventstore.postgres.commit import CommitWriter
from eventstore.postgres.connection import create_pool
from eventstore.postgres.doorbell import Doorbell, PostgresWatch
from eventstore.postgres.loading import Loading, verified
from eventstore.postgres.schema import check_store
from eventstore.postgres.translation import translated
from eventstore.records import (
    Attributes,
    Commit,
    Condition,
    Direction,
    Execution,
    InboxMark,
    ListedExecution,
    LoadedStream,
    LoadRequest,
    OutboxMessage,
    Quarantined,
    RecordedEvent,
    Selection,
    Snapshot,
    TimerKey,
)
from eventstore.validation import INT_MAX, validate

_FAR_FUTURE = datetime(9999, 12, 31, tzinfo=UTC)
_AFTER_ALL_TEXT = "\U0010ffff"
_PRUNED_AT_ONCE = 10_000
_CLOSE_TIMEOUT = 5.0  # seconds


class PostgresStore:
    """An `EventStore` in Postgres: a pool for reads, and one connection for commits.

    Args:
        dsn: connection URL of a migrated database (`migrate_store`).
        pool_size: how many reads may run at once.
    """

    def __init__(self, dsn: str, *, pool_size: int = 4) -> None:
        self._dsn = dsn
        self._pool_size = pool_size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._writer = CommitWriter(dsn)
        self._doorbell = Doorbell(dsn)
        self._partitions = 0

    @property
    def partitions(self) -> int:
        """How many partitions the store was created with; 0 before it is open."""
        return self._partitions

    async def open(self) -> None:
        """Connect and check the schema; see `EventStore.open`. Does nothing when it is open."""
        if self._pool is not None:
            return
        with translated(self._dsn):
            self._pool = await create_pool(self._dsn, self._pool_size)
            try:
                async with self._pool.acquire() as connection:
                    self._partitions = await check_store(connection)
                await self._writer.open()
                self._doorbell.open()
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Let commits in flight end, for a bounded time, and release every connection."""
        await self._writer.close()
        await self._doorbell.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    # -- writing ----------------------------------------------------------------------------------------

    async def commit(self, batch: Sequence[Commit]) -> list[CommitRefused | None]:
        """Write a batch; see `EventStore.commit`. Cancelling it does not stop a statement that is on its way."""
        self._opened()
        validate(batch, self._partitions)
        if not batch:
            return []
        return await self._writer.write(batch)

    async def count_attempt(self, partition: int, message: str) -> int:
        """Count an attempt at a suspect message; see `EventStore.count_attempt`."""
        rows = await self._fetch(sql.COUNT_ATTEMPT, partition, message)
        count: int = rows[0]["count"]
        return count

    async def forget_attempts(self, partition: int, messages: Sequence[str]) -> None:
        """Drop counts; see `EventStore.forget_attempts`."""
        await self._fetch(sql.FORGET_ATTEMPTS, partition, list(messages))

    async def forget_quarantined(self, ids: Sequence[str]) -> int:
        """Delete quarantined messages; see `EventStore.forget_quarantined`."""
        return len(await self._fetch(sql.FORGET_QUARANTINED, list(ids)))

    async def delete_snapshots(self, stream: str, *, upto: int | None = None) -> None:
        """Delete snapshots; see `EventStore.delete_snapshots`."""
        await self._fetch(sql.DELETE_SNAPSHOTS, stream, _bound(upto))

    async def prune_inbox(self, older_than: timedelta) -> int:
        """Delete old inbox marks, in portions; see `EventStore.prune_inbox`."""
        await self._fetch(sql.PRUNE_ATTEMPTS, older_than)
        pruned = 0
        while True:
            with translated(self._dsn):
                tag = await self._opened().execute(sql.PRUNE_INBOX, older_than, _PRUNED_AT_ONCE)
            portion = int(tag.split()[-1])
            pruned += portion
            if portion < _PRUNED_AT_ONCE:
                return pruned

    # -- reading ----------------------------------------------------------------------------------------

    async def load(self, requests: Sequence[LoadRequest]) -> list[LoadedStream]:
        """Read what activations need; see `EventStore.load`.

        One round trip, and another one for streams whose newest snapshot turned out to be damaged.
        """
        loading = Loading(requests)
        while loading.pending:
            loading.take(await self._fetch(sql.LOAD, *loading.arguments()))
        return loading.loaded

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int | None = None,
        direction: Direction = Direction.FORWARDS,
    ) -> list[RecordedEvent]:
        """Read events of a stream; see `EventStore.read_stream`."""
        statement = sql.STREAM_FORWARDS if direction is Direction.FORWARDS else sql.STREAM_BACKWARDS
        count = None if limit is None else max(limit, 0)
        rows = await self._fetch(statement, stream, _bound(after), _bound(upto), count)
        return [RecordedEvent(*row) for row in rows]

    async def read_partition(self, partition: int, *, after: int = 0, limit: int = 1000) -> list[RecordedEvent]:
        """Read events of a partition; see `EventStore.read_partition`."""
        rows = await self._fetch(sql.PARTITION, partition, after, max(limit, 0))
        return [RecordedEvent(*row) for row in rows]

    async def read_selected(
        self, partition: int, selection: Selection, *, after: int, upto: int, limit: int
    ) -> list[RecordedEvent]:
        """Read chosen events of a partition; see `EventStore.read_selected`."""
        chosen = (list(part) or None for part in (selection.types, selection.events, selection.streams))
        rows = await self._fetch(sql.SELECTED, partition, after, upto, max(limit, 0), *chosen)
        return [RecordedEvent(*row) for row in rows]

    async def heads(self) -> list[int]:
        """Give every partition's newest offset; see `EventStore.heads`."""
        return [row["head"] for row in await self._fetch(sql.HEADS)]

    def watch(self) -> PostgresWatch:
        """Give a new watch; see `EventStore.watch`. All of a store's watches share one connection."""
        return self._doorbell.watch()

    async def stream_version(self, stream: str) -> int:
        """Give a stream's newest version; see `EventStore.stream_version`."""
        rows = await self._fetch(sql.STREAM_VERSION, stream)
        return rows[0]["version"] if rows else 0

    async def partition_offset(self, partition: int) -> int:
        """Give a partition's newest offset; see `EventStore.partition_offset`."""
        rows = await self._fetch(sql.PARTITION_OFFSET, partition)
        return rows[0]["head"] if rows else 0

    async def replies(self, commands: Sequence[tuple[str, str]]) -> dict[tuple[str, str], InboxMark]:
        """Look up handled commands; see `EventStore.replies`."""
        rows = await self._fetch(sql.REPLIES, [stream for stream, _ in commands], [id for _, id in commands])
        return {(stream, id): InboxMark(id, digest, reply) for stream, id, digest, reply in rows}

    async def snapshot(self, stream: str, *, upto: int | None = None) -> Snapshot | None:
        """Give a stream's newest good snapshot; see `EventStore.snapshot`. A damaged one is passed over."""
        bound = _bound(upto)
        while rows := await self._fetch(sql.SNAPSHOT, stream, bound):
            version, data, schema, code, checksum = rows[0]
            if (snapshot := verified(stream, Snapshot(version, data, schema, code), checksum)) is not None:
                return snapshot
            bound = version - 1
        return None

    async def timers(self, partition: int, *, until: datetime, limit: int) -> list[TimerKey]:
        """Give timers due; see `EventStore.timers`."""
        return [TimerKey(*row) for row in await self._fetch(sql.TIMERS, partition, until, max(limit, 0))]

    async def outbox_named(self, partition: int, prefix: str, *, limit: int) -> list[OutboxMessage]:
        """Give messages by the beginning of their ids; see `EventStore.outbox_named`."""
        below = prefix[:-1] + chr(ord(prefix[-1]) + 1)  # ids are compared by their bytes
        rows = await self._fetch(sql.OUTBOX_NAMED, partition, prefix, below, max(limit, 0))
        return [OutboxMessage(*row) for row in rows]

    async def outbox_holds(self, partition: int, ids: Sequence[str]) -> set[str]:
        """Say which messages are there; see `EventStore.outbox_holds`."""
        return {row[0] for row in await self._fetch(sql.OUTBOX_HOLDS, partition, list(ids))}

    async def outbox(self, partition: int, *, until: datetime, limit: int) -> list[OutboxMessage]:
        """Give messages to publish; see `EventStore.outbox`."""
        return [OutboxMessage(*row) for row in await self._fetch(sql.OUTBOX, partition, until, max(limit, 0))]

    async def unfinished(self, partition: int) -> list[ListedExecution]:
        """Give what a new owner must activate; see `EventStore.unfinished`."""
        listed = [_listed(row) for row in await self._fetch(sql.UNFINISHED, partition)]
        return sorted(listed, key=lambda each: each.stream)

    async def executions(
        self,
        *,
        type: str | None = None,
        status: str | None = None,
        where: Sequence[Condition] = (),
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[ListedExecution]:
        """List executions; see `EventStore.executions`."""
        # "0" is the character after "/": the streams of a type are those from "type/" up to "type0".
        lowest, below = ("", _AFTER_ALL_TEXT) if type is None else (f"{type}/", f"{type}0")
        started_at, stream = before or (_FAR_FUTURE, "")
        bounds = (status, lowest, below, started_at, stream, max(limit, 0))
        if not where:
            return [_listed(row) for row in await self._fetch(sql.EXECUTIONS, *bounds)]
        values = [text for each in where for text in (each.name, msgspec.json.encode(each.value).decode())]
        rows = await self._fetch(sql.executions_where([each.operator for each in where]), *bounds, *values)
        return [_listed(row) for row in rows]

    async def expired(self, partition: int, type: str, *, closed_before: datetime, limit: int) -> list[str]:
        """Give streams of a type that ended before a time; see `EventStore.expired`."""
        rows = await self._fetch(sql.EXPIRED, partition, f"{type}/", f"{type}0", closed_before, max(limit, 0))
        return [row["stream"] for row in rows]

    async def execution(self, stream: str) -> Execution | None:
        """Give one row of the listing; see `EventStore.execution`."""
        rows = await self._fetch(sql.EXECUTION, stream)
        return _listed(rows[0]).execution if rows else None

    async def count_executions(self) -> dict[tuple[str, str], int]:
        """Count executions by (type, status); see `EventStore.count_executions`."""
        return {(type, status): count for type, status, count in await self._fetch(sql.COUNT_EXECUTIONS)}

    async def quarantined(self, *, limit: int = 100) -> list[Quarantined]:
        """List quarantined messages; see `EventStore.quarantined`."""
        return [Quarantined(*row) for row in await self._fetch(sql.QUARANTINED, max(limit, 0))]

    # -- connections ------------------------------------------------------------------------------------

    def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._pool is None:
            raise StoreUnavailable("the store is not open; await open() first")
        return self._pool

    async def _fetch(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        pool = self._opened()
        with translated(self._dsn):
            return await pool.fetch(statement, *args)


def _bound(version: int | None) -> int:
    """Keep a caller's bound within the column's type; versions end there anyhow."""
    return INT_MAX if version is None else min(max(version, -1), INT_MAX)


def _listed(row: asyncpg.Record) -> ListedExecution:
    stream, partition, *rest, attributes = row
    execution = Execution(*rest)
    execution.attributes = None if attributes is None else _decode_attributes(attributes)
    return ListedExecution(stream, partition, execution)


_decode_attributes = msgspec.json.Decoder(Attributes).decode
