"""What becomes of times: admitted, skipped, missed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from runtime.schedules import Overlap, Schedule
from runtime.schedules.policy import MOST_AT_ONCE, MOST_COUNTED, Elapsed, Verdict, admit, elapsed, next_waiting
from runtime.schedules.state import Item

NOON = datetime.fromisoformat("2027-01-01T12:00Z")
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def look(schedule: Schedule, cursor: datetime, now: datetime, **more: object) -> Elapsed:
    given: dict[str, object] = {"busy": False, "waiting": 0, "left": None, **more}
    return elapsed(schedule, "s", cursor, now, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("overlap", "busy", "waiting", "verdict"),
    [
        (Overlap.SKIP, True, 0, Verdict.SKIP),
        (Overlap.BUFFER_ONE, True, 0, Verdict.WAIT),
        (Overlap.BUFFER_ONE, True, 1, Verdict.SKIP),
        (Overlap.BUFFER_ALL, True, 1, Verdict.WAIT),
        (Overlap.BUFFER_ALL, True, 5, Verdict.SKIP),
        (Overlap.CANCEL_OTHER, True, 3, Verdict.REPLACE),
        (Overlap.TERMINATE_OTHER, True, 0, Verdict.REPLACE),
        (Overlap.ALLOW_ALL, True, 5, Verdict.START),
        (Overlap.SKIP, False, 1, Verdict.SKIP),
    ],
)
def test_each_policy(overlap: Overlap, busy: bool, waiting: int, verdict: Verdict) -> None:
    """With five places to wait in."""
    assert admit(overlap, busy, waiting, 5) is verdict


@pytest.mark.parametrize("overlap", list(Overlap))
def test_with_nothing_running_every_policy_starts(overlap: Overlap) -> None:
    """Nothing is kept from its time without a reason."""
    assert admit(overlap, False, 0, 1) is Verdict.START


def test_a_night_without_nodes_is_made_up_for_under_the_policy() -> None:
    """Eight hours: skip starts the first, buffer_one two, buffer_all all of them."""
    night = NOON - 8 * HOUR
    taken = {
        overlap: len(look(Schedule(every=3600, overlap=overlap), night, NOON).taken)
        for overlap in (Overlap.SKIP, Overlap.BUFFER_ONE, Overlap.BUFFER_ALL, Overlap.ALLOW_ALL)
    }
    assert taken == {Overlap.SKIP: 1, Overlap.BUFFER_ONE: 2, Overlap.BUFFER_ALL: 8, Overlap.ALLOW_ALL: 8}
    assert look(Schedule(every=3600), night, NOON).skipped == 7


def test_times_older_than_the_window_are_missed() -> None:
    """A day of hours, a window of six: the time exactly as old as the window is made up for."""
    found = look(Schedule(every=3600, catch_up=6 * 3600, overlap=Overlap.ALLOW_ALL), NOON - DAY, NOON)
    assert (found.missed, len(found.taken)) == (17, 7)
    assert found.due == NOON + HOUR


def test_while_something_runs_times_are_skipped_however_old() -> None:
    """It was not for want of a node."""
    found = look(Schedule(every=3600, catch_up=10), NOON - 5 * HOUR, NOON, busy=True)
    assert (found.taken, found.skipped, found.missed) == ([], 5, 0)


def test_a_frequent_schedule_that_slept_for_a_year_wakes_quickly() -> None:
    """The count ends somewhere; the next time is right."""
    found = look(Schedule(every=0.1), NOON - 365 * DAY, NOON)
    assert (len(found.taken), found.missed, found.skipped) == (1, MOST_COUNTED, MOST_COUNTED)
    assert (found.cursor, found.due) == (NOON, NOON + SECOND / 10)


def test_many_starts_are_taken_in_parts_and_none_is_lost() -> None:
    """Side by side, a day of minutes."""
    schedule, cursor, taken = Schedule(every=60, overlap=Overlap.ALLOW_ALL), NOON - DAY, 0
    found = Elapsed(cursor, more=True)
    while found.more:
        found = look(schedule, cursor, NOON)
        cursor, taken = found.cursor, taken + len(found.taken)
        assert len(found.taken) <= MOST_AT_ONCE
    assert taken == 24 * 60


def test_the_limit_ends_it() -> None:
    """No time is due any more."""
    found = look(Schedule(every=60, limit=3, overlap=Overlap.ALLOW_ALL), NOON - HOUR, NOON, left=2)
    assert (len(found.taken), found.due, found.more) == (2, None, False)


def test_what_passes_after_the_limit_is_not_counted() -> None:
    """However long ago that is."""
    found = look(Schedule(every=60, limit=3), NOON - 72 * HOUR, NOON, left=0)
    assert (found.missed, found.skipped, found.taken) == (0, 0, [])


def test_the_end_ends_it() -> None:
    """Likewise."""
    found = look(Schedule(every=60, end_at=NOON, overlap=Overlap.ALLOW_ALL), NOON - SECOND, NOON)
    assert (found.taken, found.due) == ([NOON], None)


def test_a_time_that_its_jitter_keeps_back_is_not_lost() -> None:
    """Looked at again and again meanwhile, it is taken once, when it is due."""
    schedule = Schedule(every=3600, jitter=1800)
    first = look(schedule, NOON - HOUR, NOON)
    assert first.taken == []
    assert first.due is not None
    assert NOON < first.due < NOON + HOUR / 2
    second = look(schedule, first.cursor, NOON + SECOND)
    assert (second.taken, second.due) == ([], first.due)
    assert look(schedule, second.cursor, first.due).taken == [NOON]


def test_while_paused_only_what_was_asked_for_by_hand_comes_out_of_the_queue() -> None:
    """The others keep their place."""
    waiting = [Item(NOON), Item(NOON, "trigger")]
    assert next_waiting(waiting, paused=False) == 0
    assert next_waiting(waiting, paused=True) == 1
    assert next_waiting(waiting[:1], paused=True) is None
