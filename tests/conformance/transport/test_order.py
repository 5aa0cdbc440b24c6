from __future__ import annotations

import asyncio

from runtime.transport import Destination
from tests.conformance.transport.kits import Kit, bodies, collect, commands, numbered, orders


async def test_one_publishers_batches_arrive_in_order(kit: Kit) -> None:
    """Also when the calls overlap: each is taken in the order in which it was made."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.COMMANDS, "1", prefetch=500, exclusive=True)
    await asyncio.gather(*(transport.publish(commands(body, partition=1)) for body in numbered(200)))
    assert bodies(await collect(subscription, 200)) == numbered(200)


async def test_each_publisher_keeps_its_own_order(kit: Kit) -> None:
    """Two processes publish to one queue."""
    one, other = await kit.declared(), await kit.transport()
    first, second = [b"a%03d" % n for n in range(100)], [b"b%03d" % n for n in range(100)]

    async def publish(transport: object, sent: list[bytes]) -> None:
        for body in sent:
            await (one if transport is one else other).publish(orders(body))

    subscription = await one.subscribe(Destination.TASKS, "orders", prefetch=500)
    await asyncio.gather(publish(one, first), publish(other, second))
    found = bodies(await collect(subscription, 200))
    assert [body for body in found if body.startswith(b"a")] == first
    assert [body for body in found if body.startswith(b"b")] == second


async def test_messages_published_before_the_first_consumer_wait_in_order(kit: Kit) -> None:
    """A queue needs no consumer to take messages."""
    transport = await kit.declared()
    await transport.publish(commands(*numbered(50)))
    await transport.publish(commands(b"last"))
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=100, exclusive=True)
    assert bodies(await collect(subscription, 51)) == [*numbered(50), b"last"]


async def test_consumers_of_one_queue_share_its_messages(kit: Kit) -> None:
    """Every message goes to one of the competing consumers."""
    one, other = await kit.declared(), await kit.transport()
    here = await one.subscribe(Destination.TASKS, "orders", prefetch=5)
    there = await other.subscribe(Destination.TASKS, "orders", prefetch=5)
    await one.publish(orders(*numbered(10)))
    found = [*await collect(here, 5), *await collect(there, 5)]
    assert sorted(bodies(found)) == sorted(numbered(10))
