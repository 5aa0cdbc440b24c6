"""Search attributes: what a workflow says of itself so that people find it in listings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from actors.errors import InvalidArguments
from actors.names import TYPE_NAME

Attribute = str | int | float | bool

MOST = 32  # of one instance
MAX_TEXT = 200  # characters
_MAX_INTEGER = 2**53  # up to here every JSON reader gets the same number


def checked(values: Mapping[str, Any]) -> dict[str, Attribute | None]:
    """Give attributes as they are kept. None takes one away; a time becomes text in UTC, which sorts as times do.

    Raises:
        InvalidArguments: a name or value that can't be kept; it names both and what is allowed.
    """
    if len(values) > MOST:
        raise InvalidArguments(f"{len(values)} search attributes; an instance has at most {MOST}")
    return {_name(name): _value(name, value) for name, value in values.items()}


def _name(name: object) -> str:
    if not isinstance(name, str) or TYPE_NAME.fullmatch(name) is None:
        raise InvalidArguments(f"{name!r} can't name a search attribute: use letters, digits, _ or -, at most 64")
    return name


def _value(name: str, value: Any) -> Attribute | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value and _is_unicode(value):
        return str(value)
    if isinstance(value, int) and abs(value) <= _MAX_INTEGER:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise InvalidArguments(
        f"search attribute {name} can't be {value!r:.80}; expected text of at most {MAX_TEXT} characters, a number, a bool, or a "
        "datetime with a time zone"
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
