"""A hand-over gives back the lease it began with, never one that was taken since."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta

from eventstore import Lease, Membership
from runtime.clock import Clock
from runtime.lease_keeper import LeaseKeeper

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class _Leases:
    """One partition. The first claim gives epoch 1, and so on."""

    def __init__(self) -> None:
        self.lease = Lease(0, 0, None, None)
        self.released: list[int] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def beat(self, node: str, ttl: timedelta) -> Membership:
        return Membership(NOW, [node], [self.lease])

    async def claim(self, node: str, partitions: Sequence[int], ttl: timedelta) -> list[Lease]:
        self.lease = Lease(0, self.lease.epoch + 1, node, NOW + ttl)
        return [self.lease]

    async def release(self, node: str, leases: Sequence[Lease]) -> None:
        self.released += [lease.epoch for lease in leases]

    async def leave(self, node: str) -> None: ...


async def test_a_slow_hand_over_does_not_release_the_next_lease() -> None:
    """Lost while it is handed over, claimed again by the same node, and only then the hand-over ends."""
    handing_over, finish = asyncio.Event(), asyncio.Event()
    taken: list[int] = []

    async def hand_over(_: int) -> None:
        handing_over.set()
        await finish.wait()

    async def lose(_: int) -> None: ...

    def take(lease: Lease) -> None:
        taken.append(lease.epoch)

    def spawn(work: Coroutine[None, None, None], name: str) -> object:
        return asyncio.ensure_future(work)

    leases = _Leases()
    keeper = LeaseKeeper(leases, "n", 1.0, Clock(), take=take, lose=lose, hand_over=hand_over, spawn=spawn)
    await keeper.beat()
    releasing = asyncio.ensure_future(keeper._release(0))
    await handing_over.wait()
    leases.lease = Lease(0, 1, None, None)  # another node had it and gave it back
    await keeper.beat()
    finish.set()
    await releasing
    await keeper.beat()

    assert taken == [1, 2]
    assert 2 not in leases.released
    assert keeper.owned[0].epoch == 2
