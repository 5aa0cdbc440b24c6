"""An owner that is silent, but not gone, gives its queue up after a few heartbeats."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest

from runtime.assembly import owners_heartbeat
from runtime.transport.port import Destination, Message, Topology
from runtime.transport.rabbitmq import RabbitMQTransport
from runtime.transport.rabbitmq_connection import HEARTBEAT
from tests.faults.proxy import Proxy


@pytest.mark.parametrize("lease", [1.0, 3.0, 5.0, 10.0, 24.0])
def test_three_heartbeats_fit_into_the_recovery_that_is_promised(lease: float) -> None:
    """The broker misses a stopped node for up to three heartbeats, and its partitions are due at lease + 5 s."""
    assert 3 * owners_heartbeat(lease, HEARTBEAT) < lease + 5


async def test_next_owner_gets_the_messages_of_a_silent_one(fresh_vhost: Callable[[], Awaitable[str]]) -> None:
    """The first owner's connection stays open and says nothing, as of a process that was stopped; the second one takes over."""
    url = await fresh_vhost()
    server = urlsplit(url)
    assert server.hostname is not None
    async with Proxy("stopped", server.hostname, server.port or 5672) as link:
        stopped, next_owner = (
            RabbitMQTransport(address, settle=0, heartbeat=1) for address in (link.through(url), url)
        )
        try:
            for transport in (stopped, next_owner):
                await transport.open()
            await next_owner.declare(Topology(1))
            first = await stopped.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
            second = await next_owner.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
            await next_owner.publish([Message(Destination.COMMANDS, "0", b"before")])
            assert [delivery.body for delivery in await first.receive()] == [b"before"]
            assert link.black_hole()
            await next_owner.publish([Message(Destination.COMMANDS, "0", b"after")])
            bodies: list[bytes] = []
            async with asyncio.timeout(15):  # with heartbeats of 10 s it would be 20 to 30
                while bodies != [b"before", b"after"]:
                    bodies += [delivery.body for delivery in await second.receive()]
        finally:
            link.heal()
            await stopped.close()
            await next_owner.close()
