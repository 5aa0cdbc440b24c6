"""Cancelling delayed commands where things go wrong: in the very moment when they are due, with unknown commits, whatever the actor does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from actors import App, Workflow, command, query
from runtime import CommandFailed
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.faults import Fate, RepeatingBroker, nth
from tests.simulation.world import World, simulate
from tests.unit.runtime.test_delayed_commands import Bell, Round, SlowBell


class Deployed:
    """Which version of the code runs."""

    fixed = True


class Guest(Workflow):
    """Rings are counted; the run ends when it is told to."""

    def __init__(self) -> None:
        self.rung = 0
        self.leaving = False

    async def run(self) -> int:
        await self.until(lambda: self.leaving)
        return self.rung

    @command
    def ring(self) -> int:
        self.rung += 1
        return self.rung

    @command
    def leave(self) -> None:
        if not Deployed.fixed:
            raise ZeroDivisionError("a mistake")
        self.leaving = True

    @query
    def rings(self) -> int:
        return self.rung


APP = App(actors=[Bell, SlowBell, Round, Guest])


@pytest.fixture(autouse=True)
def _fixed() -> None:
    Deployed.fixed = True


def _clean(world: World) -> None:
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues, ended=False)


async def _settled(world: World) -> None:
    await world.until(lambda: not any(p.outbox for p in world.store.log.partitions), seconds=500)


async def _is_told(again: Awaitable[Any]) -> None:
    with pytest.raises(CommandFailed) as heard:
        await again
    assert heard.value.type == "CommandCancelled"


@pytest.mark.parametrize("broker", [None, RepeatingBroker()], ids=["once", "twice"])
def test_a_command_is_handled_or_cancelled_and_never_both(broker: Any) -> None:
    """Asked for around the moment when it is due, three times at once: all hear the same, and it is so."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Guest, "1")
            ends: list[bool] = []
            for n in range(40):
                handled = await client.query(Guest, "1", "rings"), await client.query(Bell, "b", "times")
                for type, id in ((Guest, "1"), (Bell, "b")):
                    await client.call_later(type, id, "ring", after=2, command_id=f"x{n}")
                await world.pass_time(1.985 + n / 1000)
                told = await asyncio.gather(
                    *(client.delayed.cancel(Guest, "1", f"x{n}", timeout=60) for _ in range(3)),
                    *(client.delayed.cancel(Bell, "b", f"x{n}", timeout=60) for _ in range(3)),
                )
                await _settled(world)
                now = await client.query(Guest, "1", "rings"), await client.query(Bell, "b", "times")
                assert set(told[:3]) == {now[0] == handled[0]}
                assert set(told[3:]) == {now[1] == handled[1]}
                ends += [told[0], told[3]]
            assert set(ends) == {True, False}, "both ends were played"
        await world.stop_all()
        _clean(world)

    simulate(story, APP, broker=broker, sweep_after=6.0)


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.NOT_DONE])
@pytest.mark.parametrize(("method", "n"), [("commit", n) for n in range(3, 8)] + [("outbox_named", 1)])
def test_an_unknown_commit_or_a_lost_read_cancels_once(fate: Fate, method: str, n: int) -> None:
    """Who asks hears in the end that it is cancelled, and nothing of it is handled."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        node.store.plan = nth(method, n, fate)
        async with world.client() as client:
            await client.start(Guest, "1", timeout=100)
            for type, id in ((Guest, "1"), (Bell, "b")):
                await client.call_later(type, id, "ring", after=30, command_id="x", timeout=100)
            for type, id in ((Guest, "1"), (Bell, "b")):
                assert await client.delayed.cancel(type, id, "x", timeout=100) is True
            await world.pass_time(60)
            await _settled(world)
            assert (await client.query(Guest, "1", "rings"), await client.query(Bell, "b", "times")) == (0, 0)
        await world.stop_all()
        assert types_of(world.store, "Guest/1") == ["RunStarted", "CommandReceived", "CommandFailed"]
        _clean(world)

    simulate(story, APP, sweep_after=6.0)


def test_a_node_that_dies_with_the_request_leaves_it_to_the_next() -> None:
    """It was not acked: it comes again."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        async with world.client() as client:
            await client.call_later(Bell, "b", "ring", after=100, command_id="x")
            asking = asyncio.ensure_future(client.delayed.cancel(Bell, "b", "x", timeout=90))
            await asyncio.sleep(0.001)
            node.die()
            world.node()
            assert await asking is True
            await _settled(world)
            await _is_told(client.call(Bell, "b", "ring", command_id="x"))
        await world.stop_all()
        _clean(world)

    simulate(story, APP, sweep_after=6.0)


def test_of_a_workflow_that_has_ended_and_is_started_again() -> None:
    """What nobody would have taken is taken away, and stays so in the next run."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Guest, "1")
            await client.call_later(Guest, "1", "ring", after=50, command_id="x")
            await client.call(Guest, "1", "leave")
            assert await client.delayed.cancel(Guest, "1", "x") is True
            await _settled(world)
            await client.start(Guest, "1", reuse="restart")
            await _is_told(client.call(Guest, "1", "ring", command_id="x"))
            assert await client.delayed.cancel(Guest, "1", "x") is True
            assert await client.query(Guest, "1", "rings") == 0
        await world.stop_all()
        assert await _quarantined(world) == []
        _clean(world)

    async def _quarantined(world: World) -> list[Any]:
        return list(await world.store.quarantined(limit=10))

    simulate(story, APP, sweep_after=6.0)


def test_of_a_workflow_that_starts_over() -> None:
    """In a later run than the one that accepted it; and it is still known as cancelled in the run after that."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Round, "1")
            for n in range(3):
                await client.call_later(Round, "1", "ring", after=50, command_id=f"x{n}")
            assert await client.delayed.cancel(Round, "1", "x0") is True
            await client.call(Round, "1", "ring", command_id="r1")
            assert await client.delayed.cancel(Round, "1", "x1") is True
            await client.call(Round, "1", "ring", command_id="r2")
            assert [await client.delayed.cancel(Round, "1", f"x{n}") for n in range(3)] == [True] * 3
            assert await client.delayed.cancel(Round, "1", "r1") is False
            for n in range(3):
                await _is_told(client.call(Round, "1", "ring", command_id=f"x{n}"))
                await _is_told(client.submit(Round, "1", "ring", command_id=f"x{n}"))
            await _settled(world)
            await client.call(Round, "1", "ring", command_id="r3")
            assert await client.result(Round, "1", timeout=60) == 3
        await world.stop_all()
        _clean(world)

    simulate(story, APP, sweep_after=6.0)


def test_of_an_actor_whose_commands_wait() -> None:
    """Cancelled while another one is under way."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.call_later(SlowBell, "b", "ring", after=50, command_id="x")
            await client.submit(SlowBell, "b", "ring", command_id="now")
            assert await client.delayed.cancel(SlowBell, "b", "x") is True
            assert await client.delayed.cancel(SlowBell, "b", "now") is False
            await _is_told(client.call(SlowBell, "b", "ring", command_id="x"))
            await world.pass_time(60)
            await _settled(world)
        await world.stop_all()
        assert types_of(world.store, "SlowBell/b").count("Rang") == 1
        _clean(world)

    simulate(story, APP, sweep_after=6.0)


def test_of_a_workflow_that_is_stuck() -> None:
    """It is recorded, and the code goes on past it when it is mended."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Guest, "1")
            await client.call_later(Guest, "1", "ring", after=50, command_id="x")
            Deployed.fixed = False
            await client.submit(Guest, "1", "leave")
            await world.until(lambda: "Stuck" in types_of(world.store, "Guest/1"))
            assert await client.delayed.cancel(Guest, "1", "x") is True
            assert await client.delayed.cancel(Guest, "1", "x") is True
            Deployed.fixed = True
            assert await client.result(Guest, "1", timeout=2000) == 0
            await _settled(world)
        await world.stop_all()
        _clean(world)

    simulate(story, APP, sweep_after=6.0)


def test_of_a_workflow_that_is_paused() -> None:
    """It is recorded at once; the code passes over it when it goes on."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Guest, "1")
            await client.call_later(Guest, "1", "ring", after=50, command_id="x")
            await client.corrections.pause(Guest, "1")
            assert await client.delayed.cancel(Guest, "1", "x") is True
            assert await client.delayed.cancel(Guest, "1", "x") is True
            await client.corrections.resume(Guest, "1")
            await _is_told(client.call(Guest, "1", "ring", command_id="x"))
            await client.call(Guest, "1", "leave")
            assert await client.result(Guest, "1") == 0
            await _settled(world)
        await world.stop_all()
        _clean(world)

    simulate(story, APP, sweep_after=6.0)


def test_of_a_workflow_whose_code_is_not_here() -> None:
    """Its journal takes it all the same, and a node that has the code passes over it."""

    async def story(world: World) -> None:
        first = world.node()
        async with world.client() as client:
            await client.start(Guest, "1")
            await client.call_later(Guest, "1", "ring", after=50, command_id="x")
            await first.stop()
            without = world.node(app=App(actors=[Bell]))
            assert await client.delayed.cancel(Guest, "1", "x", timeout=60) is True
            await without.stop()
            world.node()
            await _is_told(client.call(Guest, "1", "ring", command_id="x", timeout=60))
            assert await client.query(Guest, "1", "rings") == 0
            await _settled(world)
        await world.stop_all()
        _clean(world)

    simulate(story, APP, sweep_after=6.0)


def test_of_an_instance_whose_name_begins_like_a_row() -> None:
    """Its rows are not taken for those of the other one."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.call_later(Bell, "b", "ring", after=50, command_id="x")
            row = next(iter(row for p in world.store.log.partitions for row in p.outbox))
            other = row.removeprefix("@Bell/")
            await client.call_later(Bell, other, "ring", after=40, command_id="y")
            assert [each.command_id for each in await client.delayed.list(Bell, "b")] == ["x"]
            assert await client.delayed.cancel(Bell, "b", "x") is True
            assert [each.stream for each in await client.delayed.list()] == [f"Bell/{other}"]
            assert await client.delayed.cancel(Bell, other, "y") is True
        await world.stop_all()
        _clean(world)

    simulate(story, APP, partitions=1)
