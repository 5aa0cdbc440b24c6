"""The transport on RabbitMQ 3.10 and newer: quorum queues, publisher confirms, single active consumers.

```
publish ──> PublishChannel, confirms ─┐
post    ──> PublishChannel ───────────┴─ connection 1 ──> exchanges (rabbitmq_topology)
receive <── DeliveryReader <── one channel a subscription, connection 2 <── queues
```

aio-pika connects; the hot paths go below it: publishing writes frames of our own making (rabbitmq_channel,
rabbitmq_frames), and deliveries are read off the socket before the client sees them (rabbitmq_reader). Under load
several small messages to one queue travel in one AMQP message (rabbitmq_bundle), which nobody above the port sees.
Two connections, because a broker short of memory stops reading from one that publishes, acks included.

A second exclusive subscription to a queue waits until the first is gone: RabbitMQ keeps a single active consumer
for as long as it lives. The process that lost the partition's lease closes its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
from aiormq import Connection
from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity

from runtime.transport.backoff import keep_trying
from runtime.transport.port import Destination, Message, Topology, TransportUnavailable
from runtime.transport.queues import missing_queue, queue_name
from runtime.transport.rabbitmq_bundle import REPLY_PREFIX
from runtime.transport.rabbitmq_channel import open_channel
from runtime.transport.rabbitmq_connection import BROKER_LOST, HEARTBEAT, C, channels_of, connect, unavailable
from runtime.transport.rabbitmq_publisher import RabbitMQPublisher
from runtime.transport.rabbitmq_reader import TappedConnection
from runtime.transport.rabbitmq_subscription import RabbitMQSubscription
from runtime.transport.rabbitmq_topology import check_topology, declare_topology

_CLOSE_SECONDS = 5.0
_MOST_BUNDLES = 128  # of 64 KiB that a partition holds; and what two crashes make suspects of, see `hosting/service.py`
_INBOX_HOLDS = 1_000_000  # replies need no ack, so nothing holds them back


class RabbitMQTransport:
    """Queues on a RabbitMQ broker.

    Args:
        url: `amqp://user:password@host:port/vhost`.
        patience: seconds for which a call tries to connect again before it raises `TransportUnavailable`.
        confirm_timeout: seconds after which a publish without answer is `PublishUnknown`.
        settle: seconds that `declare` waits after it made a queue: one that is younger when its broker is killed
            may never come back, with all it confirmed.
        heartbeat: seconds. A process that is stopped keeps its consumers, and their queues from everybody else, until
            the broker has missed it for two to three of them.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: float = 10.0,
        confirm_timeout: float = 30.0,
        settle: float = 1.0,
        heartbeat: int = HEARTBEAT,
    ) -> None:
        self._url = url
        self._heartbeat = heartbeat
        self._patience = patience
        self._settle = settle
        self._publisher = RabbitMQPublisher(
            lambda: self._connect(aio_pika.Connection, "perdure publish"),
            patience=patience,
            confirm_timeout=confirm_timeout,
        )
        self._consuming: TappedConnection | None = None
        self._consuming_lock = asyncio.Lock()
        self._subscriptions: list[RabbitMQSubscription] = []
        self._open = False

    async def open(self) -> None:
        """Connect; raises `TransportUnavailable` at once, without patience."""
        await self._publisher.open()
        self._open = True

    async def close(self) -> None:
        """Close every subscription and connection; safe to call twice and before `open`."""
        self._open = False
        async with self._consuming_lock:
            subscriptions, self._subscriptions = self._subscriptions, []
            await asyncio.gather(*(subscription.close() for subscription in subscriptions))
            await self._drop_consuming()
        await self._publisher.close()

    async def declare(self, topology: Topology) -> None:
        """Make missing exchanges, queues and bindings, and send a message through each new queue."""
        async with self._brief_connection() as connection:
            if await declare_topology(connection, topology):
                await asyncio.sleep(self._settle)

    async def check(self, topology: Topology) -> list[str]:
        """Name exchanges and queues that are missing or have other properties."""
        async with self._brief_connection() as connection:
            return await check_topology(connection, topology)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish a batch and wait for all of its confirms."""
        if messages:
            await self._publisher.publish(messages)

    def post(self, messages: Sequence[Message]) -> None:
        """Publish on a channel without confirms."""
        self._publisher.post(messages)

    async def subscribe(
        self,
        source: Destination,
        key: str = "",
        *,
        prefetch: int,
        exclusive: bool = False,  # noqa: ARG002  the queue's own arguments make its consumer the single active one
    ) -> RabbitMQSubscription:
        """Consume a queue. COMMANDS queues feed one consumer at a time, the one that came first."""
        name = queue_name(source, key)
        async with self._consuming_lock:
            subscription = RabbitMQSubscription(source, prefetch, self.publish)
            channel = await self._channel(subscription)
            try:
                with unavailable(f"queue {name!r} can't be consumed"):
                    count = min(prefetch, _MOST_BUNDLES) if source is Destination.COMMANDS else prefetch
                    await channel.basic_qos(prefetch_count=count, timeout=self._patience)
                    await self._consume(channel, name)
            except BaseException:  # a cancelled one, too: nobody else knows of it, and it would keep the queue for ever
                await subscription.close()
                raise
            self._remember(subscription)
            return subscription

    async def reply_inbox(self) -> tuple[str, RabbitMQSubscription]:
        """Create an exclusive queue that the broker deletes with this connection. Its name says that we read bundles."""
        address = f"{REPLY_PREFIX}{uuid4().hex}"
        async with self._consuming_lock:
            subscription = RabbitMQSubscription(Destination.REPLIES, _INBOX_HOLDS, self.publish)
            channel = await self._channel(subscription)
            try:
                with unavailable("a reply queue can't be made"):
                    await channel.queue_declare(address, exclusive=True, auto_delete=True, timeout=self._patience)
                    await channel.basic_consume(address, _never_called, no_ack=True, timeout=self._patience)
            except BaseException:
                await subscription.close()
                raise
            self._remember(subscription)
            return address, subscription

    async def _consume(self, channel: Channel, queue: str) -> None:
        try:
            await channel.basic_consume(queue, _never_called, timeout=self._patience)
        except ChannelNotFoundEntity as error:
            raise missing_queue(queue) from error

    def _remember(self, subscription: RabbitMQSubscription) -> None:
        self._subscriptions = [s for s in self._subscriptions if not s.is_lost]
        self._subscriptions.append(subscription)

    async def _channel(self, subscription: RabbitMQSubscription) -> Channel:
        if not self._open:
            raise TransportUnavailable("the transport is not open")
        connection = await self._consuming_connection()
        underlay, reader = channels_of(connection), connection.reader
        with unavailable("no channel to subscribe with"):
            channel = await open_channel(
                underlay, lambda number: Channel(underlay, number, publisher_confirms=False), timeout=self._patience
            )
        subscription.attach(channel, on_end=reader.tap(channel.number, subscription.deliver))
        return channel

    async def _consuming_connection(self) -> TappedConnection:
        """Give the consuming connection that lives, or the next one."""
        if self._consuming is not None:
            try:
                channels_of(self._consuming)
            except TransportUnavailable:
                await self._drop_consuming()
            else:
                return self._consuming
        self._consuming = await keep_trying(
            lambda: self._connect(TappedConnection, "perdure consume"), patience=self._patience
        )
        return self._consuming

    async def _drop_consuming(self) -> None:
        connection, self._consuming = self._consuming, None
        if connection is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.close()
        except BROKER_LOST:
            return  # it is gone either way

    async def _connect(self, kind: type[C], name: str) -> C:
        return await connect(self._url, kind, name=name, timeout=self._patience, heartbeat=self._heartbeat)

    @asynccontextmanager
    async def _brief_connection(self) -> AsyncIterator[Connection]:
        if not self._open:
            raise TransportUnavailable("the transport is not open")
        connection = await self._connect(aio_pika.Connection, "perdure set-up")
        try:
            with unavailable("the broker gave up in the middle of the set-up"):
                yield channels_of(connection)
        finally:
            await connection.close()


async def _never_called(_message: object) -> None:
    """Stand in for aiormq's callback: the reader takes the deliveries before aiormq sees them."""
