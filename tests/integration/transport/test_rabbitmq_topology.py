from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aio_pika
import pytest

from runtime.transport import Destination, Message, SubscriptionLost, Topology, TransportError
from runtime.transport.rabbitmq import RabbitMQTransport

TOPOLOGY = Topology(partitions=1, task_queues=frozenset({"orders"}))


@pytest.fixture
async def url(fresh_vhost: Callable[[], Awaitable[str]]) -> str:
    return await fresh_vhost()


@pytest.fixture
async def transport(url: str) -> AsyncIterator[RabbitMQTransport]:
    transport = RabbitMQTransport(url, settle=0)
    await transport.open()
    yield transport
    await transport.close()


async def test_a_queue_with_other_arguments_is_named(url: str, transport: RabbitMQTransport) -> None:
    """`check` says it in plain words, and `declare` refuses rather than to use it."""
    await transport.declare(Topology(partitions=0))
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).declare_queue("perdure.tasks.orders", durable=True)
    (missing, wrong) = await transport.check(TOPOLOGY)
    assert missing == "queue 'perdure.commands.0' is missing"
    assert wrong.startswith("queue 'perdure.tasks.orders' exists with other arguments")
    with pytest.raises(TransportError, match=r"perdure\.tasks\.orders.*other arguments"):
        await transport.declare(TOPOLOGY)


async def test_an_exchange_of_another_type_is_named(url: str, transport: RabbitMQTransport) -> None:
    """As for queues."""
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).declare_exchange("perdure.tasks", "fanout", durable=True)
    lines = await transport.check(TOPOLOGY)
    assert any(line.startswith("exchange 'perdure.tasks' exists, but not as a durable direct") for line in lines)
    with pytest.raises(TransportError, match=r"perdure\.tasks"):
        await transport.declare(TOPOLOGY)


async def test_a_deleted_queue_ends_its_subscription(url: str, transport: RabbitMQTransport) -> None:
    """The broker cancels the consumer; `receive` must not wait for ever."""
    await transport.declare(TOPOLOGY)
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).queue_delete("perdure.tasks.orders")
    with pytest.raises(SubscriptionLost, match="deleted"):
        await subscription.receive()


async def test_rejected_messages_of_the_dead_queue_stay_in_it(transport: RabbitMQTransport) -> None:
    """Nothing is lost by giving up twice."""
    await transport.declare(TOPOLOGY)
    await transport.publish([Message(Destination.DEAD, "k", b"given up")])
    subscription = await transport.subscribe(Destination.DEAD, prefetch=1)
    subscription.dead_letter((await subscription.receive())[0])
    assert (await subscription.receive())[0].body == b"given up"
