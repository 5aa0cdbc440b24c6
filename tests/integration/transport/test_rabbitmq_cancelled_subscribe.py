"""A subscribe that is given up must leave no consumer behind: on RabbitMQ it would keep its partition's queue for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiormq.channel import Channel

from runtime.transport import Destination, Message, Topology
from runtime.transport.rabbitmq import RabbitMQTransport
from tests.conformance.transport.kits import bodies, collect


async def test_a_cancelled_subscribe_does_not_keep_the_queue(
    fresh_vhost: Callable[[], Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is lost while the broker's answer to the subscribe is on its way; the next owner gets the messages."""
    url = await fresh_vhost()
    loser, owner = RabbitMQTransport(url, settle=0), RabbitMQTransport(url, settle=0)
    await loser.open()
    await owner.open()
    await loser.declare(Topology(1))
    consume = Channel.basic_consume

    async def consume_and_wait(self: Channel, *args: object, **options: object) -> None:
        await consume(self, *args, **options)  # type: ignore[arg-type]  # passed on as they came
        consuming.set()
        await asyncio.Event().wait()

    consuming = asyncio.Event()
    monkeypatch.setattr(Channel, "basic_consume", consume_and_wait)
    subscribing = asyncio.create_task(loser.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True))
    await consuming.wait()
    subscribing.cancel()
    await asyncio.wait([subscribing])
    monkeypatch.undo()

    subscription = await owner.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    await owner.publish([Message(Destination.COMMANDS, "0", b"for the owner")])
    assert bodies(await collect(subscription, 1, seconds=5)) == [b"for the owner"]
    await loser.close()
    await owner.close()


async def test_a_cancelled_close_is_made_good_by_the_next(
    fresh_vhost: Callable[[], Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the channel would stay, and with it the consumer that keeps the queue."""
    url = await fresh_vhost()
    loser, owner = RabbitMQTransport(url, settle=0), RabbitMQTransport(url, settle=0)
    await loser.open()
    await owner.open()
    await loser.declare(Topology(1))
    given_up = await loser.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)

    async def wait_for_ever(_: Channel) -> None:
        closing.set()
        await asyncio.Event().wait()

    closing = asyncio.Event()
    monkeypatch.setattr(Channel, "close", wait_for_ever)
    first = asyncio.create_task(given_up.close())
    await closing.wait()
    first.cancel()
    await asyncio.wait([first])
    monkeypatch.undo()
    await given_up.close()

    subscription = await owner.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    await owner.publish([Message(Destination.COMMANDS, "0", b"for the owner")])
    assert bodies(await collect(subscription, 1, seconds=5)) == [b"for the owner"]
    await loser.close()
    await owner.close()
