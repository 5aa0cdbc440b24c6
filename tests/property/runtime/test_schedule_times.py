"""Times of any schedule: ascending, each once, the same from wherever one begins, and right by the wall clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from runtime.schedules import Overlap, Schedule, next_times, times_between
from runtime.schedules.policy import elapsed

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Asia/Kathmandu",
    "Asia/Beirut", "Pacific/Apia",
]  # fmt: skip
TICK = timedelta(microseconds=1)

SOME_DAY = datetime(2009, 1, 1, tzinfo=UTC)  # Apia left out a day in 2011
moments = st.builds(lambda minutes: SOME_DAY + timedelta(minutes=minutes), st.integers(0, 10_000_000))
minutes = st.sampled_from(["*", "*/15", "0", "30", "0,30", "5-50/20", "59"])
hours = st.sampled_from(["*", "*/2", "0", "1", "2", "2,3", "0-3", "23"])
lines = st.builds(lambda minute, hour: f"{minute} {hour} * * *", minutes, hours)
schedules = st.builds(
    lambda cron, zone, every: Schedule(cron=cron, time_zone=zone, every=every),
    st.lists(lines, min_size=1, max_size=2),
    st.sampled_from(ZONES),
    st.none() | st.sampled_from([900.0, 5400.0, 86_400.0]),
)
# Mostly near a turn of the clock in one of the zones, where mistakes are.
turns = [
    datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 10, 31, 1, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2027, 4, 3, 15, tzinfo=UTC), datetime(2027, 10, 2, 15, 30, tzinfo=UTC), datetime(2026, 9, 6, 4, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC), datetime(2027, 4, 29, 22, tzinfo=UTC), datetime(2027, 3, 27, 22, tzinfo=UTC),
]  # fmt: skip
starts = moments | st.builds(
    lambda turn, minutes: turn + timedelta(minutes=minutes), st.sampled_from(turns), st.integers(-2000, 300)
)


@given(schedules, starts)
def test_times_ascend_and_come_once(schedule: Schedule, start: datetime) -> None:
    """Strictly, and all are later than the beginning."""
    times = [start, *next_times(schedule, start, 40)]
    assert all(earlier < later for earlier, later in pairwise(times))


@given(schedules, starts, st.integers(1, 40))
def test_from_wherever_one_begins_they_are_the_same(schedule: Schedule, start: datetime, place: int) -> None:
    """So a schedule that looks again has lost none and repeats none."""
    times = next_times(schedule, start, 50)
    between = times[place - 1] + (times[place] - times[place - 1]) / 2
    assert next_times(schedule, between, 50 - place) == times[place:]
    assert next_times(schedule, times[place] - TICK, 50 - place) == times[place:]
    assert times_between(schedule, times[place], times[-1], 100) == times[place:]


@given(st.sampled_from(ZONES[:-1]), st.sampled_from(range(24)), st.sampled_from([0, 30]), starts)
def test_a_fixed_time_comes_once_a_day(zone: str, hour: int, minute: int, start: datetime) -> None:
    """Whatever the clock does on that day; at its own time, or when that is leapt over, not long after it. (Apia has no 30 December 2011.)"""
    schedule = Schedule(cron=f"{minute} {hour} * * *", time_zone=zone)
    local = [each.astimezone(ZoneInfo(zone)) for each in next_times(schedule, start, 10)]
    wanted = timedelta(hours=hour, minutes=minute)
    for each in local:
        real = timedelta(hours=each.hour, minutes=each.minute)
        assert real == wanted or (
            each.replace(hour=hour, minute=minute, fold=0).astimezone(UTC) <= each.astimezone(UTC)
        )
    days = [each.date() for each in local]
    assert len(set(days)) == len(days)
    assert all((later - earlier).days <= 2 for earlier, later in pairwise(days))


@given(
    schedules, starts, st.lists(st.integers(0, 400), min_size=1, max_size=8), st.sampled_from([0.0, 100.0, 10_000.0])
)
def test_looking_at_any_moments_takes_each_time_once(
    schedule: Schedule, start: datetime, pauses: list[int], jitter: float
) -> None:
    """As often and as seldom as one looks: together the looks take what one look would, in order."""
    schedule = Schedule(
        cron=schedule.cron, every=schedule.every, time_zone=schedule.time_zone, jitter=jitter, overlap=Overlap.ALLOW_ALL,
        catch_up=366 * 86_400.0,
    )  # fmt: skip
    cursor, now, taken = start, start, []
    for minutes_later in [*pauses, 1000]:
        now += timedelta(minutes=minutes_later)
        more = True
        while more:
            found = elapsed(schedule, "s", cursor, now, busy=False, waiting=0, left=None)
            assert found.cursor >= cursor
            cursor, more = found.cursor, found.more
            taken += found.taken
    whole = times_between(schedule, start + TICK, now, 100_000)
    assert taken == whole[: len(taken)]
    assert all(now - late < timedelta(seconds=jitter) for late in whole[len(taken) :])
