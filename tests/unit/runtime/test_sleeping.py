"""Durable timers, and instances that are not in memory while they wait."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.faults import Fate, every
from tests.simulation.world import World, simulate
from tests.unit.runtime.bank import BANK, Account, Sleeping


@pytest.mark.parametrize("away", [0.0, 30.0, 100.0])
def test_a_timer_fires_once_and_not_early_after_a_restart(away: float) -> None:
    """Whether it comes due while a node is up, while none is, or later than the owner looks ahead."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Sleeping, "1", 90.0)
            await world.pass_time(5)
            node.die()
            await world.pass_time(away)
            world.node()
            slept = await client.result(Sleeping, "1", timeout=200)
            assert max(90.0, away + 5) <= slept < max(90.0, away + 5) + 5
        await world.stop_all()
        audit_log(world.store, BANK)
        audit_rest(world.store, world.broker, BANK.task_queues)
        assert types_of(world.store, "Sleeping/1") == ["RunStarted", "TimerSet", "TimerFired", "RunCompleted"]

    simulate(story, BANK)


def test_a_timer_set_by_an_unknown_commit_fires_soon() -> None:
    """The commit's answer was lost, so its owner's memory does not know of the timer; its row does."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        node.store.plan = every(1, Fate.ANSWER_LOST, "commit")
        async with world.client() as client:
            starting = asyncio.ensure_future(client.start(Sleeping, "1", 3.0, timeout=30))
            await world.until(lambda: "Sleeping/1" in world.store.log.streams)
            await world.pass_time(0.2)
            node.store.plan = lambda _: Fate.GOOD
            await starting
            assert 3.0 <= await client.result(Sleeping, "1", timeout=30) < 6.0
        await world.stop_all()

    simulate(story, BANK, sweep_after=60.0)


def test_an_unloaded_instance_answers_as_before() -> None:
    """What is idle leaves the memory; whatever comes for it loads it again."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Sleeping, "1", 1000.0)
            for rung in range(1, 6):
                assert await client.call(Sleeping, "1", "ring") == rung
                await world.until(lambda: node.node.activations == 0, what="unloaded")
                assert await client.query(Sleeping, "1", "rings") == rung
        await world.stop_all()

    simulate(story, BANK, idle=2.0)


def test_thousands_of_sleepers_need_no_memory() -> None:
    """Only their rows are left after a while, and each wakes in time; 20,000 of them with PERDURE_EVERY_AWAIT=1."""
    count = 20_000 if os.environ.get("PERDURE_EVERY_AWAIT") else 5_000

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            for begin in range(0, count, 1000):
                await asyncio.gather(
                    *(client.start("Sleeping", f"{n}", input={"seconds": 200.0}) for n in range(begin, begin + 1000))
                )
                assert node.node.activations <= 2_500
                await world.pass_time(3)
            await world.until(lambda: node.node.activations == 0, what="all unloaded")
            assert sum(len(partition.timers) for partition in world.store.log.partitions) == count
            await world.until(
                lambda: not any(partition.timers for partition in world.store.log.partitions), seconds=300, what="woken"
            )
        await world.stop_all()
        streams = world.store.log.streams.values()
        assert {stream.execution.status for stream in streams if stream.execution} == {"completed"}
        assert all([e.type for e in s.events][-2:] == ["TimerFired", "RunCompleted"] for s in streams)

    simulate(story, BANK, idle=5.0, activations=1000, prefetch=500)


def test_actors_over_the_limit_are_unloaded_before_they_are_idle() -> None:
    """The longest unused first."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await asyncio.gather(*(client.call(Account, f"{n}", "deposit", 1) for n in range(200)))
            await world.until(lambda: node.node.activations <= 20, seconds=10)
        await world.stop_all()

    simulate(story, BANK, activations=20, idle=1000.0)


def test_workflow_code_logs_each_line_once() -> None:
    """Not again on replay, and with what it is about: actor, version, correlation id, phase."""

    async def story(world: World) -> list[Any]:
        structlog.reset_defaults()
        with capture_logs() as lines:
            node = world.node()
            async with world.client() as client:
                await client.start(Sleeping, "1", 30.0, correlation_id="flow")
                for _ in range(3):
                    await world.until(lambda: node.node.activations == 0, what="unloaded")
                    await client.query(Sleeping, "1", "rings")
                node.die()
                world.node()
                await client.result(Sleeping, "1", timeout=60)
            await world.stop_all()
        return [line for line in lines if line["event"] == "goes to sleep"]

    (line,) = simulate(story, BANK, idle=2.0)
    assert line["actor"] == "Sleeping/1"
    assert (line["version"], line["correlation_id"], line["phase"], line["seconds"]) == (2, "flow", "active", 30.0)
