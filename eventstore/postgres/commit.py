"""The writer: one connection, one statement a batch, and a careful path for a batch that holds a bad commit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import asyncpg
from asyncpg import exceptions as pg
from asyncpg.prepared_stmt import PreparedStatement

from eventstore.decision import decide
from eventstore.errors import CommitRefused, StoreUnavailable
from eventstore.postgres.commit_statement import COMMIT, COMMIT_LEAVING, HANDLED, LOCK_HEADS, REFUSED, VERSIONS
from eventstore.postgres.connection import connect
from eventstore.postgres.netting import Netted, net
from eventstore.postgres.packing import pack
from eventstore.postgres.translation import RETRYABLE, translate
from eventstore.records import Commit

_TRIES = 6
_BACKOFF = 0.01  # seconds, doubled by each try
_CLOSE_TIMEOUT = 5.0  # seconds
_USUAL = 17  # parameters of `COMMIT`

Answers = list[CommitRefused | None]
T = TypeVar("T")


class CommitWriter:
    """Writes batches one after the other on a connection of its own, which it opens again after a failure.

    A batch runs in a task of the writer's: a caller that is cancelled does not cut a statement in half, it only
    does not learn the outcome. `close` waits for batches in flight.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._statement: PreparedStatement[asyncpg.Record] | None = None
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[Answers]] = set()
        self._closed = False

    async def open(self) -> None:
        """Connect and prepare the statement."""
        self._closed = False
        async with self._turn:
            try:
                await self._connected()
            except (OSError, pg.PostgresError, pg.InterfaceError, pg.InternalClientError) as error:
                await self._drop()
                raise translate(error, self._dsn) from error

    async def close(self) -> None:
        """Let batches in flight end, for a bounded time, and close the connection."""
        self._closed = True
        if self._running:
            _, late = await asyncio.wait(set(self._running), timeout=_CLOSE_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        async with self._turn:
            await self._drop()

    async def write(self, batch: Sequence[Commit]) -> Answers:
        """Write a valid batch; see `EventStore.commit`."""
        if self._closed:
            raise StoreUnavailable("the store is closed; nothing was written")
        task = asyncio.create_task(self._write(list(batch)), name="perdure-commit")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Answers]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone: nobody else looks

    async def _write(self, batch: list[Commit]) -> Answers:
        async with self._turn:
            try:
                if await self._retried(lambda: self._at_once(batch)):
                    return [None] * len(batch)
                return await self._retried(lambda: self._carefully(batch))
            except (OSError, OverflowError, pg.PostgresError, pg.InterfaceError, pg.InternalClientError) as error:
                translated = translate(error, self._dsn)
                if not isinstance(error, pg.PostgresError) or isinstance(translated, StoreUnavailable):
                    await self._drop()
                raise translated from error
            except asyncio.CancelledError:
                await self._drop()
                raise

    async def _retried(self, step: Callable[[], Awaitable[T]]) -> T:
        """Run one transaction again when the database rolled it back for no fault of its own.

        Only ever around one transaction: what an earlier one of the same batch wrote must not be written twice.
        """
        for attempt in range(_TRIES - 1):
            try:
                return await step()
            except RETRYABLE:
                await asyncio.sleep(random.uniform(0, _BACKOFF * 2**attempt))  # noqa: S311 - jitter
        return await step()

    async def _at_once(self, batch: list[Commit]) -> bool:
        """Try the one statement; False when it refused the batch, and all of it was rolled back."""
        netted = net(batch)
        if netted is None:
            return False
        await self._connected()
        try:
            await self._send(netted)
        except pg.UniqueViolationError:  # a command id has its mark already, or a stream its next version
            return False
        except pg.PostgresError as error:
            if error.sqlstate == REFUSED:
                return False
            raise
        return True

    async def _carefully(self, batch: list[Commit]) -> Answers:
        """Lock the heads, look, decide commit by commit, and write those that are right.

        The look comes after the lock in statements of its own, so it sees all that was written under the lock
        before; nobody else writes to these partitions until the end.
        """
        await self._connected()
        connection = self._connection
        assert connection is not None  # noqa: S101 - it is connected
        async with connection.transaction():
            heads = await connection.fetch(LOCK_HEADS, sorted({c.partition for c in batch}))
            streams = sorted({c.stream for c in batch if c.stream})
            marks = [(c.stream, mark.command_id) for c in batch for mark in c.inbox]
            versions = await connection.fetch(VERSIONS, streams)
            handled = await connection.fetch(HANDLED, [stream for stream, _ in marks], [id for _, id in marks])
            answers = decide(
                batch,
                epochs={row["partition"]: row["epoch"] for row in heads},
                versions={row["stream"]: row["version"] for row in versions},
                handled={(row["stream"], row["command_id"]) for row in handled},
            )
            right = [commit for commit, refusal in zip(batch, answers, strict=True) if refusal is None]
            if right and (netted := net(right)) is not None:
                await self._send(netted)
        return answers

    async def _send(self, netted: Netted) -> None:
        parameters = pack(netted)
        assert self._connection is not None  # noqa: S101 - it is connected
        assert self._statement is not None  # noqa: S101
        if len(parameters) == _USUAL:
            await self._statement.fetch(*parameters)
        else:
            await self._connection.fetch(COMMIT_LEAVING, *parameters)

    async def _connected(self) -> None:
        if self._connection is None or self._connection.is_closed() or self._statement is None:
            await self._drop()
            self._connection = await connect(self._dsn)
            self._statement = await self._connection.prepare(COMMIT)
            # The driver ends a prepare without a sync, and until one comes the backend stays in a transaction
            # that holds the tables' locks: a later migration would wait for it for ever.
            await self._connection.execute("SELECT 1")

    async def _drop(self) -> None:
        """Forget the connection. After any doubt it is ended, not tidied: what it was doing is unknown anyhow."""
        connection, self._connection, self._statement = self._connection, None, None
        if connection is not None and not connection.is_closed():
            connection.terminate()
