"""Who asks for a fork while it comes into being is answered: what was loaded too early is dropped, and nothing that waited for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import App, Workflow, query
from eventstore.memory.store import MemoryStore
from runtime import NotFound
from runtime.hosting.activation import Activation
from tests.simulation.audit import audit_log
from tests.simulation.world import World, simulate


class Waiting(Workflow):
    async def run(self) -> None:
        await self.until(lambda: False)

    @query
    def word(self) -> str:
        return "here"


APP = App(actors=[Waiting])


def test_who_asks_while_a_fork_is_made_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message once, without being sent again: by the fork, or that it is not there yet."""
    load = MemoryStore.load
    early: list[str] = []
    drop = Activation.drop

    async def slow(self: MemoryStore, *args: Any) -> Any:
        loaded = await load(self, *args)
        await asyncio.sleep(0.05)
        return loaded

    def noted(self: Activation) -> Any:
        early.extend([self.stream] * bool(self.mailbox and not self.host.dropped))
        return drop(self)

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:

            async def ask(after: float) -> str:
                await asyncio.sleep(after)
                try:
                    return str(await client.query(Waiting, "2", "word", timeout=1))
                except NotFound:
                    return "not yet"

            await client.start(Waiting, "1")
            monkeypatch.setattr(MemoryStore, "load", slow)
            monkeypatch.setattr(Activation, "drop", noted)
            asked = [asyncio.ensure_future(ask(number / 200)) for number in range(40)]
            await client.fork(Waiting, "1", "2", at=1)
            assert set(await asyncio.gather(*asked)) <= {"here", "not yet"}
            assert early == ["Waiting/2"]
            monkeypatch.undo()
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)
