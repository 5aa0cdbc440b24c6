"""From a schedule to its times: pure, ascending, each once.

Cron lines are read in the schedule's zone, where clocks are turned. As with Debian's cron a line with a fixed minute and hour fires once a day on
those days, too: a time that the clock leaps over is moved to the first moment after the leap, and one that comes twice is the
first. A line whose minute or hour begins with a star follows the clock on the wall: what is leapt over is left out, and
an hour that comes twice is fired in twice. Intervals know nothing of zones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from heapq import merge
from itertools import chain, islice, pairwise

from cronsim import CronSim

from runtime.schedules.schedule import Schedule, cron_line, zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_LAST = datetime(9000, 1, 1, tzinfo=UTC)  # enough for everybody, and far from where datetimes end


def times_after(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Give the times later than a moment, in UTC, for ever if the schedule has no end."""
    if schedule.start_at is not None:
        after = max(after, schedule.start_at - _TICK)
    after = after.astimezone(UTC)
    sources = [_cron_times(line, schedule.time_zone, after) for line in schedule.lines]
    if schedule.every is not None:
        sources.append(_interval_times(schedule.every, schedule.offset, after))
    last = after
    for moment in merge(*sources):
        if moment > (schedule.end_at or _LAST):
            return
        if moment > last:
            yield moment
            last = moment


def times_between(schedule: Schedule, first: datetime, last: datetime, most: int) -> list[datetime]:
    """Give the times from `first` to `last`, both inclusive; at most so many."""
    found: list[datetime] = []
    for moment in times_after(schedule, first - _TICK):
        if moment > last or len(found) == most:
            break
        found.append(moment)
    return found


def next_times(schedule: Schedule, after: datetime, count: int) -> list[datetime]:
    """Give the next times after a moment, fewer where the schedule ends."""
    return list(islice(times_after(schedule, after), count))


def start_times(schedule: Schedule, id: str, after: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Give each time after a moment together with the moment at which it is due: later by the jitter, in the same order."""
    if not schedule.jitter:
        for moment in times_after(schedule, after):
            yield moment, moment
        return
    jitter = timedelta(seconds=schedule.jitter)
    for moment, following in pairwise(chain(times_after(schedule, after), (_LAST,))):
        yield moment, moment + min(jitter, following - moment) * _share(id, moment)


def stamp(moment: datetime) -> str:
    """Write a time as part of an id: `2027-01-01T02:00:00Z`, with a fraction only where there is one."""
    text = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{text.isoformat(timespec='auto' if text.microsecond else 'seconds')}Z"


def _share(id: str, moment: datetime) -> float:
    """Give a number from 0 to below 1 that follows from id and time."""
    return int.from_bytes(sha256(f"{id} {stamp(moment)}".encode()).digest()[:6]) / 2**48


def _cron_times(line: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    last = after
    for local in CronSim(cron_line(line), after.astimezone(zone(time_zone))):
        moment = local.astimezone(UTC)
        if moment > last:  # where clocks are turned back, the first ones may be before
            yield moment
            last = moment


def _interval_times(every: float, offset: float, after: datetime) -> Iterator[datetime]:
    step, first = timedelta(milliseconds=round(every * 1000)), _EPOCH + timedelta(milliseconds=round(offset * 1000))
    moment = first + step * ((after - first) // step + 1)
    while moment < _LAST:
        yield moment
        moment += step
