"""A time line drawn in the terminal: a bar a lane."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from runtime.cli.output import console, duration, local_time

if TYPE_CHECKING:
    from rich.text import Text

    from eventstore.records import RecordedEvent
    from runtime.debugging.timeline import Lane

_PIPE_WIDTH = 110
_MOST_NAME = 40
_LEAST_BAR = 20
_ENDS = {
    "completed": ("●", "green"), "failed": ("✗", "red"), "fired": ("◆", "cyan"), "open": ("▷", "yellow"),
    "left": ("╌", "dim"), "point": ("●", "green"), "resumed": ("●", "green"), "cancelled": ("✗", "yellow"),
    "terminated": ("✗", "red"), "timed out": ("✗", "red"), "answered": ("●", "green"),
}  # fmt: skip
_BARS = {
    "run": "dim",
    "timer": "cyan",
    "child": "magenta",
    "command": "blue",
    "stuck": "bold red",
    "paused": "bold yellow",
}


class Scale(StrEnum):
    """What a column of the drawing stands for. `auto` takes events where most bars would be too short to be seen."""

    AUTO = "auto"
    TIME = "time"
    EVENTS = "events"


def print_timeline(lanes: Sequence[Lane], events: Sequence[RecordedEvent], *, scale: Scale, most: int) -> None:
    """Draw lanes, at most so many of them (0: all)."""
    out = console()
    name_width = min(_MOST_NAME, max(len(lane.name) for lane in lanes))
    infos = [_info(lane) for lane in lanes]
    whole = min(out.width, 160) if out.is_terminal else _PIPE_WIDTH
    width = max(_LEAST_BAR, whole - name_width - max(map(len, infos)) - 4)
    axis = _Axis(events, width, scale, lanes)
    out.print(axis.title(name_width), style="dim", soft_wrap=True)
    shown = len(lanes) if most == 0 else most
    for lane, info in list(zip(lanes, infos, strict=True))[:shown]:
        out.print(_line(lane, info, axis, name_width), soft_wrap=True)
    if len(lanes) > shown:
        out.print(f"… and {len(lanes) - shown} more; --lanes 0 draws all")


class _Axis:
    """Where in the drawing an event stands."""

    def __init__(self, events: Sequence[RecordedEvent], width: int, scale: Scale, lanes: Sequence[Lane]) -> None:
        self._events, self.width, self.newest = events, width, len(events)
        self._first = events[0].recorded_at
        self._span = (events[-1].recorded_at - self._first).total_seconds()
        if scale is Scale.AUTO:
            scale = Scale.EVENTS if self._is_crowded(lanes) else Scale.TIME
        self._by_events = scale is Scale.EVENTS or self._span <= 0

    def cell(self, version: int) -> int:
        if self._by_events:
            share = (version - 1) / max(1, self.newest - 1)
        else:
            share = (self._events[version - 1].recorded_at - self._first).total_seconds() / self._span
        return max(0, min(self.width - 1, round(share * (self.width - 1))))

    def title(self, indent: int) -> str:
        left, right = local_time(self._first), duration(max(0.0, self._span)) + " later"
        middle = "every event as wide as another" if self._by_events else ""
        room = self.width - len(left) - len(right)
        return " " * (indent + 2) + left + (middle if len(middle) < room - 2 else "").center(max(1, room)) + right

    def _is_crowded(self, lanes: Sequence[Lane]) -> bool:
        spans = [(lane.ended - lane.began).total_seconds() for lane in lanes if lane.ended and lane.ending != "point"]
        narrow = [span for span in spans if span * self.width < self._span]
        return 2 * len(narrow) > len(spans)


def _line(lane: Lane, info: str, axis: _Axis, name_width: int) -> Text:
    from rich.text import Text

    first = axis.cell(lane.version)
    last = axis.cell(lane.ended_version or axis.newest)
    end, colour = _ENDS.get(lane.ending, ("●", ""))
    cells = [" "] * first + ["━"] * (last - first) + [end]
    for mark in lane.marks:
        if (cell := axis.cell(mark.version)) < last:
            cells[cell] = "✗"
    name = lane.name if len(lane.name) <= name_width else f"{lane.name[: name_width - 1]}…"
    line = Text(f"{name:<{name_width}}  ")
    bar = _BARS.get(lane.kind, "")
    for sign in "".join(cells).ljust(axis.width):
        line.append(sign, "red" if sign == "✗" else bar if sign == "━" else colour)
    line.append(f"  {info}", colour if lane.ending in {"failed", "open"} else "dim")
    return line


def _info(lane: Lane) -> str:
    parts = [_span(lane), "" if lane.ending in {"point", "completed"} else lane.ending]
    if lane.failed_attempts:
        parts.append(f"{lane.failed_attempts + 1} attempts")
    return " ".join(part for part in parts if part)


def _span(lane: Lane) -> str:
    if lane.ended is None or lane.ending == "point":
        return ""
    return duration((lane.ended - lane.began).total_seconds())
