"""Schedules: what they start, when, and what people may do to them. More of it, in memory, is in tests/unit/runtime/schedules."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest

from actors import App, Workflow, command
from runtime import AlreadyFinished, CommandFailed, CommandInvalid, Conflict, NotFound
from runtime.schedules import Overlap, Schedule
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place


class Report(Workflow):
    """Ends at once, or when it is told to."""

    def __init__(self) -> None:
        self.closed = False

    async def run(self, at: datetime, region: str, wait: bool = False) -> str:
        await self.until(lambda: self.closed or not wait)
        return f"{region} at {at.isoformat()}"

    @command
    def close(self) -> None:
        self.closed = True


APP = App(actors=[Report])
NEVER_NOW = Schedule(cron="0 * * * *", time_argument="at", start_at=datetime.fromisoformat("2020-01-01T00:00Z"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_schedule_backfill_counts_with_inclusive_bounds(play: Play) -> None:
    """From one to three o'clock are three times; asked for again, none is started twice."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        assert await client.schedules.create("hourly", NEVER_NOW, Report, region="eu")
        await client.schedules.pause("hourly")
        span = (at("2026-01-01T01:00Z"), at("2026-01-01T03:00Z"))
        filled = await client.schedules.backfill("hourly", *span, Overlap.ALLOW_ALL)
        assert (filled.times, filled.started, filled.waiting, filled.skipped) == (3, 3, 0, 0)
        for hour in (1, 2, 3):
            id = f"hourly-2026-01-01T0{hour}:00:00Z"
            await place.until(partial(place.has, f"Report/{id}", "RunStarted"))
            assert await client.result(Report, id) == f"eu at 2026-01-01T0{hour}:00:00+00:00"
        again = await client.schedules.backfill("hourly", *span)
        assert again.times == 3

        async def done() -> bool:
            described = await client.schedules.describe("hourly")
            return not described.waiting and not described.running

        await place.until(done)
        counts = (await client.schedules.describe("hourly")).counts
        assert (counts.started, counts.not_started, counts.taken) == (3, 3, 0)
        between = await client.schedules.backfill("hourly", at("2026-01-01T03:00:01Z"), at("2026-01-01T03:59:59Z"))
        assert between.times == 0
        with pytest.raises(CommandFailed, match="from the earlier to the later"):
            await client.schedules.backfill("hourly", span[1], span[0])

    play(story, APP)


def test_trigger_while_paused(play: Play) -> None:
    """It starts one, and the schedule stays paused."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.schedules.create("s", Schedule(every=0.2, time_argument="at"), Report, region="eu", wait=True)
        await client.schedules.pause("s", "a holiday")
        described = await client.schedules.describe("s")
        for running in described.running:  # it may have been quicker
            await client.call(Report, running.id, "close")
        id = await client.schedules.trigger("s", Overlap.ALLOW_ALL)
        assert id is not None
        await place.until(lambda: place.has(f"Report/{id}", "RunStarted"))
        await client.call(Report, id, "close")
        assert (await client.result(Report, id)).startswith("eu at 20")
        described = await client.schedules.describe("s")
        assert (described.paused, described.note, described.next) == (True, "a holiday", [])
        await client.schedules.delete("s")

    play(story, APP)


def test_a_schedule_lives_through_the_death_of_its_node(play: Play) -> None:
    """No time is started twice, and none is left out."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        schedule = Schedule(every=1, overlap=Overlap.ALLOW_ALL, time_argument="at", limit=3)
        await client.schedules.create("s", schedule, Report, region="eu")
        await place.until(lambda: place.has("perdure-schedule/s", "ChildStarted"))
        await place.kill(first)
        await place.node()

        async def done() -> bool:
            described = await client.schedules.describe("s", timeout=60)
            return described.counts.started == 3 and not described.running

        await place.until(done)
        started = [data["id"] for type, data in await place.log("perdure-schedule/s") if type == "ChildStarted"]
        times = [at(id.removeprefix("s-")) for id in started]
        assert times == [times[0] + timedelta(seconds=n) for n in range(3)]
        for id in started:
            assert (await place.types(f"Report/{id}"))[-1] == "RunCompleted"

    play(story, APP)


def test_the_life_of_a_schedule(play: Play) -> None:
    """Made, made again, refused, changed, listed, deleted; what it has started goes on."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        schedules = client.schedules
        assert await schedules.create("s", NEVER_NOW, Report, region="eu", wait=True)
        assert not await schedules.create("s", NEVER_NOW, Report, region="eu", wait=True)
        with pytest.raises(Conflict, match="another workflow"):
            await schedules.create("s", NEVER_NOW, Report, region="us")
        with pytest.raises(CommandInvalid, match="region"):
            await schedules.create("t", NEVER_NOW, Report, area="us")
        with pytest.raises(CommandInvalid, match="never fires"):
            await client.start(
                "perdure-schedule", "t", definition={"workflow": "R", "schedule": {"cron": "0 0 31 2 *"}}
            )
        with pytest.raises(NotFound):
            await schedules.describe("t")
        id = await schedules.trigger("s")
        assert id is not None
        assert await schedules.trigger("s") is None  # skipped
        await schedules.update("s", Schedule(cron="0 3 * * *", time_zone="Asia/Tokyo", time_argument="at"))
        with pytest.raises(CommandFailed, match="region"):
            await schedules.update("s", NEVER_NOW, "Report", area="us")
        described = await schedules.describe("s", next=1)
        assert described.next[0].hour == 18
        assert [running.id for running in described.running] == [id]
        [listed] = await schedules.list()
        assert (listed.id, listed.workflow, listed.times, listed.time_zone) == (
            "s",
            "Report",
            "0 3 * * *",
            "Asia/Tokyo",
        )
        await schedules.delete("s")
        assert await schedules.list() == []
        with pytest.raises(AlreadyFinished):
            await schedules.pause("s")
        await place.until(lambda: place.has(f"Report/{id}", "RunStarted"))
        await client.call(Report, id, "close")
        await client.result(Report, id)
        assert await schedules.create("s", NEVER_NOW, Report, region="us")
        assert (await schedules.describe("s")).input == {"region": "us"}
        await schedules.delete("s")

    play(story, APP)
