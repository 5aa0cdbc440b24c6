from __future__ import annotations

from runtime.transport import Destination
from tests.conformance.transport.kits import Kit, bodies, collect, nothing_comes, numbered, orders


async def test_no_more_than_prefetch_is_unacked(kit: Kit) -> None:
    """With the prefetch full nothing comes; each ack makes room for one more."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=3)
    await transport.publish(orders(*numbered(6)))
    held = await collect(subscription, 3)
    assert bodies(held) == numbered(3)
    assert await nothing_comes(subscription, transport)
    subscription.ack(held[0])
    assert bodies(await collect(subscription, 1)) == [b"3"]
    assert await nothing_comes(subscription, transport)


async def test_an_ack_out_of_order_makes_room_too(kit: Kit) -> None:
    """A slow first message must not keep the other slots: prefetch is the number of free workers."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=3)
    await transport.publish(orders(*numbered(5)))
    held = await collect(subscription, 3)
    subscription.ack(held[2])
    subscription.ack(held[1])
    assert bodies(await collect(subscription, 2)) == [b"3", b"4"]
