"""The topic exchange `perdure.events` on RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aio_pika
from aiormq import spec
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelPreconditionFailed

from runtime.transport.exchange import Announcement
from runtime.transport.port import PublishUnknown, TransportError, TransportUnavailable
from runtime.transport.rabbitmq_connection import BROKER_LOST, HEARTBEAT, channels_of, connect, reason, unavailable
from runtime.transport.rabbitmq_topology import EVENTS

_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 5.0


class RabbitMQEventExchange:
    """An `EventExchange`, over one connection that is replaced whole after any doubt.

    Not `mandatory`: events that nobody has bound a queue for are dropped by the broker, as with every topic exchange.

    Args:
        url: `amqp://user:password@host:port/vhost`.
        confirm_timeout: seconds after which a batch without all of its confirms is `PublishUnknown`.
    """

    def __init__(self, url: str, *, confirm_timeout: float = 30.0) -> None:
        self._url = url
        self._confirm_timeout = confirm_timeout
        self._connection: aio_pika.Connection | None = None
        self._channel: AbstractChannel | None = None

    async def publish(self, announcements: Sequence[Announcement]) -> None:
        """Publish in order, and wait for all confirms; see `EventExchange.publish`."""
        channel = await self._living()
        try:
            async with asyncio.timeout(self._confirm_timeout):
                with unavailable("the broker"):
                    # Each takes the channel's lock in its turn, so they are written in this order.
                    await asyncio.gather(*(self._publish(channel, each) for each in announcements))
        except Exception as error:  # aiormq ends what waits on a lost connection with errors of many kinds
            was_lost = channel.is_closed or isinstance(error, (TransportUnavailable, TimeoutError))
            await self.close()
            if not was_lost:
                raise
            raise PublishUnknown(f"not all events were confirmed: {reason(error)}; they are published again") from error
        except BaseException:
            await self.close()
            raise

    async def _publish(self, channel: AbstractChannel, announcement: Announcement) -> None:
        await channel.basic_publish(
            announcement.body,
            exchange=EVENTS,
            routing_key=announcement.routing_key,
            properties=spec.Basic.Properties(
                content_type="application/json",
                delivery_mode=2,
                message_id=announcement.id,
            ),
        )

    async def _living(self) -> AbstractChannel:
        if self._channel is not None and not self._channel.is_closed:
            return self._channel
        await self.close()
        self._connection = await connect(
            self._url, aio_pika.Connection, name="perdure events", timeout=_CONNECT_SECONDS, heartbeat=HEARTBEAT
        )
        try:
            with unavailable("no channel for events"):
                channel = await channels_of(self._connection).channel(publisher_confirms=True)
                await channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)
        except BaseException as error:
            await self.close()
            if isinstance(error.__cause__, ChannelPreconditionFailed):
                raise TransportError(
                    f"exchange {EVENTS!r} exists, but not as a durable topic exchange; delete it, and it is made anew"
                ) from error
            raise
        self._channel = channel
        return channel

    async def close(self) -> None:
        """Release the connection; safe to call twice."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.close()
        except BROKER_LOST:
            return  # it is gone either way
