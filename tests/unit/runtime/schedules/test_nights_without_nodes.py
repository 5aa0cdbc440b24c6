"""No node runs for a while: what is made up for, and what is missed. A night is some minutes here."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from actors import App, Workflow
from runtime.schedules import TYPE, Counts, Overlap, Schedule
from runtime.schedules.policy import MOST_COUNTED
from tests.simulation.audit import audit_log
from tests.simulation.world import World, simulate


class Sweep(Workflow):
    async def run(self) -> str:
        return self.id


def night(schedule: Schedule, minutes: float) -> tuple[Counts, list[str]]:
    """Give what a schedule has counted and started after a night in which no node ran; the world begins at noon."""
    app = App(actors=[Sweep])

    async def story(world: World) -> tuple[Counts, list[str]]:
        node = world.node()
        async with world.client() as client:
            await client.schedules.create("s", schedule, Sweep)
            await node.stop()
            await asyncio.sleep(minutes * 60 + 5)
            await world.served(world.node())
            await world.until(lambda: f"{TYPE}/s" in world.store.log.streams, seconds=60)
            await asyncio.sleep(2)
            described = await client.schedules.describe("s")
            streams = sorted(
                stream.partition("-")[2] for stream in world.store.log.streams if stream.startswith("Sweep/")
            )
            await client.schedules.delete("s")
        await world.stop_all()
        audit_log(world.store, app)
        return described.counts, [stream[11:16] for stream in streams]

    return simulate(story, app, within=1e6)


@pytest.mark.parametrize(
    ("overlap", "times"),
    [
        (Overlap.SKIP, ["12:01"]),
        (Overlap.BUFFER_ONE, ["12:01", "12:02"]),
        (Overlap.BUFFER_ALL, ["12:01", "12:02", "12:03"]),
        (Overlap.CANCEL_OTHER, ["12:01", "12:03"]),
        (Overlap.ALLOW_ALL, ["12:01", "12:02", "12:03"]),
    ],
)
def test_catch_up_after_a_night_without_nodes(overlap: Overlap, times: list[str]) -> None:
    """Three times are made up for under the policy, each once."""
    counts, made_up = night(Schedule(cron="* * * * *", overlap=overlap), 3)
    assert made_up == times
    assert (counts.started, counts.skipped, counts.missed) == (len(times), 3 - len(times), 0)


def test_what_is_older_than_the_window_is_missed() -> None:
    """Of ten times three are young enough; the others are dropped, and counted."""
    schedule = Schedule(cron="* * * * *", overlap=Overlap.ALLOW_ALL, catch_up=timedelta(minutes=3).total_seconds())
    counts, made_up = night(schedule, 10)
    assert made_up == ["12:08", "12:09", "12:10"]
    assert (counts.started, counts.missed) == (3, 7)


def test_nodes_that_were_down_for_long_have_a_frequent_schedule_going_again_at_once() -> None:
    """One start for what is past, and counts that end somewhere."""
    counts, made_up = night(Schedule(every=0.1, catch_up=10), 10)
    assert counts.missed == MOST_COUNTED
    assert counts.started == len(made_up)
