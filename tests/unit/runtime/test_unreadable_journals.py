"""A workflow whose journal has an event that this node can't read: stuck with the reason, whatever comes; others go on."""

from __future__ import annotations

from typing import Any

import pytest

from actors import App, Workflow, command, task
from runtime import CommandInvalid, InstanceStuck
from tests.simulation.audit import audit_log
from tests.simulation.world import World, simulate


@task
async def weigh(what: str) -> int:
    return len(what)


class Scales(Workflow):
    def __init__(self) -> None:
        self.done = False

    async def run(self, what: str) -> int:
        grams = await weigh(what)
        await self.until(lambda: self.done)
        return grams

    @command
    def finish(self) -> None:
        self.done = True


APP = App(actors=[Scales], tasks=[weigh])
UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a type that nobody knows": (
        {"type": "TaskTeleported"},
        "Nondeterminism: Scales/1: at version 3 the journal has an event of type TaskTeleported, but the code now does not know that type",
    ),
    "a damaged payload": (
        {"data": b'{"task":"one"}'},
        "Nondeterminism: Scales/1: at version 3 the journal has an event of type TaskCompleted, but the code now can't read it: Expected `int`",
    ),
    "no JSON": (
        {"data": b"\x00\x01"},
        "Nondeterminism: Scales/1: at version 3 the journal has an event of type TaskCompleted, but the code now can't read it: JSON is malformed",
    ),
    "a schema of tomorrow": (
        {"schema": 9},
        "Nondeterminism: Scales/1: at version 3 the journal has TaskCompleted(#1) of schema 9, but the code now knows it up to schema 1",
    ),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_it_is_stuck_until_a_node_can_read_it(what: str) -> None:
    """Named in the listing, told to who asks, with no event skipped; and it goes on where it can be read."""
    changes, why = UNREADABLE[what]

    async def story(world: World) -> None:
        node = world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Scales, "1", "flour")
            stream = world.store.log.streams["Scales/1"]
            await world.until(lambda: len(stream.events) == 3)
            await node.stop()
            event = stream.events[2]
            whole: dict[str, Any] = {name: getattr(event, name) for name in changes}
            for name, value in changes.items():
                setattr(event, name, value)
            node = world.node()
            with pytest.raises(InstanceStuck, match="Scales/1"):
                await client.call(Scales, "1", "finish", command_id="f")
            (row,) = await client.list(status="stuck")
            assert (row.execution.error or "").startswith(why)
            assert await client.start(Scales, "2", "sugar")
            await node.stop()
            for name, value in whole.items():
                setattr(event, name, value)
            world.node()
            assert await client.result(Scales, "1", timeout=30) == 5
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_fork_of_it_is_refused(what: str) -> None:
    """With the event and the reason, before anything is written; whether or not that event is to be changed."""
    changes, why = UNREADABLE[what]

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Scales, "1", "flour")
            stream = world.store.log.streams["Scales/1"]
            await world.until(lambda: len(stream.events) == 3)
            event = stream.events[2]
            for name, value in changes.items():
                setattr(event, name, value)
            with pytest.raises(CommandInvalid, match="can't be replayed up to there") as refused:
                await client.fork(Scales, "1", "2", at=3)
            assert why.partition("Scales/1: ")[2] in str(refused.value)
            with pytest.raises(CommandInvalid, match=r"(at|of) version 3"):
                await client.fork(Scales, "1", "2", at=3, changes={3: {"result": 5}})
            assert "Scales/2" not in world.store.log.streams

    simulate(story, APP)
