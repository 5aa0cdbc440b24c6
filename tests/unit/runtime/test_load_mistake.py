"""A stream that can't be loaded for an unforeseen reason costs its own messages, not the partition."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime import CommandQuarantined
from runtime.hosting.entity import EntityBehaviour
from tests.simulation.world import World, simulate
from tests.unit.runtime.bank import BANK, Account


def test_others_go_on_and_its_own_are_put_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command is tried a few times and then put aside with the reason; a neighbour is served meanwhile."""
    load = EntityBehaviour.load

    def planted(self: EntityBehaviour, *arguments: Any, **options: Any) -> Any:
        if self.stream == "Account/bad":
            raise LookupError("unforeseen")
        return load(self, *arguments, **options)

    monkeypatch.setattr(EntityBehaviour, "load", planted)

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            refused = asyncio.ensure_future(client.call(Account, "bad", "deposit", 1, timeout=60))
            assert await client.call(Account, "good", "deposit", 5, timeout=60) == 5
            with pytest.raises(CommandQuarantined, match="unforeseen"):
                await refused
            assert await client.query(Account, "good", "balance") == 5
        assert [kept.reason for kept in await world.store.quarantined()] == ["LookupError: unforeseen"]
        await world.stop_all()

    simulate(story, BANK)
