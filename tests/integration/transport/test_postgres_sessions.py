from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import asyncpg
import pytest

from runtime.transport import (
    Delivery,
    Destination,
    Message,
    SubscriptionLost,
    Topology,
    TransportError,
    TransportUnavailable,
)
from runtime.transport.port import Subscription
from runtime.transport.postgres import PostgresTransport

TOPOLOGY = Topology(partitions=1, task_queues=frozenset({"orders"}))
Connect = Callable[..., Awaitable[PostgresTransport]]


@pytest.fixture
async def url(fresh_database: Callable[[], Awaitable[str]]) -> str:
    return await fresh_database()


@pytest.fixture
async def connect(url: str) -> AsyncIterator[Connect]:
    """A transport with the topology; keyword arguments are the adapter's."""
    made: list[PostgresTransport] = []

    async def make(**options: float) -> PostgresTransport:
        transport = PostgresTransport(url, **{"recheck": 0.2, **options})
        made.append(transport)
        await transport.open()
        await transport.declare(TOPOLOGY)
        return transport

    yield make
    for transport in made:
        await transport.close()


@pytest.fixture
async def admin(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


def _orders(*bodies: bytes) -> list[Message]:
    return [Message(Destination.TASKS, "orders", body) for body in bodies]


async def _bodies(subscription: Subscription, count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < count:
        found += [delivery.body for delivery in await subscription.receive()]
    return found


async def test_a_dead_connection_frees_its_messages_at_once(
    connect: Connect, admin: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Long before the heartbeat runs out: the session's lock is free, which another consumer's re-check sees."""
    doomed, other = await connect(ttl=3600), await connect(ttl=3600)
    await doomed.publish(_orders(b"1", b"2"))
    held = await doomed.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert await _bodies(held, 2) == [b"1", b"2"]
    waiting = await other.subscribe(Destination.TASKS, "orders", prefetch=10)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' ORDER BY objid LIMIT 1"
    )
    with pytest.raises(SubscriptionLost):
        await held.receive()
    assert await _bodies(waiting, 2) == [b"1", b"2"]


async def test_a_silent_session_runs_out(connect: Connect, admin: asyncpg.Connection[asyncpg.Record]) -> None:
    """A stopped process keeps its connection and its lock; by the database's clock it is dead, and it learns that."""
    silent, other = await connect(heartbeat=0.5), await connect()
    await silent.publish(_orders(b"1"))
    held = await silent.subscribe(Destination.TASKS, "orders", prefetch=10)
    delivery = (await held.receive())[0]
    await admin.execute("UPDATE perdure.transport_sessions SET expires_at = now() - interval '1 second'")
    waiting = await other.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert await _bodies(waiting, 1) == [b"1"]
    with pytest.raises(SubscriptionLost):
        await held.receive()
    held.ack(delivery)
    assert await admin.fetchval("SELECT count(*) FROM perdure.messages") == 1


async def test_a_clean_close_leaves_nothing_behind(connect: Connect, admin: asyncpg.Connection[asyncpg.Record]) -> None:
    """No session, no consumer, no reply queue, no claim, no acked message."""
    transport = await connect()
    await transport.reply_inbox()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    await transport.publish(_orders(b"1", b"2"))
    deliveries: list[Delivery] = []
    while len(deliveries) < 2:
        deliveries += await subscription.receive()
    subscription.ack(deliveries[0])
    await transport.close()
    assert await admin.fetchval("SELECT count(*) FROM perdure.transport_sessions") == 0
    assert await admin.fetchval("SELECT count(*) FROM perdure.consumers") == 0
    assert await admin.fetchval("SELECT count(*) FROM perdure.queues WHERE session_id IS NOT NULL") == 0
    rows = await admin.fetch("SELECT body, claimed_by FROM perdure.messages")
    assert [(bytes(row["body"]), row["claimed_by"]) for row in rows] == [(b"2", None)]


async def test_lost_notifications_cost_time_and_nothing_else(
    connect: Connect, admin: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A row that came without a notification is found by the re-check."""
    transport = await connect()
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    await admin.execute(
        "INSERT INTO perdure.messages (queue, key, body) VALUES ('perdure.tasks.orders', 'orders', 'quiet')"
    )
    assert await _bodies(subscription, 1) == [b"quiet"]


async def test_one_callers_bad_message_harms_no_other_batch(connect: Connect) -> None:
    """Batches of many callers share a statement; a text that Postgres can't store is its own caller's error."""
    transport = await connect()
    bad = [Message(Destination.TASKS, "orders", b"bad", correlation_id="nul\x00")]
    results = await asyncio.gather(
        transport.publish(_orders(b"1")),
        transport.publish(bad),
        transport.publish(_orders(b"2")),
        return_exceptions=True,
    )
    subscription = await transport.subscribe(Destination.TASKS, "orders", prefetch=10)
    assert isinstance(results[1], TransportError)
    assert (results[0], results[2]) == (None, None)
    assert await _bodies(subscription, 2) == [b"1", b"2"]


async def test_a_missing_schema_says_what_to_run(url: str) -> None:
    """Every call on an unmigrated database."""
    transport = PostgresTransport(url)
    await transport.open()
    with pytest.raises(TransportError, match="perdure migrate"):
        await transport.publish(_orders(b"1"))
    with pytest.raises(TransportError, match="perdure migrate"):
        await transport.subscribe(Destination.TASKS, "orders", prefetch=1)
    await transport.close()


async def test_wrong_credentials_are_one_line_without_the_password(url: str) -> None:
    """It names the database and the host."""
    parts = urlsplit(url)
    wrong = parts._replace(netloc=f"nobody_here:s3cret@{parts.hostname}:{parts.port}").geturl()
    transport = PostgresTransport(wrong)
    with pytest.raises(TransportUnavailable) as caught:
        await transport.open()
    assert str(parts.hostname) in str(caught.value)
    assert "s3cret" not in str(caught.value)
    await transport.close()
