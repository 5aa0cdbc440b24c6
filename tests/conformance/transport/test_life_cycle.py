from __future__ import annotations

import asyncio

import pytest

from runtime.transport import Destination, TransportUnavailable
from tests.conformance.transport.kits import TOPOLOGY, Kit, bodies, collect, orders


async def test_closing_is_safe_at_any_time(kit: Kit) -> None:
    """Before `open`, and twice."""
    transport = kit.unopened()
    await transport.close()
    await transport.open()
    await transport.close()
    await transport.close()


async def test_opening_twice_is_once(kit: Kit) -> None:
    """And it works afterwards."""
    transport = await kit.declared()
    await transport.open()
    await transport.publish(orders(b"1"))


async def test_a_closed_transport_can_be_opened_again(kit: Kit) -> None:
    """Its messages are where they were."""
    transport = await kit.declared()
    await transport.publish(orders(b"1"))
    await transport.close()
    await transport.open()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert bodies(await collect(subscription, 1)) == [b"1"]


async def test_nothing_works_before_open(kit: Kit) -> None:
    """Every call says so."""
    transport = kit.unopened()
    transport.post(orders(b"1"))
    with pytest.raises(TransportUnavailable):
        await transport.declare(TOPOLOGY)
    with pytest.raises(TransportUnavailable):
        await transport.check(TOPOLOGY)
    with pytest.raises(TransportUnavailable):
        await transport.subscribe(Destination.DEAD, prefetch=1)
    with pytest.raises(TransportUnavailable):
        await transport.reply_inbox()


async def test_closing_leaves_no_task_behind(kit: Kit) -> None:
    """Whatever the adapter started ends with it."""
    before = asyncio.all_tasks()
    transport = await kit.declared()
    await transport.reply_inbox()
    await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    await transport.publish(orders(b"1"))
    await transport.close()
    left = {task.get_name() for task in asyncio.all_tasks() - before if "proxy" not in repr(task).lower()}
    assert left == set()
