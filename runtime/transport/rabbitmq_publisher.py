"""Publishing to RabbitMQ: one connection with two channels, replaced whole when it is lost or in doubt."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aio_pika

from runtime.transport.backoff import keep_trying
from runtime.transport.port import Message, PublishUnknown, TransportError, TransportUnavailable, Unroutable
from runtime.transport.rabbitmq_channel import Batch, PublishChannel, open_channel
from runtime.transport.rabbitmq_connection import BROKER_LOST, channels_of, reason, unavailable

_POSTED_AT_MOST = 50_000  # replies wait in memory, and without promise, while the broker is away
_POSTED_AT_ONCE = 500
_FLUSH_SECONDS = 5.0


class _Epoch:
    """A connection and its channels: one with confirms, one without for posted messages."""

    def __init__(
        self, connection: aio_pika.abc.AbstractConnection, confirmed: PublishChannel, posting: PublishChannel
    ) -> None:
        self.connection = connection
        self.confirmed = confirmed
        self.posting = posting
        self.lost = False
        # Kept: each is an observer of its channel's end. A writer that ends takes the epoch with it.
        self._endings: list[asyncio.Future[Any]] = [
            confirmed.closing,
            posting.closing,
            confirmed.writer,
            posting.writer,
        ]
        for ending in self._endings:
            ending.add_done_callback(self._ended)

    def _ended(self, ending: asyncio.Future[Any]) -> None:
        self.lose(reason(None if ending.cancelled() else ending.exception()))

    def lose(self, why: str) -> None:
        """Take no more messages; what waits for confirms stays unknown."""
        self.lost = True
        self.confirmed.lose(why)
        self.posting.lose(why)


class RabbitMQPublisher:
    """Publishes batches with confirms, and posts without."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[aio_pika.abc.AbstractConnection]],
        *,
        patience: float,
        confirm_timeout: float,
    ) -> None:
        self._connect = connect
        self._patience = patience
        self._confirm_timeout = confirm_timeout
        self._epoch: _Epoch | None = None
        self._connecting = asyncio.Lock()
        self._posted: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._dying: set[asyncio.Task[None]] = set()
        self._closing = False

    async def open(self) -> None:
        """Connect once, without patience; raises `TransportUnavailable`."""
        if self._writer is None:
            self._epoch = await self._connected()
            self._closing = False
            self._writer = asyncio.create_task(self._write_posted(), name="rabbitmq transport post")

    async def close(self) -> None:
        """Write what is posted, within a few seconds, and end; idempotent."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        self._closing = True
        self._wake.set()
        if (await asyncio.wait([writer], timeout=_FLUSH_SECONDS))[1]:
            writer.cancel()
            await asyncio.wait([writer])
        self._posted.clear()
        epoch, self._epoch = self._epoch, None
        if epoch is not None:
            self._bury(epoch, "the transport was closed")
        if self._dying:
            await asyncio.wait(self._dying)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish a batch and wait for all of its confirms; raises as the port says.

        A cancelled call leaves its messages unknown and the channel as it is: its confirms are told from all
        others by their sequence numbers. A call that got no answer in time takes the connection with it.
        """
        if self._closing or self._writer is None:
            raise TransportUnavailable("the transport is not open")
        epoch = await self._living()
        batch = Batch(messages)
        try:
            async with asyncio.timeout(self._confirm_timeout):
                epoch.confirmed.submit(batch)
                await batch.done
        except TimeoutError as error:
            self._bury(epoch, f"RabbitMQ did not confirm within {self._confirm_timeout:g} s")
            raise PublishUnknown(
                f"no confirm within {self._confirm_timeout:g} s; publish again with the same ids"
            ) from error
        if batch.refused:
            raise PublishUnknown(f"RabbitMQ refused {batch.refused} of {len(messages)} messages; publish them again")
        if batch.unroutable:
            raise Unroutable(batch.unroutable)

    def post(self, messages: Sequence[Message]) -> None:
        """Hand messages to the writer; beyond a bound, and when it is not open, they are dropped."""
        if self._writer is not None and not self._closing and len(self._posted) < _POSTED_AT_MOST:
            self._posted.extend(messages)
            self._wake.set()

    async def _write_posted(self) -> None:
        while self._posted or not self._closing:
            if not self._posted:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = Batch([self._posted.popleft() for _ in range(min(len(self._posted), _POSTED_AT_ONCE))])
            try:
                epoch = await self._living()
            except TransportUnavailable:
                continue  # dropped: whoever waits for a reply asks again
            try:
                epoch.posting.submit(batch)
                await batch.done
            except PublishUnknown:
                self._bury(epoch, "a write failed")
            except TransportError:
                continue  # a key that AMQP can't carry

    async def _living(self) -> _Epoch:
        """Give the epoch that lives, or connect again within a bounded time."""
        epoch = self._epoch
        if epoch is not None and not epoch.lost:
            return epoch
        async with self._connecting:
            if self._epoch is None or self._epoch.lost:
                if self._epoch is not None:
                    self._bury(self._epoch, "the connection was lost")
                self._epoch = await keep_trying(self._connected, patience=self._patience)
            return self._epoch

    async def _connected(self) -> _Epoch:
        connection = await self._connect()
        try:
            with unavailable("RabbitMQ closed the connection"):
                underlay = channels_of(connection)
                confirmed = await open_channel(
                    underlay, lambda number: PublishChannel(underlay, number, confirms=True), timeout=self._patience
                )
                posting = await open_channel(
                    underlay, lambda number: PublishChannel(underlay, number, confirms=False), timeout=self._patience
                )
        except BaseException:
            await connection.close()
            raise
        return _Epoch(connection, confirmed, posting)

    def _bury(self, epoch: _Epoch, why: str) -> None:
        """End an epoch. Closing a dead connection may take long, and nobody has to wait for it."""
        epoch.lose(why)
        if self._epoch is epoch:
            self._epoch = None
        task = asyncio.create_task(_close_quietly(epoch), name="rabbitmq transport closing")
        self._dying.add(task)
        task.add_done_callback(self._dying.discard)


async def _close_quietly(epoch: _Epoch) -> None:
    await asyncio.wait([epoch.confirmed.writer, epoch.posting.writer])  # cancelled by `lose`
    try:
        async with asyncio.timeout(_FLUSH_SECONDS):
            await epoch.connection.close()
    except BROKER_LOST:
        return  # it is gone either way
