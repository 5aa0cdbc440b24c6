"""Durable timers."""

from __future__ import annotations

from actors.journal.correction import Correction
from actors.journal.event import Fact, JournalEvent


class TimerSet(JournalEvent):
    """The code waits for a time, given in seconds since the epoch."""

    timer: int
    due: float

    def title(self) -> str:
        return f"TimerSet(#{self.timer})"


class TimerFired(Fact):
    """A durable timer came due, or somebody did not want to wait for it."""

    timer: int
    correction: Correction | None = None

    def title(self) -> str:
        return f"TimerFired(#{self.timer})"
