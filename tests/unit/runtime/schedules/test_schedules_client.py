"""What a client refuses before it sends anything, and what it sends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from actors import App, InvalidId, Workflow
from runtime import CommandInvalid
from runtime.schedules import MAX_ID, Schedule
from tests.simulation.world import World, simulate


class Report(Workflow):
    async def run(self, region: str, at: datetime | None = None, day: str = "") -> str:
        return f"{region} {at} {day}"


APP = App(actors=[Report])
HOURLY = Schedule(every=3600)


def test_what_can_not_be_is_refused_before_anything_is_sent() -> None:
    """No node runs here: an answer could only come too late."""

    async def story(world: World) -> None:
        async with world.client() as client:
            create = client.schedules.create
            with pytest.raises(InvalidId, match="at most 140 bytes"):
                await create("é" * (MAX_ID // 2 + 1), HOURLY, Report, "eu")
            with pytest.raises(InvalidId, match="slash"):
                await create("a/b", HOURLY, Report, "eu")
            with pytest.raises(CommandInvalid, match="no time that is still to come"):
                await create("s", Schedule(every=60, end_at=datetime(2020, 1, 1, tzinfo=UTC)), Report, "eu")
            with pytest.raises(CommandInvalid, match="missing"):
                await create("s", HOURLY, Report)
            with pytest.raises(CommandInvalid, match="can't name a workflow"):
                await create("s", HOURLY, "my report")
            at = Schedule(every=60, time_argument="at")
            with pytest.raises(CommandInvalid, match="by name"):
                await create("s", at, Report, "eu")
            with pytest.raises(CommandInvalid, match="at is given the time"):
                await create("s", at, Report, region="eu", at="2027-01-01T00:00Z")
            with pytest.raises(CommandInvalid, match="an object by name"):
                await create("s", at, "Report", input=["eu"])
            with pytest.raises(CommandInvalid, match="when"):
                await create("s", Schedule(every=60, time_argument="when"), Report, region="eu")
            for given in ({"region": "us"}, {"input": {"region": "us"}}):
                with pytest.raises(CommandInvalid, match="name the workflow"):
                    await client.schedules.update("s", HOURLY, **given)

    simulate(story, APP)


def test_the_time_fits_parameters_of_several_types() -> None:
    """A datetime, or text; the other arguments come as they were given, digit for digit."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            schedules = client.schedules
            await schedules.create("a", Schedule(every=3600, time_argument="at"), Report, region="eu")
            await schedules.create("b", Schedule(every=3600, time_argument="day"), Report, input={"region": "us"})
            for id, result in (("a", "eu 2026-03-01 12:00:00+00:00 "), ("b", "us None 2026-03-01T12:00:00Z")):
                noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
                assert (await schedules.backfill(id, noon, noon)).started == 1
                child = f"{id}-2026-03-01T12:00:00Z"
                await world.until(lambda child=child: f"Report/{child}" in world.store.log.streams)  # type: ignore[misc]
                assert await client.result(Report, child) == result
                await schedules.delete(id)
        await world.stop_all()

    simulate(story, APP)
