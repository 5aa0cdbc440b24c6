"""A fork of a schedule lives on by itself, also when what its original has started in former runs still runs."""

from __future__ import annotations

import asyncio

import pytest

from actors import App, Workflow
from runtime.schedules import TYPE, Described, Schedule, workflow
from tests.simulation.world import World, simulate


class Job(Workflow):
    async def run(self) -> None:
        await asyncio.sleep(15)


def test_a_fork_does_not_wait_for_ever_for_what_the_other_one_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork has one of its own started in its place, and goes on when that has ended."""
    monkeypatch.setattr(workflow, "STEPS", 3)
    app = App(actors=[Job])

    async def story(world: World) -> Described:
        world.node()
        async with world.client() as client:
            await client.schedules.create("s", Schedule(every=10), Job)
            await asyncio.sleep(100.5)
            events = world.store.log.streams[f"{TYPE}/s"].events
            assert "RunContinued" in [event.type for event in events[-3:]]  # the job is a former run's
            await client.fork(TYPE, "s", "f", at=len(events))
            await asyncio.sleep(200)
            described = await client.schedules.describe("f")
            await client.schedules.delete("f")
            await client.schedules.delete("s")
        await world.stop_all()
        return described

    described = simulate(story, app, within=1e6)
    assert described.counts.started > 12
    assert described.counts.not_started == 0
