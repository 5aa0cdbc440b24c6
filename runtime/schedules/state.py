"""What a schedule knows: what it has started, what waits, and what it has counted."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

from runtime.schedules.schedule import Overlap, Schedule
from runtime.schedules.times import stamp

MOST_RECENT = 10

By = Literal["schedule", "trigger", "backfill"]


class Item(Struct, frozen=True, omit_defaults=True):
    """One time for which something is to be started, and who wants that. `overlap` stands for the schedule's own."""

    at: datetime
    by: By = "schedule"
    overlap: Overlap | None = None

    def id(self, schedule_id: str) -> str:
        """Give the id of the instance that is started for it: the same time has the same id."""
        return f"{schedule_id}-{stamp(self.at)}{'-trigger' if self.by == 'trigger' else ''}"


class Running(Struct, frozen=True):
    """Something that was started and has not ended. `number` is the child's, `type` its workflow's name."""

    number: int
    type: str
    id: str
    at: datetime
    started_at: datetime


class Recent(Struct, frozen=True, omit_defaults=True):
    """Something that was started and has ended, or could not be started: `outcome` says how."""

    id: str
    at: datetime
    started_at: datetime
    ended_at: datetime
    outcome: str = "completed"  # or: failed, cancelled, terminated, timed_out, not_started
    error: str | None = None


class Counts(Struct):
    """How often what happened, in the schedule's life."""

    started: int = 0
    not_started: int = 0  # because the id was taken: mostly, it was started for that time before
    skipped: int = 0  # because something was running, or too much was waiting
    missed: int = 0  # because no node ran for longer than the catch-up window
    taken: int = 0  # of the schedule's own times: what `limit` is about


class State(Struct):
    """All that one run of a schedule's workflow leaves to the next. Times up to `cursor` have been dealt with."""

    cursor: datetime
    paused: bool = False
    note: str = ""
    counts: Counts = field(default_factory=Counts)
    waiting: list[Item] = []
    running: list[Running] = []
    recent: list[Recent] = []  # the newest last
    triggered_at: datetime | None = None  # the last one


class Described(Struct):
    """What a schedule says of itself. `next` holds the next times, unless it is paused or at its limit."""

    id: str
    workflow: str
    input: Any
    schedule: Schedule
    paused: bool
    note: str
    deleted: bool
    counts: Counts
    waiting: list[Item]
    running: list[Running]
    recent: list[Recent]
    next: list[datetime] = []
    warning: str | None = None
