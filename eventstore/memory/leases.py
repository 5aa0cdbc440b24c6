"""Leases in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from eventstore.clock import Clock
from eventstore.memory.log import Partition
from eventstore.memory.store import MemoryStore
from eventstore.records import Lease, Membership


class MemoryLeases:
    """`Leases` of a `MemoryStore`; any number of them may share one store, as nodes share a database."""

    def __init__(self, store: MemoryStore, clock: Clock | None = None) -> None:
        self._log = store.log
        self._clock = clock or store.clock

    async def open(self) -> None:
        """Do nothing: memory is always there."""

    async def close(self) -> None:
        """Do nothing; a node that is gone loses its leases when they run out."""

    async def beat(self, node: str, ttl: timedelta) -> Membership:
        """Renew and look around; see `Leases.beat`."""
        now = self._clock()
        self._log.nodes[node] = now + ttl
        for partition in self._log.partitions:
            if partition.owner == node:
                partition.expires_at = now + ttl
        alive = sorted(name for name, expires_at in self._log.nodes.items() if expires_at > now)
        return Membership(now, alive, [_lease(partition) for partition in self._log.partitions])

    async def claim(self, node: str, partitions: Sequence[int], ttl: timedelta) -> list[Lease]:
        """Take free partitions; see `Leases.claim`."""
        now = self._clock()
        taken = []
        for number in sorted(set(partitions)):
            if not 0 <= number < len(self._log.partitions):
                continue
            partition = self._log.partitions[number]
            if partition.owner is None or partition.expires_at is None or partition.expires_at <= now:
                partition.epoch += 1
                partition.owner, partition.expires_at = node, now + ttl
                taken.append(_lease(partition))
        return taken

    async def release(self, node: str, leases: Sequence[Lease]) -> None:
        """Give leases back; see `Leases.release`."""
        for lease in leases:
            partition = self._log.partitions[lease.partition]
            if partition.owner == node and partition.epoch == lease.epoch:
                partition.owner = partition.expires_at = None

    async def leave(self, node: str) -> None:
        """Give back everything; see `Leases.leave`."""
        self._log.nodes.pop(node, None)
        for partition in self._log.partitions:
            if partition.owner == node:
                partition.owner = partition.expires_at = None


def _lease(partition: Partition) -> Lease:
    return Lease(partition.number, partition.epoch, partition.owner, partition.expires_at)
