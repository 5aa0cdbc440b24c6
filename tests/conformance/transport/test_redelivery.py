from __future__ import annotations

import asyncio

import pytest

from runtime.transport import Destination, PublishUnknown, SubscriptionLost, Transport, TransportUnavailable
from runtime.transport.port import Subscription
from tests.conformance.transport.kits import Kit, bodies, collect, commands, nothing_comes, numbered, orders
from tests.waiting import wait_until


async def _again(transport: Transport) -> Subscription:
    """Subscribe to the task queue after a loss, which may take the server a moment to notice."""
    found: list[Subscription] = []

    async def attempt() -> bool:
        try:
            found.append(await transport.subscribe(Destination.TASKS, "orders", prefetch=100))
        except TransportUnavailable:
            return False
        return True

    await wait_until(attempt)
    return found[0]


async def test_closing_hands_unacked_messages_back_in_their_place(kit: Kit) -> None:
    """The next consumer gets them first, in their old order, marked as redelivered; acked ones never again."""
    transport = await kit.declared()
    for body in numbered(8):  # one by one: what is published together may travel together
        await transport.publish(commands(body))
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=5, exclusive=True)
    held = await collect(subscription, 5)
    subscription.ack(held[0])
    subscription.ack(held[1])
    await subscription.close()
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=100, exclusive=True)
    found = await collect(subscription, 6)
    assert bodies(found) == [b"2", b"3", b"4", b"5", b"6", b"7"]
    assert all(delivery.redeliveries > 0 for delivery in found[:3])


async def test_redeliveries_are_counted(kit: Kit) -> None:
    """The broker's count of deliveries that were not acked grows by one each time."""
    transport = await kit.declared()
    await transport.publish(orders(b"poison"))
    counts = []
    for _ in range(4):
        subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=1)
        counts.append((await collect(subscription, 1))[0].redeliveries)
        await subscription.close()
    assert counts == [0, 1, 2, 3]


async def test_a_lost_connection_hands_unacked_messages_back(kit: Kit) -> None:
    """`receive` raises, and the same process gets the messages again over a new connection."""
    transport = await kit.declared()
    await transport.publish(orders(*numbered(3)))
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    held = await collect(subscription, 3)
    await kit.cut()
    with pytest.raises(SubscriptionLost):
        await subscription.receive()
    again = await _again(transport)
    subscription.ack(held[0])  # too late: it belongs to the lost connection
    found = await collect(again, 3)
    assert sorted(bodies(found)) == sorted(numbered(3))
    assert all(delivery.redeliveries > 0 for delivery in found)


async def test_a_waiting_receiver_learns_of_a_lost_connection(kit: Kit) -> None:
    """No iterator that ends silently, no wait for ever."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    receiving = asyncio.ensure_future(subscription.receive())
    await asyncio.sleep(0)
    await kit.cut()
    async with asyncio.timeout(10):
        with pytest.raises(SubscriptionLost):
            await receiving


async def test_publishing_goes_on_after_a_lost_connection(kit: Kit) -> None:
    """The next publish connects again by itself; one in doubt is published again."""
    transport = await kit.declared()
    await transport.publish(orders(b"before"))
    await kit.cut()
    for _ in range(20):
        try:
            await transport.publish(orders(b"after"))
            break
        except (PublishUnknown, TransportUnavailable):
            continue
    subscription = await _again(transport)
    found = await collect(subscription, 2)
    assert bodies(found)[0] == b"before"
    assert set(bodies(found)[1:]) == {b"after"}


async def test_a_closed_process_hands_its_messages_to_another(kit: Kit) -> None:
    """Closing the transport is closing all of its subscriptions."""
    one, other = await kit.declared(), await kit.transport()
    await one.publish(orders(*numbered(4)))
    held = await one.subscribe(Destination.TASKS, "orders", prefetch=10)
    came = await collect(held, 4)
    held.ack(came[0])
    waiting = await other.subscribe(Destination.TASKS, "orders", prefetch=10)
    await one.close()
    with pytest.raises(SubscriptionLost):
        await held.receive()
    assert sorted(bodies(await collect(waiting, 3))) == [b"1", b"2", b"3"]


async def test_acked_messages_do_not_come_again(kit: Kit) -> None:
    """Acks are buffered, and closing sends those that are due."""
    transport = await kit.declared()
    await transport.publish(orders(*numbered(10)))
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    await collect(subscription, 10, ack=True)
    await subscription.close()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert await nothing_comes(subscription, transport)


async def test_late_acks_do_nothing(kit: Kit) -> None:
    """Neither on a closed subscription nor twice on an open one."""
    transport = await kit.declared()
    await transport.publish(orders(b"1", b"2"))
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    held = await collect(subscription, 2)
    subscription.ack(held[0])
    subscription.ack(held[0])
    subscription.dead_letter(held[0])
    await subscription.close()
    subscription.ack(held[1])
    subscription.dead_letter(held[1])
    again = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert bodies(await collect(again, 1)) == [b"2"]
    assert await nothing_comes(again, transport)
