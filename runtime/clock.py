"""Time: the database's clock, carried forward by the event loop's own."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta

LOOKS = 8  # few, so that two clocks that run at different speeds do not drift apart in between


class Clock:
    """The database's clock as of the quickest of the last looks, plus the monotonic time since.

    Each look is an answer that was on its way for a moment, so it is never ahead of the database: a timer that is due by
    this clock is due by the database's. The one that shows the latest time was the quickest, and is the nearest to the
    truth. The clock never goes back, whatever the database's does.
    """

    def __init__(self) -> None:
        self._origins: deque[datetime] = deque(maxlen=LOOKS)  # the loop's time 0, by each look
        self._origin = datetime.min.replace(tzinfo=UTC)
        self._last = self._origin
        self._last_at = -1.0  # the loop's time that `_last` is for: a busy loop asks many times at one moment

    def set(self, now: datetime) -> None:
        """Take over what the database's clock said just now."""
        self._origins.append(now - timedelta(seconds=monotonic()))
        self._origin, self._last_at = max(self._origins), -1.0

    def now(self) -> datetime:
        """Give the database's time, in UTC; only after the first `set`."""
        at = monotonic()
        if at != self._last_at:
            self._last = max(self._last, self._origin + timedelta(seconds=at))
            self._last_at = at
        return self._last


def monotonic() -> float:
    """Give the running loop's time in seconds: for waiting and for measuring what passed."""
    return asyncio.get_running_loop().time()
