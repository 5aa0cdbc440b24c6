"""The workflow behind a schedule, told in virtual time: policies, catch-up, pauses, changes, crashes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors import App, DefinitionError, Workflow, command
from actors.testing import CommandFailed, WorkflowTest, crash_everywhere
from runtime.schedules import (
    TYPE,
    Definition,
    Described,
    Overlap,
    Schedule,
    ScheduleWorkflow,
    include_schedules,
    workflow,
)
from tests.simulation.world import World, simulate

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
MINUTES = {"start": NOON - timedelta(seconds=30)}  # so that the first one is half a minute later


class Job(Workflow):
    """Takes `seconds`, and says at its end how it was ended."""

    async def run(self, seconds: float = 90, cleans_up: float = 0) -> str:
        try:
            await asyncio.sleep(seconds)
        finally:
            if cleans_up:
                await asyncio.sleep(cleans_up)
        return "done"


class Gate(Workflow):
    """Ends when it is told to."""

    def __init__(self) -> None:
        self.opened = False

    async def run(self, at: datetime) -> datetime:
        await self.until(lambda: self.opened)
        return at

    @command
    def open(self) -> None:
        self.opened = True


def new_app() -> App:
    return include_schedules(App(actors=[Job, Gate]))


APP = new_app()


def begin(schedule: Schedule, name: str = "Job", input: str = "{}") -> tuple[WorkflowTest, Any]:
    from msgspec import Raw

    run = WorkflowTest(APP, at=MINUTES["start"])
    return run, run.start(TYPE, "s", Definition(schedule, name, Raw(input.encode())))


def told(instance: Any) -> Described:
    described: Described = instance.query("describe")
    return described


def started(instance: Any) -> list[str]:
    return [
        event.id[2:].replace("2027-01-01T", "") for event in instance.events if type(event).__name__ == "ChildStarted"
    ]


def test_skip() -> None:
    """Each job takes a minute and a half: every other minute is skipped, and the next one starts at its time."""
    run, instance = begin(Schedule(every=60))
    run.advance(minutes=6)
    assert started(instance) == ["12:00:00Z", "12:02:00Z", "12:04:00Z"]
    assert (told(instance).counts.started, told(instance).counts.skipped) == (3, 2)


def test_buffer_one() -> None:
    """One waits, and starts when the one before has ended; what comes meanwhile is skipped."""
    run, instance = begin(Schedule(every=60, overlap=Overlap.BUFFER_ONE), input='{"seconds": 140}')
    run.advance(minutes=6)
    assert started(instance) == ["12:00:00Z", "12:01:00Z", "12:03:00Z"]
    counts = told(instance).counts
    assert (counts.started, counts.skipped, len(told(instance).waiting)) == (3, 2, 1)


def test_buffer_all() -> None:
    """All are started, one after the other; beyond the bound they are skipped."""
    run, instance = begin(Schedule(every=60, overlap=Overlap.BUFFER_ALL, most_buffered=2), input='{"seconds": 590}')
    run.advance(minutes=9)
    assert [item.at.minute for item in told(instance).waiting] == [1, 2]
    run.advance(minutes=2)
    assert started(instance) == ["12:00:00Z", "12:01:00Z"]
    assert told(instance).counts.skipped == 7
    assert [item.at.minute for item in told(instance).waiting] == [2, 10]


def test_cancel_other() -> None:
    """What runs is asked to cancel and may clean up; the newest time waits for its end."""
    run, instance = begin(Schedule(every=60, overlap=Overlap.CANCEL_OTHER), input='{"seconds": 600, "cleans_up": 90}')
    run.advance(minutes=4)
    assert started(instance) == ["12:00:00Z", "12:02:00Z"]
    described = told(instance)
    assert [recent.outcome for recent in described.recent] == ["cancelled"]
    assert described.counts.skipped == 1  # the minute whose place another one took


def test_terminate_other() -> None:
    """What runs is ended at once, without its code; the newest time starts right away."""
    run, instance = begin(
        Schedule(every=60, overlap=Overlap.TERMINATE_OTHER), input='{"seconds": 600, "cleans_up": 90}'
    )
    run.advance(minutes=3)
    assert started(instance) == ["12:00:00Z", "12:01:00Z", "12:02:00Z"]
    assert [recent.outcome for recent in told(instance).recent] == ["terminated"] * 2


def test_allow_all() -> None:
    """They run side by side."""
    run, instance = begin(Schedule(every=60, overlap=Overlap.ALLOW_ALL), input='{"seconds": 600}')
    run.advance(minutes=3)
    assert len(told(instance).running) == 3


def test_the_workflow_is_given_its_time() -> None:
    """However late it starts."""
    run, instance = begin(Schedule(cron="0 * * * *", jitter=600, time_argument="at"), "Gate")
    run.advance(minutes=11)
    [running] = told(instance).running
    assert running.started_at > running.at == NOON
    run.get(Gate, running.id).call("open")
    assert run.get(Gate, running.id).result() == NOON


def test_a_child_id_that_is_taken_is_no_obstacle() -> None:
    """It counts as not started, with the reason, and the schedule goes on."""
    run, instance = begin(Schedule(every=60))
    run.start(Job, "s-2027-01-01T12:00:00Z", seconds=1)
    run.advance(minutes=2)
    described = told(instance)
    assert (described.counts.started, described.counts.not_started) == (1, 1)
    assert described.recent[0].outcome == "not_started"
    assert "Conflict" in (described.recent[0].error or "")


def test_a_failed_job_is_told_of_and_the_next_one_starts() -> None:
    """With the failure's type."""
    run, instance = begin(Schedule(every=60), input='{"seconds": 30}')
    run.advance(seconds=40)
    run.get(Job, told(instance).running[0].id).cancel("enough")
    run.advance(minutes=1)
    assert [recent.outcome for recent in told(instance).recent] == ["cancelled"]
    assert told(instance).counts.started == 2


def test_the_limit_counts_its_own_times_only() -> None:
    """After it nothing is started but by hand; raising it goes on with the next time."""
    run, instance = begin(Schedule(every=60, limit=2), input='{"seconds": 1}')
    instance.call("trigger")
    run.advance(minutes=5)
    assert (told(instance).counts.started, told(instance).counts.taken, told(instance).next) == (3, 2, [])
    assert instance.call("trigger").endswith("-trigger")
    instance.call("update", Schedule(every=60, limit=3))
    run.advance(minutes=5)
    assert told(instance).counts.taken == 3


def test_an_end_that_has_come_leaves_the_schedule_there() -> None:
    """It can still be looked at, changed and triggered."""
    run, instance = begin(Schedule(every=60, end_at=NOON + timedelta(minutes=1)), input='{"seconds": 1}')
    run.advance(minutes=5)
    assert (started(instance), told(instance).next) == (["12:00:00Z", "12:01:00Z"], [])
    assert instance.status == "running"


def test_times_that_pass_while_paused_are_not_made_up_for() -> None:
    """Nor the one that was due in the very moment of the pause."""
    run, instance = begin(Schedule(every=60), input='{"seconds": 1}')
    run.advance(seconds=29)
    instance.call("pause", "a note")
    run.advance(minutes=10)
    assert (started(instance), told(instance).paused, told(instance).note) == ([], True, "a note")
    instance.call("unpause")
    run.advance(minutes=1)
    assert started(instance) == ["12:10:00Z"]


def test_what_waits_stays_while_paused_and_what_was_asked_for_by_hand_goes_first() -> None:
    """A trigger that had to wait starts all the same."""
    run, instance = begin(Schedule(every=60, overlap=Overlap.BUFFER_ALL))
    run.advance(minutes=2)
    instance.call("pause")
    by_hand = instance.call("trigger")
    run.advance(minutes=10)
    assert [f"s-2027-01-01T{id}" for id in started(instance)][1:] == [by_hand]
    assert len(told(instance).waiting) == 1
    instance.call("unpause")
    assert started(instance)[-1] == "12:01:00Z"


def test_what_a_pause_holds_back_keeps_nothing_else_waiting() -> None:
    """Nothing runs, and one time is held back: what is asked for by hand starts at once, under each policy."""
    run, instance = begin(Schedule(every=60, overlap=Overlap.BUFFER_ALL))
    run.advance(seconds=95)
    instance.call("pause")
    run.advance(minutes=5)
    assert (told(instance).running, len(told(instance).waiting)) == ([], 1)
    for overlap in Overlap:
        by_hand = instance.call("trigger", overlap)
        assert [running.id for running in told(instance).running] == [by_hand]
        run.advance(minutes=5)
    assert instance.call("backfill", NOON - timedelta(minutes=2), NOON - timedelta(minutes=1)).started == 1
    run.advance(minutes=5)
    assert [item.by for item in told(instance).waiting] == ["schedule"]
    instance.call("unpause")
    assert started(instance)[-1] == "12:01:00Z"


def test_a_schedule_that_is_cancelled_leaves_what_runs_alone() -> None:
    """It is an instance like any other: cancelled and terminated ones have ended."""
    run, instance = begin(Schedule(every=60))
    run.advance(seconds=40)
    instance.cancel("no more of that")
    assert instance.status == "cancelled"
    assert run.get(Job, "s-2027-01-01T12:00:00Z").result() == "done"


def test_an_update_loses_no_time_and_repeats_none() -> None:
    """Also the one that its jitter keeps back, and also when both have the same times."""
    run, instance = begin(Schedule(every=60, jitter=59, overlap=Overlap.ALLOW_ALL), input='{"seconds": 1}')
    run.advance(seconds=30.5)  # noon has come, and is most likely kept back
    instance.call("update", Schedule(every=60, overlap=Overlap.ALLOW_ALL))
    instance.call("update", Schedule(every=30, overlap=Overlap.ALLOW_ALL))
    run.advance(minutes=1)
    assert started(instance) == ["12:00:00Z", "12:00:30Z", "12:01:00Z"]


def test_a_schedule_begins_new_runs_and_knows_what_runs() -> None:
    """A job outlives ten runs of its schedule, and its end is heard."""
    run, instance = begin(Schedule(every=3600), input='{"seconds": 3000}')
    run.advance(minutes=1)
    for _ in range(400):
        instance.call("trigger")
        run.advance(seconds=1)
    continued = [event for event in instance.events if type(event).__name__ == "RunContinued"]
    assert len(continued) >= 8
    [running] = told(instance).running
    run.advance(minutes=50)
    assert [recent.id for recent in told(instance).recent] == [running.id]
    assert told(instance).counts.skipped == 400


def test_a_frequent_schedule_keeps_its_runs_short() -> None:
    """Ten a second for two minutes: all are started, and no run is long."""
    run, instance = begin(Schedule(every=0.1, overlap=Overlap.ALLOW_ALL), input='{"seconds": 5}')
    run.advance(seconds=120.05)
    assert told(instance).counts.started == 1200
    lengths, length = [], 0
    for event in instance.events:
        length = 0 if type(event).__name__ == "RunContinued" else length + 1
        lengths.append(length)
    assert max(lengths) < 400


def test_a_deleted_schedule_leaves_what_runs_alone() -> None:
    """And starts nothing more."""
    run, instance = begin(Schedule(every=60))
    run.advance(seconds=40)
    instance.call("delete")
    assert instance.result() is None
    run.advance(minutes=5)
    assert run.get(Job, "s-2027-01-01T12:00:00Z").result() == "done"
    assert (len(started(instance)), told(instance).deleted, told(instance).next) == (1, True, [])


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (NOON, NOON - timedelta(hours=1), "from the earlier to the later"),
        (NOON - timedelta(hours=1), NOON + timedelta(days=1), "is to come"),
        (NOON - timedelta(days=2), NOON - timedelta(days=1), "more than 1000"),
        (NOON.replace(tzinfo=None), NOON.replace(tzinfo=None), "need a time zone"),
        (NOON - timedelta(hours=3), NOON - timedelta(hours=2), "room for 50"),
        (datetime.min.replace(tzinfo=UTC), NOON - timedelta(hours=2), "begins in 1900 or later"),
    ],
)
def test_a_backfill_that_can_not_be_leaves_no_event(first: datetime, last: datetime, why: str) -> None:
    """It is refused before anything is recorded, and says why."""
    _, instance = begin(Schedule(every=60, most_buffered=50))
    before = len(instance.events)
    with pytest.raises(CommandFailed, match=why):
        instance.call("backfill", first, last)
    assert len(instance.events) == before


def test_a_workflow_that_this_node_does_not_know() -> None:
    """It is said, and what is due is started for a node that does."""
    run, instance = begin(Schedule(every=60), "Elsewhere")
    assert "knows no workflow Elsewhere" in (told(instance).warning or "")
    assert run is not None


def test_arguments_that_do_not_fit_are_told_of() -> None:
    """At once, and an update with such is refused."""
    _, instance = begin(Schedule(every=60), input='{"minutes": 1}')
    assert "minutes" in (told(instance).warning or "")
    with pytest.raises(CommandFailed, match=r"Gate\.run"):
        instance.call("update", Schedule(every=60), "Gate")


def test_what_no_node_knows_is_started_where_one_does() -> None:
    """It waits as long as it takes; then the schedule hears of its end."""
    app, later = App(actors=[Gate]), App(actors=[Gate, Job])

    async def story(world: World) -> None:
        first = world.node(app=app)
        async with world.client() as client:
            await client.schedules.create("s", Schedule(every=1, limit=1), "Job", input={"seconds": 1})
            await asyncio.sleep(20)
            assert len((await client.schedules.describe("s")).running) == 1
            await first.stop()
            world.node(app=later)

            async def ended() -> bool:
                return bool((await client.schedules.describe("s", timeout=60)).recent)

            await world.until(ended, seconds=300)
            assert [recent.outcome for recent in (await client.schedules.describe("s")).recent] == ["completed"]
            await client.schedules.delete("s")
        await world.stop_all()

    simulate(story, app, within=1e4)


def test_a_type_of_the_same_name_is_refused() -> None:
    """And the message says whose name it is."""

    class Mine(Workflow, name=TYPE):
        async def run(self) -> None: ...

    with pytest.raises(
        DefinitionError, match="Mine is named perdure-schedule, which is the name of a type that Perdure has"
    ):
        include_schedules(App(actors=[Mine]))


def test_it_may_be_registered_as_well() -> None:
    """Twice is once."""
    app = App(actors=[Job, ScheduleWorkflow])
    assert include_schedules(include_schedules(app)).types[TYPE].cls is ScheduleWorkflow


@pytest.mark.parametrize("overlap", list(Overlap))
def test_a_crash_at_any_step_starts_nothing_twice_and_skips_nothing(
    overlap: Overlap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after each durable step, with new runs on the way: the same is started, counted and told."""
    monkeypatch.setattr(workflow, "STEPS", 4)

    def story(run: WorkflowTest) -> Any:
        instance = run.start(TYPE, "s", Definition(Schedule(every=60, overlap=overlap), "Job"))
        run.advance(seconds=200)
        instance.call("pause")
        instance.call("trigger")
        run.advance(seconds=70)
        instance.call("unpause")
        instance.call("update", Schedule(every=50, overlap=overlap))
        run.advance(seconds=120)
        instance.call("delete")
        described = told(instance)
        return started(instance), described.counts, [recent.outcome for recent in described.recent]

    crash_everywhere(new_app(), story)
