"""Whatever is done to a schedule, each of its times is dealt with once, over updates, pauses and new runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import App, Workflow
from actors.testing import WorkflowTest
from runtime.schedules import TYPE, Definition, Overlap, Schedule, include_schedules, times_between, workflow

START = datetime(2027, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)  # never on a time
TICK = timedelta(microseconds=1)


class Job(Workflow):
    async def run(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


APP = include_schedules(App(actors=[Job]))
PASS, PAUSE, UNPAUSE, UPDATE = "pass", "pause", "unpause", "update"
doings = st.one_of(
    st.tuples(st.just(PASS), st.integers(1, 200)),
    st.tuples(st.sampled_from([PAUSE, UNPAUSE]), st.just(0)),
    st.tuples(st.just(UPDATE), st.sampled_from([7, 10, 45])),
)


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.BUFFER_ONE, Overlap.BUFFER_ALL, Overlap.ALLOW_ALL])
@given(st.lists(doings, max_size=12), st.sampled_from([0.2, 25.2, 100.2]), st.integers(2, 9))
@settings(max_examples=40)
def test_every_time_is_started_or_waits_or_is_counted(
    overlap: Overlap, done: list[tuple[str, int]], seconds: float, steps: int
) -> None:
    """None is lost, none comes twice, and none is made up."""
    with patch.object(workflow, "STEPS", steps):
        run = WorkflowTest(APP, at=START)
        schedule, now, paused = Schedule(every=10, overlap=overlap), START, False
        instance = run.start(TYPE, "s", Definition(schedule, "Job", _raw(seconds)))
        wanted: list[datetime] = []
        for what, how in [*done, (UNPAUSE, 0), (PASS, 30)]:
            if what == PASS:
                run.advance(seconds=how)
                before, now = now, now + timedelta(seconds=how)
                wanted += [] if paused else times_between(schedule, before + TICK, now, 10_000)
            elif what == UPDATE:
                schedule = Schedule(every=how, overlap=overlap)
                instance.call("update", schedule)
            else:
                paused = what == PAUSE
                instance.call(what)
        instance.call("pause")  # so that all is counted
        described = instance.query("describe")
        started = [_time(event.id) for event in instance.events if type(event).__name__ == "ChildStarted"]
        waiting = [item.at for item in described.waiting]
        assert len({*started, *waiting}) == len(started) + len(waiting) == described.counts.taken
        assert {*started, *waiting} <= set(wanted)
        assert len(started) + len(waiting) + described.counts.skipped == len(wanted)
        assert overlap is Overlap.SKIP or [*started, *waiting] == sorted([*started, *waiting])


def _raw(seconds: float) -> Any:
    from msgspec import Raw

    return Raw(b'{"seconds":%f}' % seconds)


def _time(id: str) -> datetime:
    return datetime.fromisoformat(id.removeprefix("s-"))
