from __future__ import annotations

from runtime.transport import Destination, Message
from tests.conformance.transport.kits import Kit, bodies, collect, nothing_comes, orders


async def test_a_dead_letter_moves_to_the_dead_queue(kit: Kit) -> None:
    """With its key, body, reply address and correlation id; the others of its queue stay."""
    transport = await kit.declared()
    dead = await transport.subscribe(Destination.DEAD, prefetch=10)
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    poison = Message(Destination.TASKS, "orders", b"poison", reply_to="here", correlation_id="flow-1")
    await transport.publish([poison, *orders(b"fine")])
    held = await collect(subscription, 2)
    subscription.dead_letter(held[0])
    came = (await collect(dead, 1))[0]
    await subscription.close()
    again = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert (came.source, came.key, came.body) == (Destination.DEAD, "orders", b"poison")
    assert (came.reply_to, came.correlation_id) == ("here", "flow-1")
    assert bodies(await collect(again, 1)) == [b"fine"]


async def test_a_dead_letter_is_moved_even_when_the_subscription_closes_at_once(kit: Kit) -> None:
    """Closing sends what is due."""
    transport = await kit.declared()
    await transport.publish(orders(b"poison"))
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    subscription.dead_letter((await collect(subscription, 1))[0])
    await subscription.close()
    dead = await transport.subscribe(Destination.DEAD, prefetch=10)
    again = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert bodies(await collect(dead, 1)) == [b"poison"]
    assert await nothing_comes(again, transport)


async def test_a_dead_letter_makes_room(kit: Kit) -> None:
    """It counts as handled for the prefetch."""
    transport = await kit.declared()
    await transport.publish(orders(b"poison", b"next"))
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=1)
    subscription.dead_letter((await collect(subscription, 1))[0])
    assert bodies(await collect(subscription, 1)) == [b"next"]


async def test_messages_can_be_published_to_the_dead_queue(kit: Kit) -> None:
    """For workers that give up by themselves."""
    transport = await kit.declared()
    await transport.publish([Message(Destination.DEAD, "why not", b"given up")])
    dead = await transport.subscribe(Destination.DEAD, prefetch=10)
    came = (await collect(dead, 1))[0]
    assert (came.key, came.body) == ("why not", b"given up")
