from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pika  # type: ignore[import-untyped]  # it ships no types

from runtime.transport import Destination, Message, Topology
from runtime.transport.rabbitmq import RabbitMQTransport


def _publish_and_wait(url: str) -> tuple[bytes, str]:
    """What any AMQP client does: its own reply queue, one publish with properties, one reply."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    reply_queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish(
        "perdure.commands",
        "0",
        b'{"id": "c-1"}',
        pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            reply_to=reply_queue,
            correlation_id="c-1",
            headers={"tenant": "northwind"},
            priority=0,
        ),
        mandatory=True,
    )
    for _, properties, body in channel.consume(reply_queue, auto_ack=True, inactivity_timeout=20):
        connection.close()
        return body, properties.correlation_id
    raise AssertionError("unreachable")


async def test_a_bare_amqp_client_publishes_and_gets_its_reply(fresh_vhost: Callable[[], Awaitable[str]]) -> None:
    """reply_to and correlation_id are AMQP's own properties; headers and others that we don't use do no harm."""
    url = await fresh_vhost()
    transport = RabbitMQTransport(url, settle=0)
    await transport.open()
    await transport.declare(Topology(partitions=1))
    calling = asyncio.create_task(asyncio.to_thread(_publish_and_wait, url))
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    (delivery,) = await subscription.receive()
    assert (delivery.key, delivery.body, delivery.correlation_id) == ("0", b'{"id": "c-1"}', "c-1")
    assert delivery.reply_to is not None
    transport.post([Message(Destination.REPLIES, delivery.reply_to, b"{}", correlation_id=delivery.correlation_id)])
    assert await calling == (b"{}", "c-1")
    await transport.close()
