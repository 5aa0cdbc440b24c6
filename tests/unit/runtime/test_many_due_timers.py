"""More timers due at once than one look into the database shows are all fired soon, not one page a sweep."""

from __future__ import annotations

import asyncio

import pytest

from runtime.hosting import timers
from tests.simulation.world import World, simulate
from tests.unit.runtime.bank import BANK, Sleeping


def test_the_rest_is_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty sleepers wake at the same moment, and a look shows five: a new owner wakes them within seconds."""
    monkeypatch.setattr(timers, "PAGE", 5)

    async def story(world: World) -> float:
        first = world.node()
        async with world.client() as client:
            await asyncio.gather(*(client.start(Sleeping, str(number), 100.0) for number in range(40)))
            await world.served(first)
            await first.stop()
            world.node()
            await asyncio.gather(*(client.result(Sleeping, str(number), timeout=300) for number in range(40)))
        took = world.elapsed
        await world.stop_all()
        return took

    assert simulate(story, BANK) < 115
