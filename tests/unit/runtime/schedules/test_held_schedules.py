"""A schedule's instance that somebody holds by hand (`perdure pause`): what came meanwhile may reach across its runs."""

from __future__ import annotations

import asyncio

from actors import App, Workflow
from runtime import Client
from runtime.schedules import TYPE, Described, Overlap, Schedule
from runtime.schedules.workflow import STEPS
from tests.simulation.audit import audit_log
from tests.simulation.world import World, simulate

RARELY = Schedule(every=1e7, overlap=Overlap.ALLOW_ALL)


class Job(Workflow):
    async def run(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds


async def triggered(client: Client, times: int) -> list[asyncio.Task[str | None]]:
    """Ask for starts, in order; none is answered while the schedule is held."""
    asked = []
    for _ in range(times):
        asked.append(asyncio.create_task(client.schedules.trigger("s", timeout=600)))
        await asyncio.sleep(0.01)
    return asked


def held(before: int, meanwhile: int, seconds: float) -> Described:
    """Hold a schedule for a minute after some triggers, give it others, let it go on, and say what it knows then."""
    app = App(actors=[Job])

    async def story(world: World) -> Described:
        node = world.node()
        async with world.client() as client:
            await client.schedules.create("s", RARELY, Job, seconds=seconds)
            await asyncio.gather(*await triggered(client, before))
            await client.corrections.pause(TYPE, "s", "a look")
            asked = await triggered(client, meanwhile)
            await asyncio.sleep(60)
            await client.corrections.resume(TYPE, "s")
            assert None not in await asyncio.gather(*asked)
            await node.stop()
            await world.served(world.node())  # which replays it
            described = await client.schedules.describe("s", timeout=60)
            await client.schedules.delete("s")
        await world.stop_all()
        audit_log(world.store, app)
        return described

    return simulate(story, app, within=1e6)


def test_a_run_that_begins_while_much_is_heard_at_once_knows_all_that_was_started() -> None:
    """The triggers after the one that ends the run are the new run's."""
    described = held(0, 2 * STEPS, 1e6)
    assert described.counts.started == len(described.running) == 2 * STEPS


def test_a_run_that_begins_while_much_is_heard_at_once_knows_what_has_ended() -> None:
    """Jobs that ended after the trigger that ends the run count as ended, and nothing waits for them for ever."""
    described = held(STEPS // 2 - 1, 3, 30)
    assert described.counts.started == STEPS // 2 + 2
    assert len(described.running) == 3
    assert {recent.outcome for recent in described.recent} == {"completed"}


def test_an_update_of_a_held_schedule_is_judged_by_what_every_node_knows() -> None:
    """Its arguments do not fit the workflow of one node, but that of the next: a replay there hears the same."""

    class Other(Workflow, name="Job"):
        async def run(self, minutes: float) -> None: ...

    async def story(world: World) -> None:
        node = world.node(app=App(actors=[Job]))
        async with world.client() as client:
            await client.schedules.create("s", RARELY, "Job", input={"seconds": 1})
            await client.corrections.pause(TYPE, "s", "a look")
            asked = asyncio.create_task(client.schedules.update("s", RARELY, "Job", input={"seconds": 2}, timeout=600))
            await asyncio.sleep(1)
            await client.corrections.resume(TYPE, "s")
            await asked
            await node.stop()
            await world.served(world.node(app=App(actors=[Other])))
            assert "minutes" in ((await client.schedules.describe("s", timeout=60)).warning or "")
            await client.schedules.delete("s")
        await world.stop_all()

    simulate(story, App(actors=[Job]), within=1e6)
