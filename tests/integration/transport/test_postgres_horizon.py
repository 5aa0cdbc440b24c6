"""Where a consumer begins to look in its queue, and that it misses nothing for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from runtime.transport import Delivery, Destination, Message, Subscription, Topology
from runtime.transport.postgres import PostgresTransport
from runtime.transport.postgres_subscription import Horizon, PostgresSubscription


@pytest.fixture
async def url(fresh_database: Callable[[], Awaitable[str]]) -> str:
    return await fresh_database()


@pytest.fixture
async def transport(url: str) -> AsyncIterator[PostgresTransport]:
    transport = PostgresTransport(url, recheck=0.5)
    await transport.open()
    await transport.declare(Topology(1, frozenset({"mail"})))
    yield transport
    await transport.close()


async def _receive(subscription: Subscription, count: int, *, ack: bool = True) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            came = await subscription.receive()
            found += came
            for delivery in came if ack else ():
                subscription.ack(delivery)
    return found


def _mail(*bodies: bytes) -> list[Message]:
    return [Message(Destination.TASKS, "mail", body) for body in bodies]


def test_the_horizon_follows_at_a_distance() -> None:
    """What was claimed a quarter of a second ago is behind it; for one look at all it is at the bottom."""
    horizon = Horizon()
    for id in range(1, 101):
        horizon.saw(id, id / 100)
    assert horizon.floor(0.2) == 0
    assert 60 <= horizon.floor(1.0) <= 75
    horizon.look_at_all()
    assert horizon.floor(1.0) == 0
    assert 60 <= horizon.floor(1.0) <= 75
    assert 90 <= horizon.floor(9.0) <= 100


async def test_a_message_that_becomes_visible_late_is_found(url: str, transport: PostgresTransport) -> None:
    """Its transaction took an id early and committed long after others: the next re-check finds it."""
    subscription = await transport.subscribe(Destination.TASKS, "mail", prefetch=10)
    late = await asyncpg.connect(url)
    async with late.transaction():
        await late.execute(
            "INSERT INTO perdure.messages (queue, key, body) VALUES ('perdure.tasks.mail', 'mail', 'late')"
        )
        await transport.publish(_mail(b"early"))
        assert [d.body for d in await _receive(subscription, 1)] == [b"early"]
        assert isinstance(subscription, PostgresSubscription)
        while subscription.floor(asyncio.get_running_loop().time()) == 0:
            await transport.publish(_mail(b"more"))
            await _receive(subscription, 1)
    await late.close()
    assert [d.body for d in await _receive(subscription, 1)] == [b"late"]


async def test_what_is_handed_back_is_found_at_once(url: str) -> None:
    """A consumer gives up tasks that lie far behind another one's horizon: its notification says so."""
    one, other = PostgresTransport(url, recheck=600), PostgresTransport(url, recheck=600)
    await one.open()
    await other.open()
    await one.declare(Topology(1, frozenset({"mail"})))
    leaving = await one.subscribe(Destination.TASKS, "mail", prefetch=3)
    await one.publish(_mail(b"1", b"2", b"3"))
    await _receive(leaving, 3, ack=False)
    staying = await other.subscribe(Destination.TASKS, "mail", prefetch=10)
    assert isinstance(staying, PostgresSubscription)
    while staying.floor(asyncio.get_running_loop().time()) == 0:
        await one.publish(_mail(b"more"))
        await _receive(staying, 1)
    await leaving.close()
    assert [d.body for d in await _receive(staying, 3)] == [b"1", b"2", b"3"]
    await one.close()
    await other.close()


async def test_a_small_reply_leaves_no_row(url: str, transport: PostgresTransport) -> None:
    """It is a notification; one that is large, or no ASCII, or without id goes by a row. All come."""
    address, inbox = await transport.reply_inbox()
    small = [Message(Destination.REPLIES, address, b'{"n": %d}' % n, None, f"id-{n}") for n in range(20)]
    others = [
        Message(Destination.REPLIES, address, b"x" * 9_000, None, "large"),
        Message(Destination.REPLIES, address, "żółć".encode(), None, "unicode"),
        Message(Destination.REPLIES, address, b"\x00", None, "nul"),
        Message(Destination.REPLIES, address, b"{}", None, "line\nfeed"),
        Message(Destination.REPLIES, address, b"{}"),
    ]
    connection = await asyncpg.connect(url)
    before = await connection.fetchval("SELECT last_value FROM perdure.messages_id_seq")
    transport.post([*small, *others])
    found = await _receive(inbox, 25)
    after = await connection.fetchval("SELECT last_value FROM perdure.messages_id_seq")
    await connection.close()
    assert {(d.body, d.correlation_id) for d in found} == {(m.body, m.correlation_id) for m in small + others}
    assert [d.body for d in found if d.correlation_id in {m.correlation_id for m in small}] == [m.body for m in small]
    assert after - before in {len(others), len(others) - 1}  # a fresh sequence's first value counts as its last


async def test_a_reply_to_a_queue_of_another_kind_is_dropped(transport: PostgresTransport) -> None:
    """A reply address is whatever a publisher says; a partition's queue must not get answers as commands."""
    subscription = await transport.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    transport.post([Message(Destination.REPLIES, "perdure.commands.0", b"{}", None, "x")])
    await transport.publish([Message(Destination.COMMANDS, "0", b"1")])
    assert [d.body for d in await _receive(subscription, 1)] == [b"1"]
