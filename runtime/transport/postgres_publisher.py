"""Publishing into Postgres: whatever waits while a statement is in flight goes out together with the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from runtime.transport.backoff import keep_trying
from runtime.transport.port import (
    Destination,
    Message,
    PublishUnknown,
    TransportError,
    TransportUnavailable,
    Unroutable,
)
from runtime.transport.postgres_connection import CONNECTION_LOST, reason, refused
from runtime.transport.postgres_reply import as_notification
from runtime.transport.postgres_sql import POST_REPLIES, PUBLISH
from runtime.transport.queues import queue_name

_STATEMENT_MESSAGES = 1_000
_STATEMENT_BYTES = 4_000_000
_POSTED_AT_MOST = 50_000  # replies wait in memory, and without promise, while the server is away
_FLUSH_SECONDS = 5.0


class _Batch:
    """The messages of one call. A posted batch has nobody who waits."""

    __slots__ = ("answer", "messages", "size")

    def __init__(self, messages: Sequence[Message], answer: asyncio.Future[None] | None) -> None:
        self.messages = messages
        self.answer = answer
        self.size = sum(len(message.body) for message in messages)

    def settle(self, error: TransportError | None = None) -> None:
        if self.answer is None or self.answer.done():
            return
        if error is None:
            self.answer.set_result(None)
        else:
            self.answer.set_exception(error)


class PostgresPublisher:
    """One connection and one task that writes batches in the order in which they were given."""

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], *, patience: float, timeout: float
    ) -> None:
        self._connect = connect
        self._patience = patience
        self._timeout = timeout
        self._connection: asyncpg.Connection | None = None
        self._waiting: deque[_Batch] = deque()
        self._posted = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def open(self) -> None:
        """Connect once, without patience, and start the writer; raises `TransportUnavailable`."""
        if self._task is None:
            self._connection = await self._connect()
            self._closing = False
            self._task = asyncio.create_task(self._run(), name="postgres transport publisher")

    async def close(self) -> None:
        """Write what waits, within a few seconds, and end; idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        self._closing = True
        self._wake.set()
        _, late = await asyncio.wait([task], timeout=_FLUSH_SECONDS)
        if late:
            task.cancel()
            await asyncio.wait([task])
        for batch in self._waiting:
            batch.settle(TransportUnavailable("the transport was closed; nothing was sent"))
        self._waiting.clear()
        self._drop_connection()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Write a batch and wait for its commit; raises as the port says."""
        if self._task is None or self._closing:
            raise TransportUnavailable("the transport is not open")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Batch(messages, answer))
        self._wake.set()
        await answer

    def post(self, messages: Sequence[Message]) -> None:
        """Hand messages to the writer; beyond a bound, and when it is not open, they are dropped."""
        if self._task is not None and not self._closing and self._posted < _POSTED_AT_MOST:
            self._posted += len(messages)
            self._waiting.append(_Batch(messages, None))
            self._wake.set()

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            batches = self._take()
            try:
                await self._send(batches)
            except asyncio.CancelledError:
                _settle(batches, PublishUnknown("the transport was closed before the commit was confirmed"))
                raise

    def _take(self) -> list[_Batch]:
        """Take what one statement may hold, at least one batch; a batch whose caller is gone is never sent."""
        taken: list[_Batch] = []
        count = size = 0
        while self._waiting:
            batch = self._waiting[0]
            count, size = count + len(batch.messages), size + batch.size
            if taken and (count > _STATEMENT_MESSAGES or size > _STATEMENT_BYTES):
                break
            self._waiting.popleft()
            if batch.answer is None:
                self._posted -= len(batch.messages)
            elif batch.answer.done():
                continue
            taken.append(batch)
        return taken

    async def _send(self, batches: list[_Batch]) -> None:
        if not batches:
            return
        try:
            connection = await self._connected()
        except TransportUnavailable as error:
            _settle(batches, error)
            return
        try:
            unroutable = await self._written(connection, batches)
        except (asyncpg.DataError, UnicodeError) as error:
            await self._send_each(batches, refused(error))
        except CONNECTION_LOST as error:
            # Any doubt ends the connection: its next answer could belong to this statement.
            self._drop_connection()
            _settle(batches, PublishUnknown(f"no confirm: {reason(error)}; publish again with the same ids"))
        except asyncpg.PostgresError as error:
            await self._send_each(batches, refused(error))
        else:
            _settle_routed(batches, unroutable)

    async def _send_each(self, batches: list[_Batch], error: TransportError) -> None:
        """One message that the server refuses must not take the batches of other callers with it."""
        if len(batches) == 1:
            _settle(batches, error)
            return
        for batch in batches:
            await self._send([batch])

    async def _written(self, connection: asyncpg.Connection, batches: list[_Batch]) -> list[Message]:
        """Write the messages, and give those that no queue takes."""
        posted = [message for batch in batches if batch.answer is None for message in batch.messages]
        rows = [message for batch in batches if batch.answer is not None for message in batch.messages]
        if posted:
            rows += await self._notify(connection, posted)
        if not rows:
            return []
        return [rows[place] for place in await self._insert(connection, rows)]

    async def _notify(self, connection: asyncpg.Connection, posted: list[Message]) -> list[Message]:
        """Send what can be a notification; gives the others, which need a row."""
        payloads = [as_notification(message) for message in posted]
        notes = [(m.key, payload) for m, payload in zip(posted, payloads, strict=True) if payload is not None]
        if notes:
            await connection.fetchval(
                POST_REPLIES, [queue for queue, _ in notes], [payload for _, payload in notes], timeout=self._timeout
            )
        return [m for m, payload in zip(posted, payloads, strict=True) if payload is None]

    async def _insert(self, connection: asyncpg.Connection, messages: list[Message]) -> list[int]:
        row = await connection.fetchrow(
            PUBLISH,
            [queue_name(m.destination, m.key) for m in messages],
            [m.key for m in messages],
            [m.body for m in messages],
            [m.reply_to for m in messages],
            [m.correlation_id for m in messages],
            timeout=self._timeout,
        )
        return list(row["unroutable"]) if row else []

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await keep_trying(self._connect, patience=self._patience)
        return self._connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _settle(batches: list[_Batch], error: TransportError | None) -> None:
    for batch in batches:
        batch.settle(error)


def _settle_routed(batches: list[_Batch], unroutable: list[Message]) -> None:
    """Tell each caller which of its own messages found no queue. A reply that nobody awaits any more is no error."""
    found_none = {id(message) for message in unroutable if message.destination is not Destination.REPLIES}
    for batch in batches:
        lost = [message for message in batch.messages if id(message) in found_none] if found_none else []
        batch.settle(Unroutable(lost) if lost else None)
