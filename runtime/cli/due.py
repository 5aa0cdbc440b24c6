"""Times as people write them on the command line."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from runtime.cli.errors import CommandLineError

_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def due_time(after: str | None, at: str | None) -> dict[str, Any]:
    """Read `--after` or `--at`; gives the argument of that name for `Client.call_later`.

    Raises:
        CommandLineError: both are given, or it is no time.
    """
    if after is not None and at is not None:
        raise CommandLineError("give --after or --at, not both")
    if after is not None:
        return {"after": _duration(after)}
    assert at is not None  # noqa: S101 - one of them is given
    return {"at": _moment(at)}


def _duration(text: str) -> timedelta:
    found = _PARTS.fullmatch(text)
    if not text or found is None:
        raise CommandLineError(f"--after {text!r} is no time: write it such as 90s, 5m, 1h30m or 2d")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise CommandLineError(f"--after {text} is longer than the calendar") from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandLineError(f"--at {text!r} is no time: write it such as 2027-01-01T00:00Z") from None
    if moment.tzinfo is None:
        raise CommandLineError(f"--at {text} has no time zone: add Z, or an offset such as +01:00")
    return moment
