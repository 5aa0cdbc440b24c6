from __future__ import annotations

import asyncio

import pytest

from runtime.transport import Destination, SubscriptionLost
from tests.conformance.transport.kits import Kit, bodies, collect, collect_until, commands, nothing_comes, numbered


async def test_only_one_exclusive_subscriber_is_fed(kit: Kit) -> None:
    """With two of them, all messages go to one."""
    one, other = await kit.declared(), await kit.transport()
    older = await one.subscribe(Destination.COMMANDS, "0", prefetch=100, exclusive=True)
    newer = await other.subscribe(Destination.COMMANDS, "0", prefetch=100, exclusive=True)
    await one.publish(commands(*numbered(20)))
    fed, starved = (newer, older) if kit.takes_over_at_once else (older, newer)
    assert bodies(await collect(fed, 20)) == numbered(20)
    if kit.takes_over_at_once:
        with pytest.raises(SubscriptionLost, match="took over"):
            await starved.receive()
    else:
        assert await nothing_comes(starved, one)


async def test_a_successor_gets_everything_unacked_in_order(kit: Kit) -> None:
    """The old owner closes, as a node that lost its lease must; what it held comes first, in its place.

    What it acked may come again, together with what travelled in the same message of the broker's.
    """
    one, other = await kit.declared(), await kit.transport()
    await one.publish(commands(*numbered(6)))
    older = await one.subscribe(Destination.COMMANDS, "0", prefetch=3, exclusive=True)
    held = await collect(older, 3)
    older.ack(held[0])
    if not kit.takes_over_at_once:
        newer = await other.subscribe(Destination.COMMANDS, "0", prefetch=100, exclusive=True)
        await older.close()
    else:
        await older.close()
        newer = await other.subscribe(Destination.COMMANDS, "0", prefetch=100, exclusive=True)
    found = await collect_until(newer, b"5")
    assert found[-5:] == [b"1", b"2", b"3", b"4", b"5"]
    assert found[:-5] in ([], [b"0"])


async def test_the_older_subscriber_ends_at_once_or_keeps_its_place(kit: Kit) -> None:
    """Where the newest takes over, the older one's `receive` ends at once, and its late acks do nothing."""
    one, other = await kit.declared(), await kit.transport()
    older = await one.subscribe(Destination.COMMANDS, "0", prefetch=100, exclusive=True)
    await one.publish(commands(b"1"))
    held = await collect(older, 1)
    receiving = asyncio.ensure_future(older.receive())
    newer = await other.subscribe(Destination.COMMANDS, "0", prefetch=100, exclusive=True)
    async with asyncio.timeout(10):
        if kit.takes_over_at_once:
            with pytest.raises(SubscriptionLost):
                await receiving
            older.ack(held[0])
            assert bodies(await collect(newer, 1)) == [b"1"]
        else:
            older.ack(held[0])
            await one.publish(commands(b"2"))
            assert bodies(await receiving) == [b"2"]


async def test_partitions_have_their_own_owners(kit: Kit) -> None:
    """Exclusive means exclusive in one queue."""
    one, other = await kit.declared(), await kit.transport()
    first = await one.subscribe(Destination.COMMANDS, "0", prefetch=10, exclusive=True)
    second = await other.subscribe(Destination.COMMANDS, "1", prefetch=10, exclusive=True)
    await one.publish([*commands(b"0"), *commands(b"1", partition=1)])
    assert bodies(await collect(first, 1)) == [b"0"]
    assert bodies(await collect(second, 1)) == [b"1"]
