"""`Schedule`: when a workflow is to be started, and what to do when the one before still runs. Checked when it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Raw, Struct
from msgspec.json import Decoder

from actors.codec import decode_any, encode
from actors.names import TYPE_NAME

LEAST_EVERY = 0.1  # seconds
MOST_EVERY = 100 * 366 * 86_400  # seconds
MOST_LINES = 20  # of cron
MOST_LINE = 500  # characters
LEAST_WINDOW = 10  # seconds: for as long another node may need to take over
MOST_WINDOW = 10 * 366 * 86_400  # seconds
MOST_BUFFERED = 10_000
MAX_ID = 140  # bytes of a schedule's id: what it starts has its id and a time
FIRST_YEAR, LAST_YEAR = 1900, 8999  # in which times may begin: far from where datetimes end, in every zone
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_NICKNAMES = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip


class Overlap(StrEnum):
    """What to do with a time at which something that the schedule has started still runs."""

    SKIP = "skip"
    """nothing is started for it"""
    BUFFER_ONE = "buffer_one"
    """one time waits until it has ended, others are skipped"""
    BUFFER_ALL = "buffer_all"
    """all of them wait, up to `most_buffered`"""
    CANCEL_OTHER = "cancel_other"
    """what runs is asked to cancel, and the newest time waits for its end"""
    TERMINATE_OTHER = "terminate_other"
    """the same, but what runs is ended at once, without its code"""
    ALLOW_ALL = "allow_all"
    """it is started beside the other"""


class Schedule(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Times, and how to deal with them: `Schedule(cron="0 2 * * *", time_zone="Europe/Berlin")`.

    The times are those of all cron lines and of the interval together, each once, from `start_at` to `end_at` (both inclusive).

    Args:
        cron: one line or several: minute, hour, day of the month, month, day of the week; six fields begin with the second.
            Names (`MON`, `JAN`), ranges, steps, lists, `L`, `MON#2`, and `@daily` and the like.
        every: an interval in seconds, at least 0.1, in whole milliseconds; counted from 1970 in UTC, so that no time depends on when the
            schedule was made.
        offset: seconds by which the interval's times are later, below `every`.
        time_zone: the zone of the cron lines, by its name in the IANA database.
        start_at: no time before it.
        end_at: no time after it.
        limit: no more starts than that at the schedule's own times, made in its whole life; those asked for by hand don't count.
        jitter: at most so many seconds a start is late, never later than the next time. How many follows from id and time.
        overlap: see `Overlap`.
        most_buffered: how many times may wait, 1 to 10,000.
        catch_up: seconds. A time that nobody dealt with, because no node ran, is made up for if it is no older than that; at least 10.
        time_argument: the parameter of the workflow's `run` that is given the time; None: it is in the id alone.

    Raises:
        ValueError: it can't be; says what was expected, and what came.
    """

    cron: str | list[str] = []
    every: float | None = None
    offset: float = 0.0
    time_zone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    limit: int | None = None
    jitter: float = 0.0
    overlap: Overlap = Overlap.SKIP
    most_buffered: int = 1000
    catch_up: float = 86_400.0
    time_argument: str | None = None

    def __post_init__(self) -> None:
        _check_interval(self)
        _check_bounds(self)
        _check_numbers(self)
        if len(self.lines) > MOST_LINES:
            raise ValueError(f"{len(self.lines)} cron lines; at most {MOST_LINES}")
        if not self.lines and self.every is None:
            raise ValueError('a schedule needs times: give it `cron="0 2 * * *"`, or `every=3600`, or both')
        for line in self.lines:
            _check_line(line, self.time_zone)
        if not self.lines:
            zone(self.time_zone)

    @property
    def lines(self) -> list[str]:
        """The cron lines."""
        return [self.cron] if isinstance(self.cron, str) else self.cron


class Definition(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A schedule and what it starts. `input` holds the arguments in JSON: an object by name, or a list by position.

    Raises:
        ValueError: it can't be.
    """

    schedule: Schedule
    workflow: str
    input: Raw = Raw(b"{}")

    def __post_init__(self) -> None:
        if TYPE_NAME.fullmatch(self.workflow) is None:
            raise ValueError(f"{self.workflow!r} can't name a workflow type")
        given, argument = decode_any(self.input), self.schedule.time_argument
        if not isinstance(given, dict | list):
            raise ValueError(f"arguments are an object by name or a list by position, not {given!r:.80}")  # noqa: TRY004 - what came is JSON
        if argument is None:
            return
        if not isinstance(given, dict):
            raise ValueError(f"{argument} is given the time, so the other arguments must be an object by name")  # noqa: TRY004 - likewise
        if argument in given:
            raise ValueError(f"{argument} is given the time; leave it out of the other arguments")

    def input_at(self, moment: datetime) -> Raw:
        """Give the arguments for a time."""
        if (argument := self.schedule.time_argument) is None:
            return self.input
        return Raw(encode({**_ARGUMENTS.decode(self.input), argument: moment}))


_ARGUMENTS = Decoder(dict[str, Raw])  # so that no digit of a number is lost


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """Find a time zone; raises `ValueError` when nobody knows it."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"time zone {name!r} can't be read: {error}") from error
    except KeyError:
        raise ValueError(f"no time zone is named {name!r}; expected a name such as Europe/Berlin or UTC") from None


def cron_line(line: str) -> str:
    """Give a cron line with its nickname spelled out."""
    return _NICKNAMES.get(line.strip().lower(), line)


@lru_cache(maxsize=256)
def _check_line(line: str, time_zone: str) -> None:
    try:
        if len(line) > MOST_LINE:
            raise CronSimError(f"it is longer than {MOST_LINE} characters")
        times = CronSim(cron_line(line), _SOME_DAY.astimezone(zone(time_zone)))
    except (CronSimError, IndexError) as error:
        if str(error) == "Bad day-of-month" and _days_are_fine(line):
            raise ValueError(_never(line)) from None
        raise ValueError(
            f"cron line {line!r} can't be read: {error}; expected five fields, such as '0 2 * * MON-FRI' (minute, hour, day "
            "of the month, month, day of the week), or six that begin with the second"
        ) from None
    if next(times, None) is None:
        raise ValueError(_never(line))


def _days_are_fine(line: str) -> bool:
    """Say whether it is only the months that no such day is in."""
    fields = line.split()
    fields[-2] = "*"
    try:
        CronSim(" ".join(fields), _SOME_DAY)
    except CronSimError:
        return False
    return True


def _never(line: str) -> str:
    return f"cron line {line!r} never fires: there is no such day in fifty years"


def _check_interval(schedule: Schedule) -> None:
    every, offset = schedule.every, schedule.offset
    if every is None:
        if offset:
            raise ValueError("`offset` moves the times of `every`; there is none")
        return
    if not LEAST_EVERY <= every <= MOST_EVERY or not _is_whole_ms(every):
        raise ValueError(f"every must be {LEAST_EVERY} to {MOST_EVERY} seconds in whole milliseconds, it is {every}")
    if not 0 <= offset < every or not _is_whole_ms(offset):
        raise ValueError(f"offset must be from 0 to below `every` ({every}) in whole milliseconds, it is {offset}")


def _is_whole_ms(seconds: float) -> bool:
    return abs(seconds * 1000 - round(seconds * 1000)) < 1e-6


def _check_bounds(schedule: Schedule) -> None:
    for name, moment in (("start_at", schedule.start_at), ("end_at", schedule.end_at)):
        if moment is not None and moment.tzinfo is None:
            raise ValueError(f"{name} needs a time zone, such as 2027-01-01T00:00Z; it is {moment.isoformat()}")
    if schedule.start_at is not None and not FIRST_YEAR <= schedule.start_at.year <= LAST_YEAR:
        raise ValueError(
            f"start_at must be in the years {FIRST_YEAR} to {LAST_YEAR}; it is {schedule.start_at.isoformat()}"
        )
    if schedule.start_at is not None and schedule.end_at is not None and schedule.start_at > schedule.end_at:
        raise ValueError(f"start_at ({schedule.start_at.isoformat()}) is after end_at ({schedule.end_at.isoformat()})")


def _check_numbers(schedule: Schedule) -> None:
    if schedule.limit is not None and schedule.limit < 1:
        raise ValueError(f"limit must be 1 or more, or None; it is {schedule.limit}")
    if not 1 <= schedule.most_buffered <= MOST_BUFFERED:
        raise ValueError(f"most_buffered must be 1 to {MOST_BUFFERED}, it is {schedule.most_buffered}")
    for name, seconds, least in (("jitter", schedule.jitter, 0), ("catch_up", schedule.catch_up, LEAST_WINDOW)):
        if not least <= seconds <= MOST_WINDOW:
            raise ValueError(f"{name} must be {least} to {MOST_WINDOW} seconds, it is {seconds}")


def window(schedule: Schedule) -> timedelta:
    """Give the age up to which a time is made up for."""
    return timedelta(seconds=schedule.catch_up)
