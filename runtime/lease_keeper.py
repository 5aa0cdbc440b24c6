"""Which partitions a node owns: heartbeats, the fair share, and leases taken, lost and handed over.

                 claim (free or run out)                     a beat shows another owner,
    not ours ────────────────────────────► ours ────────────────────────────────────────► not ours
                                            │           or no beat came through for a ttl
                                            └── more than the fair share: hand over, then release ──► not ours

Invariant: at most one node writes to a partition. Not this class but the commit keeps it, by comparing the epoch;
leases only make it rare that two nodes try. So a late or lost beat costs time, never correctness.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta

import structlog

from eventstore import Lease, Leases, Membership, StoreError
from runtime.clock import Clock, monotonic

BEATS = 4  # in the time of a lease
PATIENCE = 3  # beats for which a surplus is kept: a node that was just killed is counted for a while

log = structlog.get_logger("perdure.lease")


class LeaseKeeper:
    """Beats for one node. `take`, `lose` and `hand_over` are the node's."""

    def __init__(
        self,
        leases: Leases,
        node: str,
        ttl: float,
        clock: Clock,
        *,
        take: Callable[[Lease], None],
        lose: Callable[[int], Awaitable[None]],
        hand_over: Callable[[int], Awaitable[None]],
        spawn: Callable[[Coroutine[None, None, None], str], object],
    ) -> None:
        self.node = node
        self.owned: dict[int, Lease] = {}
        self._leases, self._ttl, self._clock = leases, ttl, clock
        self._take, self._lose, self._hand_over, self._spawn = take, lose, hand_over, spawn
        self._beaten_at = 0.0
        self._surplus_beats = 0
        self._handing_over: dict[int, asyncio.Event] = {}

    @property
    def current(self) -> bool:
        """Whether the leases can still be ours: no full ttl went by since the last beat that came through was sent."""
        return monotonic() < self._beaten_at + self._ttl

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            try:
                await self.beat()
            except (StoreError, TimeoutError) as error:
                log.warning("no heartbeat", node=self.node, error=str(error) or "timed out")
                if not self.current:
                    for partition in list(self.owned):
                        await self._drop(partition)
            await asyncio.sleep(self._ttl / BEATS)

    async def beat(self) -> None:
        """Renew, look around, and move towards the fair share. Raises `StoreError`, `TimeoutError`."""
        sent = monotonic()
        ttl = timedelta(seconds=self._ttl)
        async with asyncio.timeout(self._ttl / 2):
            seen = await self._leases.beat(self.node, ttl)
        self._clock.set(seen.now)
        self._beaten_at = sent
        for partition, lease in list(self.owned.items()):
            actual = seen.leases[partition]
            if actual.owner != self.node or actual.epoch != lease.epoch:
                await self._drop(partition)
        await self._release_strays(seen)
        missing = self._share(seen) - len(self.owned.keys() - self._handing_over.keys())
        if missing > 0:
            await self._claim(seen, missing, ttl)
        self._surplus_beats = self._surplus_beats + 1 if missing < 0 else 0
        if self._surplus_beats >= PATIENCE:
            self._shed(-missing)

    async def release_all(self) -> None:
        """Hand over everything and leave."""
        await asyncio.gather(*(self._release(partition) for partition in list(self.owned)))
        await self._leases.leave(self.node)

    def lost(self, partition: int) -> None:
        """Hear that a commit was refused: the lease has another owner."""
        self.owned.pop(partition, None)

    def _share(self, seen: Membership) -> int:
        nodes = seen.nodes if self.node in seen.nodes else sorted([*seen.nodes, self.node])
        each, over = divmod(len(seen.leases), len(nodes))
        return each + (1 if nodes.index(self.node) < over else 0)

    async def _claim(self, seen: Membership, most: int, ttl: timedelta) -> None:
        free = [
            lease.partition
            for lease in seen.leases
            if lease.partition not in self.owned
            and (lease.owner is None or lease.expires_at is None or lease.expires_at <= seen.now)
        ]
        if not free:
            return
        # Nodes that look at the same moment should not all reach for the same ones: each begins at its own place.
        start = seen.nodes.index(self.node) * len(free) // len(seen.nodes) if self.node in seen.nodes else 0
        for lease in await self._leases.claim(self.node, (free[start:] + free[:start])[:most], ttl):
            self.owned[lease.partition] = lease
            log.info("partition taken", node=self.node, partition=lease.partition, epoch=lease.epoch)
            self._take(lease)

    async def _release_strays(self, seen: Membership) -> None:
        """Give back what the database says is ours but nobody here serves: the answer to a claim was lost."""
        strays = [lease for lease in seen.leases if lease.owner == self.node and lease.partition not in self.owned]
        if strays:
            await self._leases.release(self.node, strays)

    def _shed(self, surplus: int) -> None:
        self._surplus_beats = 0
        for partition in sorted(self.owned.keys() - self._handing_over.keys())[-surplus:]:
            self._spawn(self._release(partition), f"hand over {partition}")  # beats go on meanwhile

    async def _release(self, partition: int) -> None:
        if (under_way := self._handing_over.get(partition)) is not None:
            await under_way.wait()
            return
        self._handing_over[partition] = asyncio.Event()
        lease = self.owned.get(partition)
        try:
            await self._hand_over(partition)
            if lease is not None and self.owned.get(partition) is lease:  # else it was lost, or lost and claimed again
                del self.owned[partition]
                await self._leases.release(self.node, [lease])
                log.info("partition handed over", node=self.node, partition=partition, epoch=lease.epoch)
        except StoreError as error:  # the next beat finds it as a stray
            log.warning("lease not released yet", node=self.node, partition=partition, error=str(error))
        finally:
            self._handing_over.pop(partition).set()

    async def _drop(self, partition: int) -> None:
        self.owned.pop(partition, None)
        log.warning("partition lost", node=self.node, partition=partition)
        await self._lose(partition)
