"""Bundles as a foreign client sees them and makes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pika  # type: ignore[import-untyped]  # it ships no types
import pytest

from runtime.transport import Delivery, Destination, Message, Topology
from runtime.transport.port import Subscription
from runtime.transport.rabbitmq import RabbitMQTransport

HEADER = "perdure-correlation-ids"


@pytest.fixture
async def url(fresh_vhost: Callable[[], Awaitable[str]]) -> str:
    return await fresh_vhost()


@pytest.fixture
async def transport(url: str) -> AsyncIterator[RabbitMQTransport]:
    transport = RabbitMQTransport(url, settle=0)
    await transport.open()
    await transport.declare(Topology(partitions=1))
    yield transport
    await transport.close()


def _commands(count: int) -> list[Message]:
    return [Message(Destination.COMMANDS, "0", b'{"n": %d}' % n, "me", f"id-{n}") for n in range(count)]


def _take(url: str, queue: str, count: int, *, reject: bool = False) -> list[tuple[Any, bytes]]:
    """Take the first AMQP messages of a queue, as any client does."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    found: list[tuple[Any, bytes]] = []
    for method, properties, body in channel.consume(queue, inactivity_timeout=20):
        found.append((properties, body))
        if reject:
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)
        if len(found) == count:
            break
    connection.close()
    return found


def _publish(url: str, bodies: list[bytes], **properties: Any) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    for body in bodies:
        channel.basic_publish("perdure.commands", "0", body, pika.BasicProperties(**properties), mandatory=True)
    connection.close()


async def _receive(subscription: Subscription, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await subscription.receive()
    return found


async def test_what_waits_for_one_queue_goes_in_few_messages(url: str, transport: RabbitMQTransport) -> None:
    """A command a line, at most 64 of them; reply address and correlation ids beside them."""
    await transport.publish(_commands(130))
    found = await asyncio.to_thread(_take, url, "perdure.commands.0", 3)
    assert [len(body.splitlines()) for _, body in found] == [64, 64, 2]
    properties, body = found[2]
    assert body == b'{"n": 128}\n{"n": 129}'
    assert (properties.content_type, properties.reply_to) == ("application/x-ndjson", "me")
    assert (properties.headers, properties.correlation_id) == ({HEADER: "id-128\nid-129"}, None)


async def test_a_message_alone_is_no_bundle(url: str, transport: RabbitMQTransport) -> None:
    """Nothing waits for company."""
    await transport.publish(_commands(1))
    ((properties, body),) = await asyncio.to_thread(_take, url, "perdure.commands.0", 1)
    assert (body, properties.content_type, properties.correlation_id) == (b'{"n": 0}', "application/json", "id-0")


async def test_a_large_bundle_is_divided(url: str, transport: RabbitMQTransport) -> None:
    """64 KiB at most, together with the ids."""
    await transport.publish([Message(Destination.COMMANDS, "0", b"x" * 10_000) for _ in range(20)])
    found = await asyncio.to_thread(_take, url, "perdure.commands.0", 4)
    assert [len(body.splitlines()) for _, body in found] == [6, 6, 6, 2]


async def test_replies_to_a_queue_of_any_other_name_go_alone(url: str, transport: RabbitMQTransport) -> None:
    """A client that knows nothing of bundles gets one answer a message, each with its correlation id."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    queue = connection.channel().queue_declare("", auto_delete=True).method.queue
    transport.post([Message(Destination.REPLIES, queue, b"%d" % n, None, f"call-{n}") for n in range(50)])
    found = await asyncio.to_thread(_take, url, queue, 50)
    connection.close()
    assert [(body, p.correlation_id) for p, body in found] == [(b"%d" % n, f"call-{n}") for n in range(50)]


async def test_a_foreign_bundle_is_taken_apart(url: str, transport: RabbitMQTransport) -> None:
    """With a line feed at its end or without, with ids for each or one for all."""
    await asyncio.to_thread(
        _publish, url, [b"1\n2\n"], content_type="application/x-ndjson", headers={HEADER: "a\n"}, reply_to="r"
    )
    await asyncio.to_thread(_publish, url, [b"3\n4"], content_type="application/x-ndjson", correlation_id="all")
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    found = await _receive(subscription, 4)
    assert [(d.body, d.correlation_id, d.reply_to) for d in found] == [
        (b"1", "a", "r"),
        (b"2", None, "r"),
        (b"3", "all", None),
        (b"4", "all", None),
    ]


async def test_what_is_no_bundle_in_spite_of_its_type_comes_as_it_is(url: str, transport: RabbitMQTransport) -> None:
    """Empty, only a line feed, too many lines: one delivery each, which is acked and does not come again."""
    bodies = [b"", b"\n", b"1\n" * 65, b"\n\n2"]
    await asyncio.to_thread(
        _publish, url, bodies, content_type="application/x-ndjson", headers={HEADER: "x\ny\nz\nw\nv"}
    )
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    found = await _receive(subscription, 6)
    for delivery in found:
        subscription.ack(delivery)
    await subscription.close()
    assert [d.body for d in found] == [b"", b"", b"1\n" * 65, b"", b"", b"2"]
    await asyncio.to_thread(_publish, url, [b"end"])
    ((_, next_one),) = await asyncio.to_thread(_take, url, "perdure.commands.0", 1)
    assert next_one == b"end"


async def test_a_bundle_that_the_broker_gave_up_on_comes_back_in_parts(url: str, transport: RabbitMQTransport) -> None:
    """The dead letters have what a bundle held, each part to be brought back alone."""
    await transport.publish(_commands(5))
    await asyncio.to_thread(lambda: _take(url, "perdure.commands.0", 1, reject=True))
    dead = await transport.subscribe(Destination.DEAD, prefetch=10)
    found = await _receive(dead, 5)
    assert [(d.key, d.body, d.correlation_id) for d in found] == [("0", b'{"n": %d}' % n, f"id-{n}") for n in range(5)]


async def test_a_new_message_id_for_every_attempt(url: str, transport: RabbitMQTransport) -> None:
    """Also of a bundle: two publishes in flight with one id can get each other's confirm."""
    await transport.publish(_commands(2))
    await transport.publish(_commands(2))
    found = await asyncio.to_thread(_take, url, "perdure.commands.0", 2)
    assert len({properties.message_id for properties, _ in found}) == 2
