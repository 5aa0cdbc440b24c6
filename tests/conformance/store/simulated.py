"""The store that the simulation uses, in calm weather: what is found on it must be true of the real one."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import cast

from eventstore import EventStore, Leases, MemoryLeases, MemoryStore
from tests.conformance.store.kits import NOW, PARTITIONS
from tests.simulation.network import RemoteStore
from tests.simulation.weather import Weather


class SimulatedKit:
    """A log in memory, behind a network in which nothing goes wrong."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self._now = NOW
        self._weather = Weather(Random(1))
        self._store = MemoryStore(partitions, clock=lambda: self._now)

    async def store(self) -> EventStore:
        return cast("EventStore", RemoteStore(self._store, self._weather))

    async def leases(self) -> Leases:
        return cast("Leases", RemoteStore(MemoryLeases(self._store), self._weather))

    async def pass_time(self, duration: timedelta) -> None:
        self._now += duration

    async def close(self) -> None:
        await self._store.close()
