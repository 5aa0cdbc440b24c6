"""A life of commands between actors: awaited and told, in order, refused, from a run and from an actor's command."""

from __future__ import annotations

import asyncio
from typing import Any

from actors import App, CallFailed, Rejected, Workflow, command
from runtime import Client
from tests.notebook import Notebook, Noted
from tests.simulation.audit import types_of
from tests.simulation.scenario import WAIT, Scenario
from tests.simulation.world import World


class Notes(Notebook):
    @command
    def note(self, line: str) -> int:
        if line == "nonsense":
            raise Rejected("that is nonsense")
        self.emit(Noted(line))
        if self.id != "copy":
            self.tell(Notes, "copy").note(f"{self.id} {line}")
        return len(self.state.lines)


class Patient(Workflow, name="Listener"):
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def run(self) -> list[str]:
        await self.until(lambda: len(self.heard) == 2)
        return self.heard

    @command
    async def hear(self, what: str) -> str:
        self.heard.append(what)
        await self.until(lambda: len(self.heard) == 2)
        return f"heard {what}"


class Speaker(Workflow):
    async def run(self) -> list[Any]:
        for line in "12":
            self.tell(Notes, "a").note(line)
        numbers = await asyncio.gather(*(self.actor(Notes, "a").note(line) for line in "34"))
        listener = self.actor(Patient, "l")
        heard = await asyncio.gather(listener.hear("x"), listener.hear("y"))
        try:
            await self.actor(Notes, "b").note("nonsense")
        except CallFailed as failed:
            return [*numbers, *heard, failed.type]
        return []


APP = App(actors=[Notes, Patient, Speaker])


async def tell(world: World, client: Client) -> None:
    """Tell of a workflow that gives commands, which nobody asks about once it was started."""
    await client.start(Patient, "l", command_id="listen", timeout=WAIT)
    await client.start(Speaker, "1", command_id="start", timeout=WAIT)
    await world.until(lambda: types_of(world.store, "Speaker/1")[-1] == "RunCompleted", seconds=WAIT, what="its end")
    assert await client.result(Speaker, "1", timeout=WAIT) == [3, 4, "heard x", "heard y", "Rejected"]
    await world.until(lambda: len(types_of(world.store, "Notes/copy")) == 4, seconds=WAIT, what="what was told")
    assert await client.query(Notes, "copy", "lines", timeout=WAIT) == [f"a {n}" for n in (1, 2, 3, 4)]


def check(world: World) -> None:
    """Check what is left: each command once, in order, and each answer once."""
    assert types_of(world.store, "Notes/a") == ["Noted", "CommandSent"] * 4
    assert sorted(types_of(world.store, "Speaker/1")) == (
        ["CommandAnswered"] * 5 + ["CommandSent"] * 7 + ["RunCompleted", "RunStarted"]
    )
    streams = world.store.log.streams
    assert len({streams[name].partition for name in ("Speaker/1", "Notes/a", "Notes/copy", "Listener/l")}) == 2


CALLS = Scenario(tell, check, sweep_after=6.0, app=APP)
