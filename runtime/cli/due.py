"""Times as people write them on the command line."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from runtime.cli.errors import WrongInput

_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def due_time(after: str | None, at: str | None) -> dict[str, Any]:
    """Read `--after` or `--at`; gives the argument of that name for `Client.call_later`.

    Raises:
        WrongInput: both are given, or it is no time.
    """
    if after is not None and at is not None:
        raise WrongInput("give --after or --at, not both")
    if after is not None:
        return {"after": timedelta(seconds=seconds("--after", after))}
    assert at is not None  # noqa: S101 - one of them is given
    return {"at": moment("--at", at)}


def seconds(option: str, text: str) -> float:
    """Read a span of time, such as 90s, 5m, 1h30m, 2d or 0.5; raises `WrongInput`."""
    found = _PARTS.fullmatch(text)
    if not text or found is None:
        raise WrongInput(f"{option} {text!r} is no time: write it such as 90s, 5m, 1h30m or 2d")
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=rest).total_seconds()
    except OverflowError:
        raise WrongInput(f"{option} {text} is longer than the calendar") from None


def moment(option: str, text: str) -> datetime:
    """Read a time with its zone; raises `WrongInput`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongInput(f"{option} {text!r} is no time: write it such as 2027-01-01T00:00Z") from None
    if found.tzinfo is None:
        raise WrongInput(f"{option} {text} has no time zone: add Z, or an offset such as +01:00")
    return found
