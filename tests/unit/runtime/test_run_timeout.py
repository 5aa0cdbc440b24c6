"""Timeouts of workflows in a node: rows that end an instance, whatever dies, and who hears of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import App, ChildTimedOut, RunTimedOut, Workflow, command
from runtime import CommandInvalid
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate


class Slow(Workflow, timeout=100):
    async def run(self) -> None:
        await asyncio.sleep(10_000)

    @command
    async def wait(self) -> None:
        await self.until(lambda: False)


class Parent(Workflow):
    async def run(self) -> str:
        try:
            await self.execute(Slow, self.id)
        except ChildTimedOut as late:
            return late.type
        return "in time"


class Impatient(Workflow):
    async def run(self) -> str:
        child = self.start_child(Slow, self.id, run_timeout=30)
        await asyncio.sleep(5)
        try:
            await child
        except ChildTimedOut as late:
            return str(late)
        return "in time"


APP = App(actors=[Slow, Parent, Impatient])


async def finish(world: World) -> None:
    await world.until(lambda: all(not p.outbox and not p.timers for p in world.store.log.partitions))
    await world.stop_all()
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues)


def test_child_timed_out() -> None:
    """Its parent hears so, by a class of its own."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            assert await client.execute(Parent, "1", timeout=300) == "ChildTimedOut"
            assert 100 <= world.elapsed < 110
        await finish(world)

    simulate(story, APP)


@pytest.mark.parametrize("dies_at", [1, 29.99, 30.5])
def test_a_child_s_own_timeout_survives_the_node(dies_at: float) -> None:
    """It stands for the class's, from the child's start on, whoever owns the partitions then; and the parent hears it once."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            result = asyncio.ensure_future(client.execute(Impatient, "1", timeout=300))
            await world.pass_time(dies_at - world.elapsed)
            node.die()
            world.node()
            assert "12:00:30" in await result
            assert world.elapsed < 60
        assert types_of(world.store, "Slow/1") == ["RunStarted", "TimerSet", "RunTimedOut"]
        assert types_of(world.store, "Impatient/1").count("ChildFailed") == 1
        await finish(world)

    simulate(story, APP)


@pytest.mark.parametrize("dies_at", [1, 50, 99.99, 100.5])
def test_the_deadline_survives_the_node(dies_at: float) -> None:
    """It is a row; who waits, for the result or for a command, is told by whoever owns the partition then."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Slow, "1")
            result = asyncio.ensure_future(client.result(Slow, "1", timeout=500))
            answer = asyncio.ensure_future(client.call(Slow, "1", "wait", command_id="w", timeout=500))
            await world.pass_time(dies_at - world.elapsed)
            node.die()
            other = world.node()
            with pytest.raises(RunTimedOut):
                await result
            with pytest.raises(Exception, match="timeout"):
                await answer
        await world.served(other)
        assert types_of(world.store, "Slow/1").count("RunTimedOut") == 1
        execution = world.store.log.streams["Slow/1"].execution
        assert execution is not None
        assert execution.status == "timed_out"
        await finish(world)

    simulate(story, APP)


def test_a_start_may_have_its_own() -> None:
    """Instead of the class's."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            with pytest.raises(RunTimedOut):
                await client.execute(Slow, "1", run_timeout=5)
            assert 5 <= world.elapsed < 7
            wrong: Any
            for wrong in (0, -1, "soon"):
                with pytest.raises(CommandInvalid):
                    await client.start(Slow, "2", run_timeout=wrong)
        await finish(world)

    simulate(story, APP)
