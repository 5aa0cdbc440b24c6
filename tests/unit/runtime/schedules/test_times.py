"""From a schedule to its times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runtime.schedules import Schedule, next_times, times_between
from runtime.schedules.times import stamp, start_times


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def local(schedule: Schedule, after: str, count: int) -> list[str]:
    return [stamp(moment)[:16] for moment in next_times(schedule, at(after), count)]


def test_a_cron_line_is_read_in_its_zone() -> None:
    """Two in the morning in Berlin is one o'clock UTC in winter."""
    schedule = Schedule(cron="0 2 * * *", time_zone="Europe/Berlin")
    assert local(schedule, "2027-01-01T00:00Z", 2) == ["2027-01-01T01:00", "2027-01-02T01:00"]


def test_a_time_that_the_clock_leaps_over_comes_right_after_the_leap() -> None:
    """28 March 2027: from 02:00 to 03:00 in Berlin. Once, also when two times fall into the gap."""
    schedule = Schedule(cron=["30 2 * * *", "15 2 * * *"], time_zone="Europe/Berlin")
    times = ["2027-03-27T01:15", "2027-03-27T01:30", "2027-03-28T01:00", "2027-03-29T00:15"]
    assert local(schedule, "2027-03-27T00:00Z", 4) == times


def test_a_time_that_comes_twice_is_the_first_one() -> None:
    """31 October 2027: 02:30 is at 00:30 and at 01:30 UTC. Also for who asks between the two."""
    schedule = Schedule(cron="30 2 * * *", time_zone="Europe/Berlin")
    assert local(schedule, "2027-10-31T00:00Z", 2) == ["2027-10-31T00:30", "2027-11-01T01:30"]
    assert local(schedule, "2027-10-31T01:00Z", 1) == ["2027-11-01T01:30"]


def test_a_line_that_begins_with_stars_follows_the_wall_clock() -> None:
    """Every half hour of the second hour: none when it is leapt over, four when it comes twice."""
    schedule = Schedule(cron="*/30 2 * * *", time_zone="Europe/Berlin")
    spring = times_between(schedule, at("2027-03-28T00:00Z"), at("2027-03-28T12:00Z"), 9)
    autumn = times_between(schedule, at("2027-10-31T00:00Z"), at("2027-10-31T12:00Z"), 9)
    assert (len(spring), len(autumn)) == (0, 4)


def test_an_interval_counts_from_1970_whatever_the_zone() -> None:
    """With an offset, and across a turn of the clock."""
    schedule = Schedule(every=6 * 3600, offset=900, time_zone="Europe/Berlin")
    assert local(schedule, "2027-03-28T00:15Z", 2) == ["2027-03-28T06:15", "2027-03-28T12:15"]


def test_lines_and_interval_are_merged_and_each_time_comes_once() -> None:
    """At noon both want to fire."""
    schedule = Schedule(cron=["0 12 * * *", "30 12 * * *"], every=6 * 3600)
    assert local(schedule, "2027-01-01T06:00Z", 3) == ["2027-01-01T12:00", "2027-01-01T12:30", "2027-01-01T18:00"]


def test_both_bounds_are_inclusive() -> None:
    """Of the schedule, and of a span."""
    schedule = Schedule(every=3600, start_at=at("2027-01-01T01:00Z"), end_at=at("2027-01-01T03:00Z"))
    assert len(next_times(schedule, at("2020-01-01T00:00Z"), 9)) == 3
    assert next_times(schedule, at("2027-01-01T03:00Z"), 9) == []
    hourly = Schedule(every=3600)
    assert len(times_between(hourly, at("2027-01-01T01:00Z"), at("2027-01-01T03:00Z"), 9)) == 3
    assert len(times_between(hourly, at("2027-01-01T01:00:00.001Z"), at("2027-01-01T02:59:59Z"), 9)) == 1
    assert len(times_between(hourly, at("2027-01-01T01:00Z"), at("2027-01-01T01:00Z"), 9)) == 1


def test_six_fields_begin_with_the_second_and_nicknames_stand_for_lines() -> None:
    """`@daily` is midnight."""
    assert local(Schedule(cron="30 0 0 * * *"), "2027-01-01T00:00Z", 1) == ["2027-01-01T00:00"]
    assert local(Schedule(cron="@daily"), "2027-01-01T00:00Z", 1) == ["2027-01-02T00:00"]


def test_jitter_follows_from_id_and_time_and_never_passes_the_next_time() -> None:
    """Two schedules are late by different spans, each always by the same."""
    schedule = Schedule(every=60, jitter=3600)
    first = [due for _, (_, due) in zip(range(50), start_times(schedule, "a", at("2027-01-01T00:00Z")), strict=False)]
    again = [due for _, (_, due) in zip(range(50), start_times(schedule, "a", at("2027-01-01T00:00Z")), strict=False)]
    other = [due for _, (_, due) in zip(range(50), start_times(schedule, "b", at("2027-01-01T00:00Z")), strict=False)]
    assert first == again != other
    assert first == sorted(first)
    times = next_times(schedule, at("2027-01-01T00:00Z"), 51)
    assert all(moment <= due < later for moment, due, later in zip(times, first, times[1:], strict=False))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "a schedule needs times"),
        ({"cron": "0 2 * *"}, "can't be read: Wrong number of fields"),
        ({"cron": "0 25 * * *"}, "can't be read: Bad hour"),
        ({"cron": "0 2 * * MON-"}, "Bad day-of-week"),
        ({"cron": "0 0 32 * *"}, "can't be read: Bad day-of-month"),
        ({"cron": "0 0 31 2 *"}, "'0 0 31 2 \\*' never fires"),
        ({"cron": ["0 0 * * *", "0 0 */5 2 MON#5"]}, "'0 0 \\*/5 2 MON#5' never fires"),
        ({"cron": "9" * 5000 + " * * * *"}, "longer than 500 characters"),
        ({"cron": ["* * * * *"] * 21}, "at most 20"),
        ({"cron": "* * * * *", "time_zone": "Mars/Olympus"}, "no time zone is named 'Mars/Olympus'"),
        ({"cron": "* * * * *", "time_zone": "../../etc/passwd"}, "time zone"),
        ({"every": 60, "time_zone": ""}, "time zone"),
        ({"every": 0}, "every must be 0.1"),
        ({"every": float("nan")}, "every must be"),
        ({"every": 0.1234}, "whole milliseconds"),
        ({"every": 60, "offset": 60}, "below `every`"),
        ({"cron": "* * * * *", "offset": 5}, "there is none"),
        ({"every": 60, "start_at": at("2027-01-01T00:00")}, "start_at needs a time zone"),
        ({"every": 60, "start_at": at("2027-01-02T00:00Z"), "end_at": at("2027-01-01T00:00Z")}, "is after end_at"),
        ({"every": 60, "start_at": at("0001-01-01T00:00Z")}, "start_at must be in the years 1900 to 8999"),
        ({"cron": "@daily", "start_at": at("9999-12-31T23:59Z")}, "start_at must be in the years 1900 to 8999"),
        ({"every": 60, "limit": 0}, "limit must be 1"),
        ({"every": 60, "most_buffered": 0}, "most_buffered must be"),
        ({"every": 60, "jitter": -1}, "jitter must be"),
        ({"every": 60, "catch_up": 0}, "catch_up must be 10 to"),
    ],
)
def test_what_can_not_be_is_refused_and_explained(arguments: dict[str, object], why: str) -> None:
    """A bad line, an unknown zone, a line that never fires, an interval of 0, bounds the wrong way round."""
    with pytest.raises(ValueError, match=why):
        Schedule(**arguments)  # type: ignore[arg-type]  # wrong on purpose


def test_a_rare_line_fires_all_the_same() -> None:
    """A fifth Monday in February is one in 28 years."""
    [moment] = next_times(Schedule(cron="0 0 * 2 MON#5"), at("2027-01-01T00:00Z"), 1)
    assert moment == datetime(2044, 2, 29, tzinfo=UTC)


def test_a_time_in_an_id_has_a_fraction_only_where_there_is_one() -> None:
    """So ids of the same time are the same."""
    moment = at("2027-01-01T03:00+02:00")
    assert stamp(moment) == "2027-01-01T01:00:00Z"
    assert stamp(moment + timedelta(milliseconds=100)) == "2027-01-01T01:00:00.100000Z"
