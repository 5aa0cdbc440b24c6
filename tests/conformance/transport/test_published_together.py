"""An adapter may let messages that are published together travel together; nobody above the port can tell."""

from __future__ import annotations

import asyncio

import pytest

from runtime.transport import (
    Delivery,
    Destination,
    Message,
    SubscriptionLost,
    Transport,
    TransportUnavailable,
    Unroutable,
)
from runtime.transport.port import Subscription
from tests.conformance.transport.kits import Kit, bodies, collect, commands, nothing_comes, numbered
from tests.waiting import wait_until


async def _consumer(transport: Transport) -> Subscription:
    return await transport.subscribe(Destination.COMMANDS, "0", prefetch=1000, exclusive=True)


async def test_order_is_kept_between_large_and_small_ones(kit: Kit) -> None:
    """Some can't travel with others: the large, the empty, those with a line feed, with another reply address."""
    transport = await kit.declared()
    subscription = await _consumer(transport)
    messages = []
    for number, body in enumerate(numbered(400)):
        kind = number % 37
        text = {5: b"", 11: b"a\nb%b" % body, 17: b"\n", 23: body * 30_000, 29: b"\xff\x00" + body}.get(kind, body)
        id = {3: None, 7: "", 13: "żółć", 19: "a\nb", 31: "x" * 255}.get(kind, f"id-{number}")
        messages.append(Message(Destination.COMMANDS, "0", text, f"to {number // 50}" if kind else None, id))
    await transport.publish(messages)
    found = await collect(subscription, len(messages), ack=True)
    assert [(d.key, d.body, d.reply_to, d.correlation_id or None) for d in found] == [
        (m.key, m.body, m.reply_to, m.correlation_id or None) for m in messages
    ]


async def test_queues_do_not_mix(kit: Kit) -> None:
    """Messages for two partitions and a task queue, alternating, each in its order."""
    transport = await kit.declared()
    places = [(Destination.COMMANDS, "0"), (Destination.COMMANDS, "1"), (Destination.TASKS, "orders")]
    await transport.publish([Message(*places[n % 3], b"%d" % n) for n in range(300)])
    for place, (source, key) in enumerate(places):
        subscription = await transport.subscribe(source, key, prefetch=500)
        assert bodies(await collect(subscription, 100)) == [b"%d" % n for n in range(place, 300, 3)]


async def test_no_more_than_prefetch_is_given_out(kit: Kit) -> None:
    """However the messages travelled: nothing beyond the prefetch is unacked, and each ack makes room."""
    transport = await kit.declared()
    await transport.publish(commands(*numbered(200)))
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=7, exclusive=True)
    found: list[bytes] = []
    while len(found) < 200:
        held = await collect(subscription, min(7, 200 - len(found)))
        assert len(held) <= 7
        found += bodies(held)
        if len(found) == 7:
            assert await nothing_comes(subscription, transport)
        for delivery in held:
            subscription.ack(delivery)
            subscription.ack(delivery)  # twice is once
    assert found == numbered(200)


async def test_half_acked_and_lost_everything_else_comes_again(kit: Kit) -> None:
    """What was acked may come again with its neighbours; what was not comes in any case, and counts as redelivered."""
    transport = await kit.declared()
    await transport.publish(commands(*numbered(100)))
    subscription = await _consumer(transport)
    held = await collect(subscription, 100)
    for delivery in held[:90:2]:
        subscription.ack(delivery)
    await kit.cut()
    with pytest.raises(SubscriptionLost):
        await subscription.receive()
    again: list[Subscription] = []

    async def subscribed() -> bool:
        try:
            again.append(await _consumer(transport))
        except TransportUnavailable:
            return False
        return True

    await wait_until(subscribed)
    unacked = {d.body for d in held} - {d.body for d in held[:90:2]}
    found: list[Delivery] = []
    async with asyncio.timeout(20):
        while not unacked <= {d.body for d in found}:
            found += await again[0].receive()
    for delivery in found:
        again[0].ack(delivery)
    await again[0].close()
    assert all(d.redeliveries > 0 for d in found)
    assert {d.body for d in found} <= set(numbered(100))
    last = await _consumer(transport)
    await transport.publish(commands(b"end"))
    assert (await collect(last, 1))[-1].body == b"end"


async def test_each_of_many_unroutable_ones_is_named(kit: Kit) -> None:
    """By its own caller."""
    transport = await kit.declared()
    mine = [Message(Destination.COMMANDS, "77", body) for body in numbered(100)]
    others = [Message(Destination.COMMANDS, "77", b"other %d" % n) for n in range(10)]
    errors = await asyncio.gather(
        transport.publish([*mine, *commands(b"in")]), transport.publish(others), return_exceptions=True
    )
    for sent, error in zip((mine, others), errors, strict=True):
        assert isinstance(error, Unroutable)
        assert error.messages == sent
    assert bodies(await collect(await _consumer(transport), 1)) == [b"in"]


async def test_one_of_many_can_be_a_dead_letter(kit: Kit) -> None:
    """It moves, with what belongs to it; the others stay, also when the subscription closes at once."""
    transport = await kit.declared()
    await transport.publish([Message(Destination.COMMANDS, "0", body, "here", f"id {body!r}") for body in numbered(20)])
    subscription = await _consumer(transport)
    held = await collect(subscription, 20)
    subscription.dead_letter(held[7])
    for delivery in held[:7] + held[8:]:
        subscription.ack(delivery)
    await subscription.close()
    dead = await transport.subscribe(Destination.DEAD, prefetch=10)
    (came,) = await collect(dead, 1)
    assert (came.key, came.body, came.reply_to, came.correlation_id) == ("0", b"7", "here", "id b'7'")
    assert await nothing_comes(await _consumer(transport), transport)


async def test_replies_keep_their_correlation_ids(kit: Kit) -> None:
    """Five hundred at once, each with its own."""
    transport = await kit.declared()
    address, inbox = await transport.reply_inbox()
    transport.post([Message(Destination.REPLIES, address, b"%d" % n, None, f"call-{n}") for n in range(500)])
    found = await collect(inbox, 500)
    assert [(d.body, d.correlation_id) for d in found] == [(b"%d" % n, f"call-{n}") for n in range(500)]
