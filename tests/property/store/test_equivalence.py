"""The stores can't be told apart."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings

from eventstore import EventStore, Leases
from tests.conformance.store.kits import PARTITIONS, TTL, MemoryKit, PostgresKit
from tests.property.store.turns import Step, everything, play, steps


class Pair:
    """Both stores on the same empty log; Postgres keeps its connections from example to example."""

    def __init__(self, postgres: PostgresKit, store: EventStore, leases: Leases) -> None:
        self._postgres, self._store, self._leases = postgres, store, leases

    @classmethod
    async def open(cls, postgres: PostgresKit) -> Pair:
        return cls(postgres, await postgres.store(), await postgres.leases())

    async def compare(self, turns: list[Step]) -> None:
        """Play the same steps on both; after each one the answers agree, at the end everything that can be read."""
        await self._postgres.empty()
        memory = MemoryKit()
        mine = (await memory.store(), await memory.leases())
        theirs = (self._store, self._leases)
        for _, leases in (mine, theirs):
            await leases.claim("n1", range(PARTITIONS), TTL)
        for step in turns:
            assert await play(step, *mine) == await play(step, *theirs)
        assert await everything(mine[0]) == await everything(theirs[0])


@pytest.fixture(scope="module")
def pair(postgres_kit: PostgresKit, runner: asyncio.Runner) -> Pair:
    return runner.run(Pair.open(postgres_kit))


@pytest.mark.timeout(300)  # a failure is worth the time to make it small
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(turns=steps)
def test_postgres_and_memory_agree(turns: list[Step], runner: asyncio.Runner, pair: Pair) -> None:
    """Whatever is asked of them, in whatever order, both answer the same and hold the same."""
    runner.run(pair.compare(turns))
