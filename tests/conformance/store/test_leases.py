"""Leases: time-bounded ownership of partitions, told apart by epochs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from eventstore import Lease, Leases
from tests.conformance.store.kits import TTL, Kit


def brief(leases: list[Lease]) -> list[tuple[int, int, str | None]]:
    return [(lease.partition, lease.epoch, lease.owner) for lease in leases]


async def test_claiming_free_partitions(leases: Leases) -> None:
    """Each one taken gets the next epoch; one that does not exist is not taken."""
    assert brief(await leases.claim("n1", [2, 0, 2, 99], TTL)) == [(0, 1, "n1"), (2, 1, "n1")]


async def test_a_held_lease_is_not_for_the_taking(leases: Leases) -> None:
    """Not by others, and not again by its owner."""
    await leases.claim("n1", [0], TTL)
    assert brief(await leases.claim("n2", [0, 1], TTL)) == [(1, 1, "n2")]
    assert await leases.claim("n1", [0], TTL) == []


async def test_an_expired_lease_is(kit: Kit, leases: Leases) -> None:
    """The epoch grows with every change of owner, back to the first one too."""
    await leases.claim("n1", [0], TTL)
    await kit.pass_time(TTL)
    assert brief(await leases.claim("n2", [0], TTL)) == [(0, 2, "n2")]
    await kit.pass_time(TTL)
    assert brief(await leases.claim("n1", [0], TTL)) == [(0, 3, "n1")]


async def test_two_claim_at_once_one_wins(kit: Kit) -> None:
    """Every partition goes to exactly one of them, under epoch 1."""
    several = [await kit.leases() for _ in range(4)]
    taken = await asyncio.gather(*(one.claim(f"n{n}", range(kit.partitions), TTL) for n, one in enumerate(several)))
    won = sorted((lease.partition, lease.epoch) for leases in taken for lease in leases)
    assert won == [(p, 1) for p in range(kit.partitions)]


async def test_a_beat_renews(kit: Kit, leases: Leases) -> None:
    """A lease renewed in time never runs out."""
    await leases.claim("n1", [0], TTL)
    for _ in range(3):
        await kit.pass_time(TTL * 0.8)
        await leases.beat("n1", TTL)
        assert await leases.claim("n2", [0], TTL) == []


async def test_a_lease_that_ran_out_but_nobody_took_is_renewed(kit: Kit, leases: Leases) -> None:
    """Under the same epoch: nobody else can have written."""
    await leases.claim("n1", [0], TTL)
    await kit.pass_time(3 * TTL)
    seen = await leases.beat("n1", TTL)
    assert brief(seen.leases)[0] == (0, 1, "n1")
    assert await leases.claim("n2", [0], TTL) == []


async def test_a_lost_lease_is_not_renewed(kit: Kit, leases: Leases) -> None:
    """The beat says who has it now."""
    await leases.claim("n1", [0], TTL)
    await kit.pass_time(TTL)
    await leases.claim("n2", [0], TTL)
    seen = await leases.beat("n1", TTL)
    assert brief(seen.leases)[0] == (0, 2, "n2")


async def test_what_a_beat_sees(kit: Kit, leases: Leases) -> None:
    """Live nodes sorted, itself included, and every partition by number with its end in the clock's time."""
    other = await kit.leases()
    await other.beat("n2", TTL)
    await leases.claim("n1", [1], TTL)
    seen = await leases.beat("n1", timedelta(seconds=30))
    assert seen.nodes == ["n1", "n2"]
    assert brief(seen.leases) == [(0, 0, None), (1, 1, "n1"), (2, 0, None), (3, 0, None)]
    assert seen.leases[1].expires_at == seen.now + timedelta(seconds=30)
    assert seen.now.utcoffset() == timedelta(0)


async def test_a_silent_node_is_gone_after_its_own_ttl(kit: Kit, leases: Leases) -> None:
    """Each node says itself how long its silence may last."""
    await leases.beat("short", TTL)
    await leases.beat("long", 3 * TTL)
    await kit.pass_time(2 * TTL)
    assert (await leases.beat("n1", TTL)).nodes == ["long", "n1"]


async def test_release_gives_back_at_once(leases: Leases) -> None:
    """The next owner gets the next epoch."""
    [lease] = await leases.claim("n1", [0], TTL)
    await leases.release("n1", [lease])
    assert brief(await leases.claim("n2", [0], TTL)) == [(0, 2, "n2")]


async def test_release_of_what_is_no_longer_held_does_nothing(kit: Kit, leases: Leases) -> None:
    """Neither another owner's lease nor an own one of a later epoch is given back."""
    [old] = await leases.claim("n1", [0], TTL)
    await kit.pass_time(TTL)
    [own] = await leases.claim("n1", [0], TTL)
    await leases.release("n1", [old])
    await leases.release("n2", [own])
    await leases.release("n1", [])
    assert brief((await leases.beat("n1", TTL)).leases)[0] == (0, 2, "n1")


async def test_leave_gives_back_everything(leases: Leases) -> None:
    """The node is no member any more and its partitions are free; leaving twice is harmless."""
    await leases.claim("n1", [0, 1], TTL)
    await leases.claim("n2", [2], TTL)
    await leases.beat("n1", TTL)
    await leases.leave("n1")
    await leases.leave("n1")
    seen = await leases.beat("n2", TTL)
    assert seen.nodes == ["n2"]
    assert brief(seen.leases) == [(0, 1, None), (1, 1, None), (2, 1, "n2"), (3, 0, None)]
