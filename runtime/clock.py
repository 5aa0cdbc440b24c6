"""Time: the database's clock, carried forward by the event loop's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class Clock:
    """The database's clock as of the last look, plus the monotonic time since.

    It is set from an answer that was on its way for a moment, so it is never ahead of the database: a timer that is
    due by this clock is due by the database's. It never goes back, whatever the database's clock does.
    """

    def __init__(self) -> None:
        self._seen = datetime.min.replace(tzinfo=UTC)
        self._at = 0.0
        self._last = self._seen
        self._last_at = -1.0  # the loop's time that `_last` is for: a busy loop asks many times at one moment

    def set(self, now: datetime) -> None:
        """Take over what the database's clock said just now."""
        self._seen, self._at, self._last_at = now, monotonic(), -1.0

    def now(self) -> datetime:
        """Give the database's time, in UTC; only after the first `set`."""
        at = monotonic()
        if at != self._last_at:
            self._last = max(self._last, self._seen + timedelta(seconds=at - self._at))
            self._last_at = at
        return self._last


def monotonic() -> float:
    """Give the running loop's time in seconds: for waiting and for measuring what passed."""
    return asyncio.get_running_loop().time()
