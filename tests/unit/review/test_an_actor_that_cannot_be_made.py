"""A mistake in an actor's `__init__` stops that actor, and nothing else."""

from __future__ import annotations

import pytest
from msgspec import Struct

from actors import Actor, App, command, event
from runtime import PerdureError
from runtime.transport.port import Destination, Message
from tests.simulation.world import World, simulate
from tests.unit.runtime.bank import Account


class Counted(Struct):
    pass


class Count(Struct):
    value: int = 0


MISTAKES: list[str] = []


class Counter(Actor):
    state: Count

    def __init__(self) -> None:
        if MISTAKES:
            raise KeyError(MISTAKES[0])

    @command
    def count(self) -> int:
        self.emit(Counted())
        return self.state.value

    @event
    def counted(self, _: Counted) -> None:
        self.state.value += 1


APP = App(actors=[Counter, Account])


@pytest.mark.parametrize("events", [0, 1])
def test_it_is_stuck_until_the_mistake_is_mended(events: int) -> None:
    """Its callers are told, a command that nobody waits for is put aside, and others of the partition go on."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            for n in range(events):
                assert await client.call(Counter, "a", "count", command_id=f"{n}") == n + 1
            await world.until(lambda: not node.node.activations)
            MISTAKES.append("no such setting")
            with pytest.raises(PerdureError, match="no such setting"):
                await client.call(Counter, "a", "count", command_id="x", timeout=10)
            body = b'{"op":"command","type":"Counter","id":"a","name":"count","command_id":"y","input":{}}'
            await client._asker.publisher.publish(Message(Destination.COMMANDS, "0", body))
            await world.until(lambda: world.store.log.partitions[0].quarantine)
            assert await client.call(Account, "a", "deposit", 1, timeout=10) == 1
            MISTAKES.clear()
            await world.pass_time(600)
            assert await client.call(Counter, "a", "count", command_id="z", timeout=10) == events + 1
        await world.stop_all()
        row = await world.store.execution("Counter/a")
        assert row is not None
        assert row.status == "active"

    simulate(story, APP, partitions=1, idle=1.0, within=900)
