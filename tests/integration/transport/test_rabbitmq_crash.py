from __future__ import annotations

import asyncio

import pytest

from runtime.servers import PrivateRabbitMQ
from runtime.transport import (
    Destination,
    Message,
    PublishUnknown,
    Subscription,
    SubscriptionLost,
    Topology,
    TransportUnavailable,
)
from runtime.transport.rabbitmq import RabbitMQTransport
from tests.waiting import wait_until

TOPOLOGY = Topology(partitions=1)


@pytest.mark.timeout(180)
async def test_confirmed_messages_survive_a_killed_broker() -> None:
    """SIGKILL, restart on the same data: all that was confirmed comes, and the same transport goes on."""
    async with PrivateRabbitMQ() as broker:
        transport = RabbitMQTransport(broker.url, patience=30)
        await transport.open()
        await transport.declare(TOPOLOGY)
        subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
        confirmed: set[bytes] = set()
        publishing = asyncio.create_task(_publish_until_lost(transport, confirmed))
        await wait_until(lambda: len(confirmed) > 300, what="300 confirmed messages")
        await broker.kill()
        await publishing
        with pytest.raises(SubscriptionLost):
            await _receive_for_ever(subscription)
        await broker.start()
        await transport.publish([Message(Destination.COMMANDS, "0", b"after")])
        again = await transport.subscribe(Destination.COMMANDS, "0", prefetch=500, exclusive=True)
        found: set[bytes] = set()
        async with asyncio.timeout(30):
            while not found >= confirmed | {b"after"}:
                deliveries = await again.receive()
                found |= {delivery.body for delivery in deliveries}
                for delivery in deliveries:
                    again.ack(delivery)
        await transport.close()


async def _receive_for_ever(subscription: Subscription) -> None:
    while True:
        await subscription.receive()


async def _publish_until_lost(transport: RabbitMQTransport, confirmed: set[bytes]) -> None:
    for start in range(0, 1_000_000, 50):
        bodies = [str(number).encode() for number in range(start, start + 50)]
        try:
            await transport.publish([Message(Destination.COMMANDS, "0", body) for body in bodies])
        except (PublishUnknown, TransportUnavailable):
            return
        confirmed |= set(bodies)
