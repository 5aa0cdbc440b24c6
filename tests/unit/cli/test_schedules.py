"""`perdure schedule` where no server is needed: previews, and what is refused."""

from __future__ import annotations

import json

import pytest

from runtime.cli.application import USAGE, run

AFTER = ["--after", "2027-03-27T00:00Z"]


def test_the_next_times_in_their_zone(capsys: pytest.CaptureFixture[str]) -> None:
    """Over the night in which the clocks are turned."""
    assert (
        run(["schedule", "next", "--cron", "30 2 * * *", "--time-zone", "Europe/Berlin", "--count", "3", *AFTER]) == 0
    )
    assert capsys.readouterr().out.splitlines() == [
        "2027-03-27 02:30:00+01:00 Europe/Berlin",
        "2027-03-28 03:00:00+02:00 Europe/Berlin",
        "2027-03-29 02:30:00+02:00 Europe/Berlin",
    ]


def test_the_next_times_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """An interval and a line together, up to an end."""
    line = ["schedule", "next", "--every", "12h", "--cron", "0 6 * * *", "--end-at", "2027-03-27T12:00Z", "--json"]
    assert run([*line, *AFTER]) == 0
    assert json.loads(capsys.readouterr().out) == ["2027-03-27T06:00:00+00:00", "2027-03-27T12:00:00+00:00"]
    assert run(["schedule", "next", "--every", "1h", "--end-at", "2027-01-01T00:00Z", *AFTER]) == 0
    assert capsys.readouterr().out == "no times\n"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--cron", "0 0 31 2 *"], "cron line '0 0 31 2 *' never fires"),
        (["--cron", "0 2 * *"], "can't be read: Wrong number of fields; expected five fields"),
        (["--cron", "0 2 * * *", "--time-zone", "Berlin"], "no time zone is named 'Berlin'"),
        (["--every", "0s"], "every must be 0.1 to"),
        (["--every", "soon"], "--every 'soon' is no time"),
        ([], "a schedule needs times"),
        (["--every", "1h", "--start-at", "2027-01-01"], "--start-at 2027-01-01 has no time zone"),
        (["--every", "1h", "--start-at", "2027-01-02T00:00Z", "--end-at", "2027-01-01T00:00Z"], "is after end_at"),
    ],
)
def test_bad_times_are_refused_and_explained(options: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with the status of wrong input, in a preview as at the making."""
    for command in (["next"], ["create", "nightly", "Report"]):
        assert run(["schedule", *command, *options]) == USAGE
        [line] = capsys.readouterr().err.splitlines()
        assert why in line


@pytest.mark.parametrize("after", ["0001-01-01T00:00Z", "9999-12-31T23:59Z"])
def test_what_is_near_the_ends_of_the_calendar_is_refused(after: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In some zones there is no such moment."""
    line = ["schedule", "next", "--cron", "@daily", "--time-zone", "Europe/Berlin", "--after", after]
    assert run(line) == USAGE
    assert "--after is in the years 1900 to 8999" in capsys.readouterr().err


def test_an_unknown_policy_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the ones that there are."""
    assert run(["schedule", "create", "nightly", "Report", "--every", "1h", "--overlap", "queue"]) == USAGE
    assert "--overlap is one of skip, buffer_one, buffer_all, cancel_other" in capsys.readouterr().err
