from __future__ import annotations

import asyncio

import pytest

from runtime.transport import Destination, SubscriptionLost, TransportError
from tests.conformance.transport.kits import Kit, bodies, collect, numbered, orders


async def test_a_cancelled_receive_loses_nothing(kit: Kit) -> None:
    """Whatever the moment of the cancellation, the next call gives the messages."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=100)
    found: list[bytes] = []
    for body in numbered(30):
        receiving = asyncio.ensure_future(subscription.receive())
        await transport.publish(orders(body))
        receiving.cancel()
        (result,) = await asyncio.gather(receiving, return_exceptions=True)
        if not isinstance(result, BaseException):
            found += bodies(result)
    found += bodies(await collect(subscription, 30 - len(found)))
    assert found == numbered(30)


async def test_receive_gives_all_that_is_here(kit: Kit) -> None:
    """A consumer that was busy gets a batch, not a message."""
    transport = await kit.declared()
    await transport.publish(orders(*numbered(100)))
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=200)
    batches: list[int] = []
    async with asyncio.timeout(10):
        while sum(batches) < 100:
            batches.append(len(await subscription.receive()))
    assert all(batches)
    assert len(batches) < 20


async def test_receiving_from_a_closed_subscription_raises(kit: Kit) -> None:
    """Also for a receiver that waits while it is closed; closing twice does nothing."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    receiving = asyncio.ensure_future(subscription.receive())
    await asyncio.sleep(0)
    await subscription.close()
    await subscription.close()
    with pytest.raises(SubscriptionLost):
        await receiving
    with pytest.raises(SubscriptionLost):
        await subscription.receive()


async def test_a_queue_that_does_not_exist_can_not_be_consumed(kit: Kit) -> None:
    """The error names it, and the other subscriptions of the process live on."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    with pytest.raises(TransportError, match=r"perdure\.tasks\.nowhere.*perdure migrate"):
        await transport.subscribe(Destination.TASKS, "nowhere", prefetch=10)
    await transport.publish(orders(b"1"))
    assert bodies(await collect(subscription, 1)) == [b"1"]


async def test_closing_one_subscription_leaves_the_others_alone(kit: Kit) -> None:
    """Each subscription has a life of its own."""
    transport = await kit.declared()
    closed = await transport.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    kept = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    await closed.close()
    await transport.publish(orders(b"1"))
    assert bodies(await collect(kept, 1)) == [b"1"]
