"""Actors whose own events are named as what only workflows have: they were so before there was such a thing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Raw, Struct

from actors import Actor, App, Renamed, Retired, command, event
from actors.definition import ActorType
from actors.entity import Entity
from actors.turn import Turn
from tests.unit.actors.flows import double
from tests.unit.actors.stage import NOON, Recorded


class Paused(Struct):
    why: str


class Halted(Struct):
    why: str


class State(Struct):
    whys: list[str] = []


class Subscription(Actor):
    state: State

    @command
    async def pause(self, why: str) -> int:
        self.emit(Paused(why))
        n = await double(len(self.state.whys))
        self.emit(Paused(why * 2))
        return n

    @event
    def paused(self, paused: Paused) -> None:
        self.state.whys.append(paused.why)


class Renaming(Actor, name="Subscription"):
    state: State
    upcasters = [Renamed("Paused", Halted)]

    @command
    def halt(self, why: str) -> None:
        self.emit(Halted(why))

    @event
    def halted(self, halted: Halted) -> None:
        self.state.whys.append(halted.why)


class Retiring(Actor, name="Subscription"):
    state: State
    upcasters = [Retired("Paused")]


def entity(cls: type[Actor]) -> Entity:
    kind = App(actors=[cls], tasks=[double]).type("Subscription")
    assert isinstance(kind, ActorType)
    return Entity(kind, "Subscription/1")


def recorded(turns: list[Turn]) -> list[Recorded]:
    at = datetime.fromtimestamp(NOON, UTC)
    records = [record for turn in turns for record in turn.events]
    return [Recorded(number, each.type, each.data, at, each.schema) for number, each in enumerate(records, 1)]


def test_they_stand_among_the_decisions_of_an_async_command() -> None:
    """Live, while it is under way, and when it has ended."""
    live = entity(Subscription)
    handling = live.carried_out()
    turns = [handling.command("c", "pause", Raw(b'{"why":"x"}'), NOON)]
    under_way = entity(Subscription)
    under_way.replay(recorded(turns))
    assert under_way.actor.state.whys == ["x"]
    task = next(json.loads(e.data)["task"] for e in recorded(turns) if e.type == "TaskScheduled")
    turns.append(handling.task_completed(task, Raw(b"2"), NOON))
    ended = entity(Subscription)
    ended.replay(recorded(turns))
    assert ended.state() == live.state() == {"whys": ["x", "xx"]}
    for one in (under_way, live, ended):
        one.carried_out().dispose()


@pytest.mark.parametrize(("cls", "whys"), [(Renaming, ["x"]), (Retiring, [])])
def test_they_may_be_renamed_and_retired(cls: type[Actor], whys: list[Any]) -> None:
    """What was recorded under the name of before is the actor's."""
    folded = entity(cls)
    folded.replay([Recorded(1, "Paused", b'{"why":"x"}', datetime.fromtimestamp(NOON, UTC))])
    assert folded.state() == {"whys": whys}
