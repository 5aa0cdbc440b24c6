from __future__ import annotations

import asyncio

import pytest

from runtime.transport import Destination, Message, TransportUnavailable, Unroutable
from tests.conformance.transport.kits import Kit, bodies, collect, commands, numbered, orders


async def test_a_message_arrives_as_it_was_published(kit: Kit) -> None:
    """Key, body, reply address and correlation id."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.INGRESS, prefetch=10)
    await transport.publish(
        [Message(Destination.INGRESS, "Order.10248", b"{}", reply_to="here", correlation_id="flow-1")]
    )
    came = (await collect(subscription, 1))[0]
    assert (came.source, came.key, came.body) == (Destination.INGRESS, "Order.10248", b"{}")
    assert (came.reply_to, came.correlation_id, came.redeliveries) == ("here", "flow-1", 0)


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"\x00nul\x00", "żółć 🙂".encode(), b"\xff\xfe", b"m" * 1_000_000],
    ids=["empty", "1 byte", "nul", "unicode", "no text", "1 MB"],
)
async def test_any_body_arrives_unchanged(kit: Kit, body: bytes) -> None:
    """A body is bytes to the transport."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    await transport.publish(orders(body))
    assert bodies(await collect(subscription, 1)) == [body]


async def test_unroutable_messages_are_named_and_the_others_are_in(kit: Kit) -> None:
    """One message without a queue in the middle of a batch."""
    transport = await kit.declared()
    lost = Message(Destination.TASKS, "nowhere", b"lost")
    with pytest.raises(Unroutable, match="tasks:nowhere") as caught:
        await transport.publish([*orders(b"1"), lost, *orders(b"2")])
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert caught.value.messages == [lost]
    assert bodies(await collect(subscription, 2)) == [b"1", b"2"]


async def test_publishing_goes_on_after_an_unroutable_message(kit: Kit) -> None:
    """The error is that batch's alone."""
    transport = await kit.declared()
    for _ in range(3):
        with pytest.raises(Unroutable):
            await transport.publish([Message(Destination.COMMANDS, "77", b"lost")])
        await transport.publish(orders(b"in"))
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert bodies(await collect(subscription, 3)) == [b"in"] * 3


async def test_each_caller_gets_its_own_unroutable_messages(kit: Kit) -> None:
    """Batches that are published at the same time do not mix their errors."""
    transport = await kit.declared()
    batches = [[*orders(b"in"), Message(Destination.TASKS, f"none-{n}", b"lost")] for n in range(20)]
    errors = await asyncio.gather(*(transport.publish(batch) for batch in batches), return_exceptions=True)
    for batch, error in zip(batches, errors, strict=True):
        assert isinstance(error, Unroutable)
        assert error.messages == [batch[1]]


async def test_publishing_nothing_is_well(kit: Kit) -> None:
    """An empty batch has nothing to wait for."""
    transport = await kit.declared()
    await transport.publish([])
    transport.post([])


async def test_publishing_without_connection_is_refused(kit: Kit) -> None:
    """Before `open` and after `close`."""
    transport = kit.unopened()
    with pytest.raises(TransportUnavailable):
        await transport.publish(orders(b"1"))
    await transport.open()
    await transport.close()
    with pytest.raises(TransportUnavailable):
        await transport.publish(orders(b"1"))


async def test_posted_messages_arrive_in_order(kit: Kit) -> None:
    """`post` promises nothing, and does it when nothing fails."""
    transport = await kit.declared()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=100)
    transport.post(orders(b"1", b"2"))
    transport.post([Message(Destination.TASKS, "nowhere", b"lost"), *orders(b"3")])
    assert bodies(await collect(subscription, 3)) == [b"1", b"2", b"3"]


async def test_a_cancelled_publish_harms_nobody(kit: Kit) -> None:
    """Its messages may be in or not; those of others are in, each once, and publishing goes on."""
    transport = await kit.declared()
    doomed = [asyncio.ensure_future(transport.publish(orders(b"maybe %d" % n))) for n in range(20)]
    kept = [asyncio.ensure_future(transport.publish(orders(b"kept %d" % n))) for n in range(20)]
    for turns, task in enumerate(doomed):
        for _ in range(turns % 4):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*doomed, return_exceptions=True)
    results = await asyncio.gather(*kept, return_exceptions=True)
    await transport.publish(orders(b"end"))
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=1000)
    found: list[bytes] = []
    while b"end" not in found:
        found += bodies(await subscription.receive())
    assert results == [None] * 20
    assert sorted(body for body in found if body.startswith(b"kept")) == sorted(b"kept %d" % n for n in range(20))
    assert len(found) == len(set(found))


async def test_five_thousand_messages_arrive_exactly_once_in_order(kit: Kit) -> None:
    """While they are consumed and acked, with nothing failing."""
    transport = await kit.declared()
    sent = numbered(5_000)

    async def publish() -> None:
        for start in range(0, len(sent), 250):
            await transport.publish(commands(*sent[start : start + 250]))

    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=400, exclusive=True)
    _, found = await asyncio.gather(publish(), collect(subscription, len(sent), ack=True))
    assert bodies(found) == sent
    assert {delivery.redeliveries for delivery in found} == {0}
