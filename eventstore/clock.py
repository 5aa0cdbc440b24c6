"""The clock that the in-memory store is given; Postgres brings its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the current time as an aware datetime."""


def utc_now() -> datetime:
    """Give the real time, in UTC."""
    return datetime.now(UTC)
