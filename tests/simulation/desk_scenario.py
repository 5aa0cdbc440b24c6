"""A life of an actor whose commands wait: for tasks, a local task, a timer, another actor; with others behind them."""

from __future__ import annotations

import asyncio

import pytest

from actors import App, Rejected, Snapshots, command
from runtime import Client, CommandFailed
from tests.notebook import Notebook, Noted
from tests.simulation.audit import types_of
from tests.simulation.scenario import OUTSIDE, WAIT, Scenario, price, reserve, stamp
from tests.simulation.world import World


class Desk(Notebook):
    snapshots = Snapshots(every_events=2, least_share=0)

    @command
    async def work(self, item: str) -> list[str]:
        self.emit(Noted(f"begin {item}"))
        found, _ = await asyncio.gather(reserve(item), price(item))
        self.emit(Noted(await stamp(found)))
        await asyncio.sleep(1.5)
        self.emit(Noted(await self.actor(Desk, "b").note(f"from {self.id}")))
        self.tell(Desk, "b").note("and out")
        return self.state.lines

    @command
    async def set_then_fail(self) -> None:
        self.emit(Noted("set"))
        await asyncio.sleep(0.5)
        raise Rejected("failed after all")

    @command
    def note(self, line: str) -> str:
        self.emit(Noted(line))
        if line == "nonsense":
            raise Rejected("that is nonsense")
        return f"noted {line}"


APP = App(actors=[Desk], tasks=[reserve, price, stamp])
WORKED = ["begin tea", "stamped reserved tea", "noted from a"]


async def tell(world: World, client: Client) -> None:
    """Tell of a command that waits, and of those that come meanwhile; each is asked about until it is answered."""
    await client.submit(Desk, "a", "work", "tea", command_id="work", timeout=WAIT)
    for number, line in enumerate(["x", "nonsense", "y"]):
        await client.submit(Desk, "a", "note", line, command_id=f"n{number}", timeout=WAIT)
    await client.submit(Desk, "a", "set_then_fail", command_id="fail", timeout=WAIT)
    assert await client.call(Desk, "a", "work", "tea", command_id="work", timeout=WAIT) == WORKED
    assert await client.call(Desk, "a", "note", "y", command_id="n2", timeout=WAIT) == "noted y"
    for name, arguments, id in (("note", ["nonsense"], "n1"), ("set_then_fail", [], "fail")):
        with pytest.raises(CommandFailed):
            await client.call(Desk, "a", name, *arguments, command_id=id, timeout=WAIT)
    assert await client.call(Desk, "a", "note", "at rest", command_id="rest", timeout=WAIT) == "noted at rest"
    await world.until(lambda: len(types_of(world.store, "Desk/b")) == 2, seconds=WAIT, what="what was told")


def check(world: World) -> None:
    """Check what is left: each effect once, and every command carried out once and alone."""
    assert OUTSIDE.effects.keys() == {"Desk/a#2", "Desk/a#3", "Desk/a#4"}
    types = types_of(world.store, "Desk/a")
    assert types.count("CommandReceived") == types.count("CommandCompleted") + types.count("CommandFailed")
    lines = [event.data for event in world.store.log.streams["Desk/a"].events if event.type == "Noted"]
    assert lines == [b'{"line":"%s"}' % line.encode() for line in [*WORKED, "x", "y", "set", "at rest"]]
    assert types_of(world.store, "Desk/b") == ["Noted", "Noted"]


DESK = Scenario(tell, check, sweep_after=6.0, app=APP)
