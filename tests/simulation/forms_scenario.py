"""A life of commands in their other forms: with a start, accepted, judged, for later; and of promises."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec import Struct

from actors import Actor, App, Rejected, Workflow, command, event, query, validator
from runtime import Client, CommandFailed
from tests.simulation.audit import types_of
from tests.simulation.scenario import WAIT, Scenario
from tests.simulation.world import World


class Rang(Struct):
    who: str


class Rings(Struct):
    by: list[str] = []


class Bell(Actor):
    state: Rings

    @command
    def ring(self, who: str) -> int:
        self.emit(Rang(who))
        return len(self.state.by)

    @validator(ring)
    def may_ring(self, who: str) -> None:
        if who == "thief" or who in self.state.by:
            raise Rejected(f"{who} may not ring")

    @event
    def rang(self, e: Rang) -> None:
        self.state.by.append(e.who)

    @query
    def by(self) -> list[str]:
        return self.state.by


class Visit(Workflow):
    def __init__(self) -> None:
        self.notes: list[str] = []

    async def run(self, who: str) -> list[str]:
        door = await self.promise("door", str)
        await self.until(lambda: len(self.notes) == 3)
        return [who, door, *self.notes, await self.promise("early", str)]

    @command
    def note(self, text: str) -> int:
        self.notes.append(text)
        return len(self.notes)


APP = App(actors=[Bell, Visit])


async def tell(world: World, client: Client) -> None:
    """Tell of a visit that begins with its first command, waits for promises, and gets a command that was sent for later."""
    assert await client.start_and_call(Visit, "1", ["ann"], "note", "first", command_id="n1", timeout=WAIT) == 1
    await client.call_later(Visit, "1", "note", "later", after=3, command_id="n3", timeout=WAIT)
    await client.call_later(Bell, "b", "ring", "ann", after=2, command_id="r1", timeout=WAIT)
    await client.submit(Visit, "1", "note", "second", command_id="n2", timeout=WAIT)
    with pytest.raises(CommandFailed, match="thief may not ring"):
        await client.call(Bell, "b", "ring", "thief", command_id="r2", timeout=WAIT)
    assert (await client.resolve(Visit, "1", "early", "bird", command_id="p1", timeout=WAIT)).resolved
    assert (await client.resolve(Visit, "1", "door", "open", command_id="p2", timeout=WAIT)).resolved
    other = await client.reject(Visit, "1", "door", "closed", command_id="p3", timeout=WAIT)
    assert (other.resolved, other.result) == (False, "open")
    assert await client.result(Visit, "1", timeout=WAIT) == ["ann", "open", "first", "second", "later", "bird"]
    await world.until(lambda: types_of(world.store, "Bell/b") == ["Rang"], seconds=WAIT, what="the bell")
    assert await client.query(Bell, "b", "by", timeout=WAIT) == ["ann"]


def check(world: World) -> None:
    """Check what is left: each command and promise once, and the first command in the commit of the start."""
    events = world.store.log.streams["Visit/1"].events
    assert [event.type for event in events[:2]] == ["RunStarted", "CommandReceived"]
    assert events[0].recorded_at == events[1].recorded_at
    assert Counter(event.type for event in events) == {
        "RunStarted": 1, "CommandReceived": 3, "CommandCompleted": 3, "PromiseResolved": 2, "RunCompleted": 1,
    }  # fmt: skip
    assert types_of(world.store, "Bell/b") == ["Rang"]


FORMS = Scenario(tell, check, sweep_after=6.0, app=APP)
