"""Numbers of an actor's commands: no two commands share any, whatever each has asked for without a trace."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from msgspec import Raw, Struct

from actors import Actor, App, SnapshotRefused, command, event, task
from actors.definition import ActorType
from actors.entity import Entity
from actors.journal import CommandCompleted, TaskScheduled, decode_event
from actors.turn import Turn
from tests.unit.actors.stage import NOON, Recorded, raw


@task
async def fetch(n: int) -> int:
    return n


class Fetched(Struct):
    n: int


class Sum(Struct):
    n: int = 0


class Adder(Actor):
    state: Sum

    @command
    async def add(self, n: int, timeouts: int = 0) -> int:
        for _ in range(timeouts):
            async with asyncio.timeout(60):  # set and cancelled in one turn: it takes a number, and leaves no event
                await asyncio.sleep(0)
        self.emit(Fetched(await fetch(n)))
        return self.state.n

    @event
    def fetched(self, fetched: Fetched) -> None:
        self.state.n += fetched.n


KIND = App(actors=[Adder], tasks=[fetch]).type("Adder")


class Desk:
    """An entity, and the stream that a store would have."""

    def __init__(self) -> None:
        self.journal: list[Recorded] = []
        self.entity = self.rebuilt()

    def rebuilt(self) -> Entity:
        assert isinstance(KIND, ActorType)
        entity = Entity(KIND, "Adder/1")
        entity.replay(self.journal)
        return entity

    def keep(self, turn: Turn) -> Turn:
        for record in turn.events:
            at = datetime.fromtimestamp(NOON, UTC)
            self.journal.append(Recorded(len(self.journal) + 1, record.type, record.data, at))
        assert self.entity.version == len(self.journal)
        return turn

    def add(self, id: str, n: int, timeouts: int = 0) -> int:
        """Carry a command out to its end; gives the number of its task."""
        handling = self.entity.carried_out()
        turn = self.keep(handling.command(id, "add", raw({"n": n, "timeouts": timeouts}), NOON))
        (scheduled,) = turn.tasks
        assert isinstance(scheduled, TaskScheduled)
        self.entity.dispose()
        self.entity = self.rebuilt()  # as after a restart, half-way
        handling = self.entity.carried_out()
        assert handling.waiting_for() == [f"task #{scheduled.task} fetch"]
        turn = self.keep(handling.task_completed(scheduled.task, Raw(b"%d" % n), NOON))
        assert [answer.command_id for answer in turn.answers] == [id]
        return scheduled.task


def test_no_two_commands_share_a_number() -> None:
    """Also when the first has used more numbers than it left events, and after a restart at rest."""
    desk = Desk()
    first = desk.add("a", 1, timeouts=20)
    assert first > 20
    ended = decode_event(desk.journal[-1].type, desk.journal[-1].data)
    assert isinstance(ended, CommandCompleted)
    assert ended.asked == first
    desk.entity = desk.rebuilt()
    second = desk.add("b", 2)
    assert second > first
    assert desk.add("c", 3) > second
    assert desk.rebuilt().state() == {"n": 6}


def test_no_snapshot_hides_a_number_that_was_used() -> None:
    """One whose version is below it carries it; an activation from there goes on above it."""
    desk = Desk()
    desk.add("a", 1, timeouts=20)
    for n in range(10):
        begun = desk.rebuilt()
        version, data = begun.version, begun.snapshot()
        assert data.startswith(b"\n") is (begun.asked > version)
        desk.entity = Entity(begun.kind, begun.stream)
        desk.entity.restore(version, data)
        assert (desk.entity.state(), desk.entity.at_rest) == ({"n": n + 1}, True)
        desk.add(f"b{n}", 1)
    numbers = [
        event.task for each in desk.journal if isinstance(event := decode_event(each.type, each.data), TaskScheduled)
    ]
    assert numbers == sorted(set(numbers))


def test_a_command_that_is_under_way_is_in_no_snapshot() -> None:
    """It could not go on from there."""
    desk = Desk()
    desk.keep(desk.entity.carried_out().command("a", "add", raw({"n": 1}), NOON))
    with pytest.raises(SnapshotRefused, match="under way"):
        desk.entity.snapshot()
    desk.entity.dispose()
