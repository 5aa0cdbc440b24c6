from __future__ import annotations

import asyncio

import pytest

from runtime.transport import Destination, Message, SubscriptionLost
from tests.conformance.transport.kits import Kit, bodies, collect, numbered, orders


def _replies(address: str, *texts: bytes) -> list[Message]:
    return [Message(Destination.REPLIES, address, text, correlation_id="call-1") for text in texts]


async def test_replies_reach_the_process_that_asked(kit: Kit) -> None:
    """Two inboxes, two addresses; confirmed and posted replies alike, in order."""
    caller, node = await kit.declared(), await kit.transport()
    (mine, inbox), (others, other_inbox) = await caller.reply_inbox(), await node.reply_inbox()
    await node.publish(_replies(mine, b"1"))
    node.post([*_replies(mine, b"2"), *_replies(others, b"theirs")])
    found = await collect(inbox, 2)
    assert bodies(found) == [b"1", b"2"]
    assert {(d.source, d.correlation_id) for d in found} == {(Destination.REPLIES, "call-1")}
    assert bodies(await collect(other_inbox, 1)) == [b"theirs"]


async def test_replies_need_no_ack(kit: Kit) -> None:
    """Many more than any prefetch come without one ack; an ack does no harm."""
    transport = await kit.declared()
    address, inbox = await transport.reply_inbox()
    await transport.publish(_replies(address, *numbered(1_500)))
    found = await collect(inbox, 1_500)
    inbox.ack(found[0])
    assert bodies(found) == numbered(1_500)


async def test_a_reply_to_nobody_is_dropped_silently(kit: Kit) -> None:
    """The caller may be gone; its node must not care, and the rest of the batch is in."""
    transport = await kit.declared()
    transport.post(_replies("perdure.reply.nobody", b"lost"))
    await transport.publish([*_replies("perdure.reply.nobody", b"lost"), *orders(b"in")])
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert bodies(await collect(subscription, 1)) == [b"in"]


async def test_an_inbox_vanishes_with_its_process(kit: Kit) -> None:
    """`receive` ends, and replies to the old address go nowhere."""
    caller, node = await kit.declared(), await kit.transport()
    address, inbox = await caller.reply_inbox()
    receiving = asyncio.ensure_future(inbox.receive())
    await asyncio.sleep(0)
    await caller.close()
    async with asyncio.timeout(10):
        with pytest.raises(SubscriptionLost):
            await receiving
    await node.publish(_replies(address, b"too late"))


async def test_an_inbox_is_lost_with_its_connection(kit: Kit) -> None:
    """The process must make another one, with another address."""
    transport = await kit.declared()
    address, inbox = await transport.reply_inbox()
    await kit.cut()
    async with asyncio.timeout(10):
        with pytest.raises(SubscriptionLost):
            await inbox.receive()
    other_address, other = await transport.reply_inbox()
    assert other_address != address
    await other.close()
