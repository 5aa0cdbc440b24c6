"""A workflow's history as lanes on a time line: what began when, what came of it, and what went wrong in between.

It reads events alone, no code. Which event begins, marks or ends a lane stands in tables; an event that is in none of
them still has its place: by its `number`, if it has one, else as a point of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from eventstore.records import RecordedEvent
from runtime.cli import journal

OPEN, LEFT = "open", "left"


class Mark(Struct):
    """Something that happened within a lane, such as an attempt that failed."""

    version: int
    at: datetime
    what: str


class Lane(Struct, omit_defaults=True):
    """A task, timer, child, command, span of being stuck or paused, or the run itself.

    `ending` is how it ended: `completed`, `failed`, `fired`, … `open` if it has not, `left` if the run ended first,
    `point` for what has no duration. `version` and `began` are of its first event, `ended` of its last one.
    """

    kind: str
    name: str
    version: int
    began: datetime
    ending: str = OPEN
    ended_version: int | None = None
    ended: datetime | None = None
    due: float | None = None
    marks: list[Mark] = []

    @property
    def failed_attempts(self) -> int:
        """How many attempts failed and were followed by another."""
        return len(self.marks)


class _Begin(Struct, frozen=True):
    kind: str
    key: str | None = None
    name: Callable[[dict[str, Any]], str] = lambda data: ""  # noqa: ARG005


class _End(Struct, frozen=True):
    kind: str
    key: str | None
    ending: str


def _restarted(data: dict[str, Any]) -> str:
    correction = data.get("correction") or {}
    return (f", restarted by {correction['by']}" if correction.get("by") else ", restarted") if correction else ""


_BEGINS = {
    "RunStarted": _Begin("run", None, lambda data: f"run{_restarted(data)}"),
    "Stuck": _Begin("stuck", None, lambda data: f"stuck: {data['error']['type']}"),
    "RunRetried": _Begin("run", None, lambda data: "run, retried"),  # noqa: ARG005
    "Paused": _Begin("paused", None, lambda data: f"paused by {data['by']}" if data.get("by") else "paused"),
    "TaskScheduled": _Begin("task", "task", lambda data: f"#{data['task']} {data['name']}"),
    "TimerSet": _Begin("timer", "timer", lambda data: f"#{data['timer']} timer"),
    "ChildStarted": _Begin("child", "child", lambda data: f"#{data['child']} {data['type']}/{data['id']}"),
    "CommandSent": _Begin(
        "sent", "command", lambda data: f"#{data['command']} {data['type']}/{data['id']} {data['name']}"
    ),
    "CommandReceived": _Begin("command", "id", lambda data: f"command {data['name']}"),
}
_ENDS = {
    "Resumed": _End("stuck", None, "resumed"),
    "Unpaused": _End("paused", None, "resumed"),
    "TaskCompleted": _End("task", "task", "completed"),
    "TaskFailed": _End("task", "task", "failed"),
    "TimerFired": _End("timer", "timer", "fired"),
    "ChildCompleted": _End("child", "child", "completed"),
    "ChildFailed": _End("child", "child", "failed"),
    "CommandAnswered": _End("sent", "command", "answered"),
    "CommandCompleted": _End("command", "id", "completed"),
    "CommandFailed": _End("command", "id", "failed"),
    "RunCompleted": _End("run", None, "completed"),
    "RunFailed": _End("run", None, "failed"),
    "RunCancelled": _End("run", None, "cancelled"),
    "RunTerminated": _End("run", None, "terminated"),
    "RunTimedOut": _End("run", None, "timed out"),
}
_MARKS = {"TaskAttemptFailed": ("task", "task")}
_RUNS = "RunContinued"  # ends what the former run had open, and goes on in the same lane


def timeline(events: Sequence[RecordedEvent]) -> list[Lane]:
    """Give a workflow's lanes in the order they began, none for an actor."""
    if not events or events[0].type != "RunStarted":
        return []
    return _Drawing().lanes(events)


class _Drawing:
    def __init__(self) -> None:
        self._lanes: list[Lane] = []
        self._open: dict[tuple[str, Any], Lane] = {}
        self._titles = journal.Titles()

    def lanes(self, events: Sequence[RecordedEvent]) -> list[Lane]:
        for event in events:
            data = journal.payload(event)
            self._take(event, data if isinstance(data, dict) else {}, self._titles.of(event))
        return self._lanes

    def _take(self, event: RecordedEvent, data: dict[str, Any], title: str) -> None:
        if (begin := _BEGINS.get(event.type)) is not None and not data.get("told"):
            key = (begin.kind, data.get(begin.key) if begin.key else None)
            self._begin(key, event, begin.name(data), data.get("due"))
        elif (end := _ENDS.get(event.type)) is not None:
            self._end((end.kind, data.get(end.key) if end.key else None), event, end.ending, title)
        elif (mark := _MARKS.get(event.type)) is not None:
            lane = self._open.get((mark[0], data.get(mark[1])))
            if lane is not None:
                lane.marks.append(Mark(event.version, event.recorded_at, title))
        elif event.type == _RUNS:
            self._point(event, title)
            self._leave(event, but={("run", None), *(key for key in self._open if key[0] == "command")})
        else:
            self._take_unknown(event, data, title)

    def _take_unknown(self, event: RecordedEvent, data: dict[str, Any], title: str) -> None:
        key = ("number", data.get("number"))
        if key[1] is None:
            self._point(event, title)
        elif key in self._open:
            self._end(key, event, event.type, title)
        else:
            self._begin(key, event, title, None)

    def _begin(self, key: tuple[str, Any], event: RecordedEvent, name: str, due: float | None) -> None:
        lane = Lane(key[0] if key[0] != "number" else "event", name, event.version, event.recorded_at, due=due)
        self._open[key] = lane
        self._lanes.append(lane)

    def _end(self, key: tuple[str, Any], event: RecordedEvent, ending: str, title: str) -> None:
        lane = self._open.pop(key, None)
        if lane is None:  # a local task's end is all that there is of it
            self._point(event, title)
            return
        self._close(lane, event, ending)
        if key[0] == "run":
            self._leave(event, but=set())

    def _leave(self, event: RecordedEvent, *, but: set[tuple[str, Any]]) -> None:
        for key in [key for key in self._open if key not in but]:
            self._close(self._open.pop(key), event, LEFT)

    def _point(self, event: RecordedEvent, title: str) -> None:
        lane = Lane("event", title, event.version, event.recorded_at)
        self._close(lane, event, "point")
        self._lanes.append(lane)

    @staticmethod
    def _close(lane: Lane, event: RecordedEvent, ending: str) -> None:
        lane.ending, lane.ended_version, lane.ended = ending, event.version, event.recorded_at
