"""A command that was refused after it had emitted leaves nothing behind, also when it had waited for another one."""

from __future__ import annotations

import asyncio

import pytest

from actors import App, Rejected, command
from runtime import CommandFailed
from tests.notebook import Notebook, Noted
from tests.simulation.world import World, simulate


class Book(Notebook):
    @command
    async def work(self) -> None:
        self.emit(Noted("begin"))
        await asyncio.sleep(5)
        self.emit(Noted("end"))

    @command
    def note(self, line: str) -> int:
        self.emit(Noted(line))
        if line == "nonsense":
            raise Rejected("nonsense")
        return len(self.state.lines)


def test_refused_while_waiting() -> None:
    """Neither a query nor the next command sees what they emitted, and whoever waits behind them has a turn."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            work = asyncio.create_task(client.call(Book, "1", "work"))
            await world.until(lambda: "Book/1" in world.store.log.streams)
            refused = [asyncio.create_task(client.call(Book, "1", "note", "nonsense")) for _ in range(2)]
            later = asyncio.create_task(client.call(Book, "1", "note", "later"))
            await work
            for each in refused:
                with pytest.raises(CommandFailed, match="nonsense"):
                    await each
            assert await later == 3
            assert await client.query(Book, "1", "lines") == ["begin", "end", "later"]

    simulate(story, App(actors=[Book]))
