"""The time line: a lane for each task, timer, child, command, and for being stuck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from eventstore.records import RecordedEvent
from runtime.debugging.files import read_file
from runtime.debugging.timeline import Lane, timeline
from tests.unit.debugging.conftest import Perdure

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def recorded(*events: tuple[str, dict[str, Any]]) -> list[RecordedEvent]:
    """A stream, an event a second."""
    return [
        RecordedEvent(0, n, "Order/1", n, 1, type, msgspec.json.encode(data), NOON + timedelta(seconds=n))
        for n, (type, data) in enumerate(events, 1)
    ]


def brief(lane: Lane) -> tuple[str, int, int | None, str]:
    return lane.name, lane.version, lane.ended_version, lane.ending


def test_what_begins_and_ends_is_a_lane(order: str, folder: Path) -> None:
    """With its failed attempts; what the run's end left open says so; a local task is a point."""
    lanes = timeline(read_file(folder / order).events)
    assert [brief(lane) for lane in lanes] == [
        ("run", 1, 13, "completed"),
        ("TaskCompleted(#1 rate)", 2, 2, "point"),
        ("#2 charge", 3, 6, "completed"),
        ("#3 write_to", 4, 7, "completed"),
        ("#4 timer", 8, 13, "left"),
        ("command ship", 9, 10, "completed"),
        ("#5 write_to", 11, 12, "completed"),
    ]
    assert [mark.version for mark in lanes[3].marks] == [5]


def test_children_timers_and_being_stuck() -> None:
    """Each with how it ended, or open."""
    error = {"type": "Oops", "message": ""}
    lanes = timeline(
        recorded(
            ("RunStarted", {"input": {}}),
            ("ChildStarted", {"child": 1, "type": "Ship", "id": "7", "input": {}}),
            ("TimerSet", {"timer": 2, "due": 5.0}),
            ("Stuck", {"error": error}),
            ("TimerFired", {"timer": 2}),
            ("Resumed", {}),
            ("ChildFailed", {"child": 1, "error": error}),
            ("TaskScheduled", {"task": 3, "name": "pay", "input": {}}),
        )
    )
    assert [brief(lane) for lane in lanes] == [
        ("run", 1, None, "open"),
        ("#1 Ship/7", 2, 7, "failed"),
        ("#2 timer", 3, 5, "fired"),
        ("stuck: Oops", 4, 6, "resumed"),
        ("#3 pay", 8, None, "open"),
    ]


def test_events_of_kinds_that_it_has_not_met_have_their_place() -> None:
    """By their number, or as points; and no payload makes it stumble."""
    lanes = timeline(
        recorded(
            ("RunStarted", {"input": {}}),
            ("SignalAsked", {"number": 9}),
            ("Novelty", {"any": 1}),
            ("SignalCame", {"number": 9}),
        )
    )
    assert [brief(lane) for lane in lanes[1:]] == [("SignalAsked", 2, 4, "SignalCame"), ("Novelty", 3, 3, "point")]


def test_runs_that_follow_each_other_and_commands_to_others() -> None:
    """A new run ends what the former one had open; a command that is only told is a point."""
    sent = {"command": 2, "type": "Stock", "id": "tea", "name": "take", "input": {}}
    lanes = timeline(
        recorded(
            ("RunStarted", {"input": {}}),
            ("TimerSet", {"timer": 1, "due": 5.0}),
            ("CommandSent", sent),
            ("CommandAnswered", {"command": 2, "result": None}),
            ("CommandSent", {**sent, "command": 3, "told": True}),
            ("RunContinued", {"input": {}, "asked": 3}),
            ("RunCompleted", {"result": None}),
        )
    )
    assert [brief(lane) for lane in lanes] == [
        ("run", 1, 7, "completed"),
        ("#1 timer", 2, 6, "left"),
        ("#2 Stock/tea take", 3, 4, "answered"),
        ("CommandSent(#3 Stock/tea take)", 5, 5, "point"),
        ("RunContinued", 6, 6, "point"),
    ]


def test_an_actor_has_none(stock: str, folder: Path) -> None:
    """Its events are points in time."""
    assert timeline(read_file(folder / stock).events) == []


def test_drawing(perdure: Perdure, order: str) -> None:
    """A bar from beginning to end with failed attempts in it; by time or by events; as JSON."""
    lines = perdure("show", order).output.splitlines()
    assert "every event as wide as another" in lines[4]
    write_to = next(line for line in lines if line.startswith("#3 write_to"))
    assert "━✗━" in write_to
    assert write_to.endswith("● " + " " * (write_to.rindex("13.0 s") - write_to.index("●") - 2) + "13.0 s 2 attempts")
    by_time = perdure("show", order, "--scale", "time", "--lanes", "2").output
    assert "every event" not in by_time
    assert "… and 5 more; --lanes 0 draws all" in by_time
    assert perdure("show", order, "--json").json_lines[0]["timeline"][2]["name"] == "#2 charge"
