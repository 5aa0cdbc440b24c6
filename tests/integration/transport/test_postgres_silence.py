"""A server that falls silent, without a word of the connection's end, must not leave a consumer deaf."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from runtime.transport import Destination, SubscriptionLost, TransportUnavailable
from runtime.transport.postgres import PostgresTransport
from tests.conformance.transport.kits import TOPOLOGY, PostgresKit


async def test_a_silent_server_ends_the_subscription_in_time(fresh_database: Callable[[], Awaitable[str]]) -> None:
    """Whatever statement was under way: within the session's time to live, as its messages are others' by then."""
    kit = PostgresKit(await fresh_database())
    await kit.proxy.open()
    transport = PostgresTransport(kit.url, recheck=0.2, heartbeat=0.5, ttl=1.5, patience=5)
    await transport.open()
    await transport.declare(TOPOLOGY)
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    kit.proxy.lose_answers()
    async with asyncio.timeout(8):
        with pytest.raises(SubscriptionLost):
            await subscription.receive()
    kit.proxy.cut()
    await transport.close()
    await kit.close()


async def test_a_connection_lost_while_a_session_begins_is_unavailable(
    fresh_database: Callable[[], Awaitable[str]],
) -> None:
    """Its consumer tries again; an error of the driver's own would end the process."""
    kit = PostgresKit(await fresh_database())
    await kit.proxy.open()
    transport = PostgresTransport(kit.url, ttl=1.0, patience=5)
    await transport.open()
    await transport.declare(TOPOLOGY)
    connect = transport._connect_consumer

    async def connect_and_fall_silent() -> asyncpg.Connection:
        connection = await connect()
        kit.proxy.lose_answers()
        return connection

    transport._connect_consumer = connect_and_fall_silent  # type: ignore[method-assign]  # the fault
    with pytest.raises(TransportUnavailable):
        await transport.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    kit.proxy.cut()
    await transport.close()
    await kit.close()
