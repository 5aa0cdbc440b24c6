from __future__ import annotations

import asyncio

import pytest

from runtime.transport import Destination, PublishUnknown, TransportUnavailable
from tests.conformance.transport.kits import Kit, ProxiedKit, bodies, collect, orders


@pytest.fixture
def network(kit: Kit) -> ProxiedKit:
    """The adapters that have a network; memory has no answers to lose."""
    return kit if isinstance(kit, ProxiedKit) else pytest.skip("no network in between")


async def test_a_publish_whose_confirm_is_lost_is_unknown_and_may_be_in(network: ProxiedKit) -> None:
    """The server got it, the caller can't know: the error says so, and the message is there."""
    transport = await network.declared()
    await transport.publish(orders(b"before"))
    network.proxy.lose_answers()
    publishing = asyncio.ensure_future(transport.publish(orders(b"in doubt")))
    observer = network.direct()
    await observer.open()
    subscription = await observer.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert bodies(await collect(subscription, 2)) == [b"before", b"in doubt"]
    await network.cut()
    with pytest.raises(PublishUnknown):
        await publishing
    await observer.close()


async def test_an_unreachable_server_is_unavailable_within_the_patience(network: ProxiedKit) -> None:
    """After the loss of a connection that can't be replaced, nothing is sent and the caller hears of it."""
    transport = await network.declared()
    await network.proxy.refuse()
    with pytest.raises((TransportUnavailable, PublishUnknown)):
        await transport.publish(orders(b"1"))  # the loss may be found while publishing
    with pytest.raises(TransportUnavailable):
        await transport.publish(orders(b"1"))
    with pytest.raises(TransportUnavailable):
        await transport.subscribe(Destination.TASKS, "orders", prefetch=1)
