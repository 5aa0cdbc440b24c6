from __future__ import annotations

import asyncio

from runtime.transport import Destination, Topology
from tests.conformance.transport.kits import TOPOLOGY, Kit, bodies, collect, commands


async def test_check_names_what_is_missing_until_it_is_declared(kit: Kit) -> None:
    """Before: at least a line. After: none."""
    transport = await kit.transport()
    missing = await transport.check(TOPOLOGY)
    await transport.declare(TOPOLOGY)
    assert missing
    assert await transport.check(TOPOLOGY) == []


async def test_check_names_each_missing_queue(kit: Kit) -> None:
    """A larger topology than the declared one gives a line for each queue that it has more."""
    transport = await kit.declared()
    lines = await transport.check(Topology(partitions=3, task_queues=frozenset({"orders", "mail"})))
    assert len(lines) == 2
    assert "perdure.commands.2" in lines[0]
    assert "perdure.tasks.mail" in lines[1]


async def test_declaring_again_keeps_what_is_in_the_queues(kit: Kit) -> None:
    """Every process may declare; only what is missing is made."""
    transport = await kit.declared()
    await transport.publish(commands(b"kept"))
    await transport.declare(TOPOLOGY)
    await transport.declare(Topology(partitions=3, task_queues=frozenset({"orders"})))
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    assert bodies(await collect(subscription, 1)) == [b"kept"]


async def test_a_declared_queue_holds_nothing(kit: Kit) -> None:
    """Whatever the adapter sends to try a new queue, no consumer sees it: the first message is the first published."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.COMMANDS, "1", prefetch=10, exclusive=True)
    await transport.publish(commands(b"first", partition=1))
    first = (await collect(subscription, 1))[0]
    assert (first.body, first.redeliveries) == (b"first", 0)


async def test_declaring_twice_at_once_is_well(kit: Kit) -> None:
    """Two processes that start together."""
    one, other = await kit.transport(), await kit.transport()
    await asyncio.gather(one.declare(TOPOLOGY), other.declare(TOPOLOGY))
    assert await one.check(TOPOLOGY) == []
