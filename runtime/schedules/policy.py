"""What becomes of a time: a small state machine without any clock, workflow or journal.

A time is *admitted* under an overlap policy, which starts it, lets it wait, or skips it, and may end what runs:

| policy | nothing runs | something runs |
|---|---|---|
| skip | start | skip |
| buffer_one | start | wait if nothing waits, else skip |
| buffer_all | start | wait if there is room, else skip |
| cancel_other, terminate_other | start | wait in the place of what waits, and end what runs |
| allow_all | start | start |

What waits counts as running to what comes later, so that order is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from msgspec import Struct

from runtime.schedules.schedule import Overlap, Schedule, window
from runtime.schedules.state import Item
from runtime.schedules.times import start_times, times_between

MOST_AT_ONCE = 500  # started or let wait in one turn
MOST_COUNTED = 2000  # times that are skipped or missed in one go; who missed more hears of so many
_TICK = timedelta(microseconds=1)


class Verdict(Enum):
    """What becomes of one time."""

    START = "start"
    WAIT = "wait"
    REPLACE = "replace"  # wait, alone, and end what runs
    SKIP = "skip"


def admit(overlap: Overlap, busy: bool, waiting: int, most_waiting: int) -> Verdict:
    """Judge one time.

    Args:
        overlap: the policy.
        busy: whether something runs.
        waiting: how many times wait.
        most_waiting: how many may.
    """
    if overlap is Overlap.ALLOW_ALL or not (busy or waiting):
        return Verdict.START
    match overlap:
        case Overlap.SKIP:
            return Verdict.SKIP
        case Overlap.BUFFER_ONE:
            return Verdict.SKIP if waiting else Verdict.WAIT
        case Overlap.BUFFER_ALL:
            return Verdict.SKIP if waiting >= most_waiting else Verdict.WAIT
        case _:
            return Verdict.REPLACE


class Elapsed(Struct, omit_defaults=True):
    """What has become due since the last look. It is recorded: replay asks neither the library nor the zones again.

    `taken` are times to be admitted, in order; the others are counted. Up to `cursor` all is dealt with; at `due` comes the
    next time, None: never. `more`: there is more to be dealt with now.
    """

    cursor: datetime
    taken: list[datetime] = []
    skipped: int = 0
    missed: int = 0
    due: datetime | None = None
    more: bool = False


def elapsed(
    schedule: Schedule, id: str, cursor: datetime, now: datetime, *, busy: bool, waiting: int, left: int | None
) -> Elapsed:
    """Say what has become due after `cursor`, up to now.

    Times older than the catch-up window are missed, unless they would have been skipped anyway. A long row of times that
    will all be skipped is counted (up to `MOST_COUNTED`), and not handed out.

    Args:
        schedule: whose times.
        id: its id, for the jitter.
        cursor: up to where all is dealt with.
        now: the time.
        busy: whether something that the schedule has started runs.
        waiting: how many times wait.
        left: how many starts the limit leaves; None: any number.
    """
    found = Elapsed(cursor)
    if left == 0:  # none of its times counts any more
        return found
    oldest = now - window(schedule) - timedelta(seconds=schedule.jitter) - _TICK
    if cursor < oldest:
        count = len(times_between(schedule, cursor + _TICK, oldest, MOST_COUNTED))
        if needs_a_timer(schedule, busy=busy, waiting=waiting):
            found.missed = count
        else:
            found.skipped = count
        found.cursor = oldest
    for moment, due in start_times(schedule, id, found.cursor):
        if left is not None and len(found.taken) >= left:
            return found
        if due > now:
            return _up_to(found, moment, due, now)
        verdict = admit(schedule.overlap, busy, waiting, schedule.most_buffered)
        if verdict is Verdict.SKIP:
            return _pass_over(schedule, id, now, found)
        if now - due > window(schedule):
            found.missed += 1
        elif len(found.taken) == MOST_AT_ONCE:
            found.more = True
            return found
        else:
            found.taken.append(moment)
            busy, waiting = (True, waiting) if verdict is Verdict.START else (busy, waiting + 1)
        found.cursor = moment
    return found


def _pass_over(schedule: Schedule, id: str, now: datetime, found: Elapsed) -> Elapsed:
    """Count the rest, which is skipped."""
    for moment, due in start_times(schedule, id, found.cursor):
        if due > now:
            return _up_to(found, moment, due, now)
        if found.skipped >= MOST_COUNTED:
            rest = next(start_times(schedule, id, now), None)
            found.cursor, found.due = now, None if rest is None else rest[1]
            return found
        found.skipped += 1
        found.cursor = moment
    return found


def _up_to(found: Elapsed, moment: datetime, due: datetime, now: datetime) -> Elapsed:
    """Note the first time that is not due yet; it may be past and only late by its jitter."""
    found.due = due
    found.cursor = max(found.cursor, min(now, moment - _TICK))
    return found


def needs_a_timer(schedule: Schedule, *, busy: bool, waiting: int) -> bool:
    """Say whether the next time must be met when it comes; one that would be skipped is counted when what runs has ended."""
    return admit(schedule.overlap, busy, waiting, schedule.most_buffered) is not Verdict.SKIP


def next_waiting(waiting: Sequence[Item], *, paused: bool) -> int | None:
    """Say which waiting time comes next: the first; while paused, the first that somebody asked for by hand."""
    return next((place for place, item in enumerate(waiting) if not paused or item.by != "schedule"), None)
