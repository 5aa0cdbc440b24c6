"""What was put aside can be sent again once its cause was mended, and still counts once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from actors import Actor, App, event
from eventstore import Quarantined
from runtime import CommandQuarantined
from runtime.messages import Send, encode_message
from runtime.redrive import RedriveRefused, redrive
from tests.simulation.faults import all_good
from tests.simulation.world import World, simulate
from tests.unit.runtime.tally import TALLIES, Added, Tally


class _Mended(Tally, name="Tally"):
    """Takes what the other one crashes of."""

    def add(self, units: int) -> int:
        self.emit(Added(units))
        return self.state.units

    @event
    def added(self, e: Added) -> None:
        self.state.units += e.units


_made: list[type[Actor]] = [_Mended]
MENDED = App(actors=_made)


async def _quarantined(world: World, id: str = "poison") -> Quarantined:
    """Have a command be given up, and its node be replaced by one that is mended."""
    node = world.node()
    async with world.client() as client:
        await client.call(Tally, "a", "add", 1)
        with pytest.raises(CommandQuarantined):
            await client.call(Tally, "a", "add", 13, command_id=id)
    await node.stop()
    [record] = await world.store.quarantined()
    return record


def test_a_command_that_was_given_up_counts_once() -> None:
    """Also when whoever sends it again dies before its row is gone, and does it again."""

    async def story(world: World) -> None:
        record = await _quarantined(world)
        transport = world.transport(all_good)
        await transport.open()
        world.node(app=MENDED)
        for _ in range(2):
            sent = await redrive(world.store, transport, record, world.now())
            assert isinstance(sent, Send)
            assert (sent.command_id, sent.correlation_id) == (f"redriven-{record.id}", "poison")
        async with world.client() as client:
            await world.until(lambda: len(world.store.log.streams["Tally/a"].events) == 2)
            assert (await client.query(Tally, "a", "view")).units == 14
            with pytest.raises(CommandQuarantined):  # its sender was told so, and is told the same again
                await client.call(Tally, "a", "add", 13, command_id="poison")
        assert await world.store.quarantined() == []
        await transport.close()
        await world.stop_all()

    simulate(story, TALLIES)


def test_one_that_was_never_handled_keeps_its_id() -> None:
    """Its sender may send it again, and it counts once all the same. It is not too old: somebody wants it now."""

    async def story(world: World) -> None:
        world.node()
        transport = world.transport(all_good)
        await transport.open()
        old = Send(type="Tally", id="a", name="add", command_id="c1", sent_at=datetime(2000, 1, 1, tzinfo=UTC))
        body = encode_message(old).replace(b'"command_id"', b'"input":{"units":5},"command_id"')
        record = Quarantined("q1", "commands:0", body, "no such type then", 0, world.now())
        await redrive(world.store, transport, record, world.now())
        async with world.client() as client:
            await world.until(lambda: "Tally/a" in world.store.log.streams)
            assert await client.call(Tally, "a", "add", 5, command_id="c1") == 5
            assert await redrive(world.store, transport, record, world.now()) is None
            assert (await client.query(Tally, "a", "view")).units == 5
        await transport.close()
        await world.stop_all()

    simulate(story, TALLIES)


def test_what_can_not_be_read_stays() -> None:
    """No node could handle it; the message says what to do instead."""

    async def story(world: World) -> None:
        record = Quarantined("q1", "ingress:x", b"\xff", "unreadable", 0, world.now())
        with pytest.raises(RedriveRefused, match="perdure quarantine discard q1"):
            await redrive(world.store, world.transport(all_good), record, world.now())

    simulate(story, TALLIES)
