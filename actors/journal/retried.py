"""Somebody has a failed run go on from its failed step."""

from __future__ import annotations

from actors.journal.event import Fact


class RunRetried(Fact):
    """A failed run goes on as if it had not failed: what is recorded from version `since` up to here is history, and counts no more.

    That is the turn in which `step` failed and the run with it. `Resumed` follows, when all that was open then is open again.
    `idle` is for how many seconds the run had ended: its timers and its deadline are as much later.
    """

    id: str
    since: int
    step: int
    idle: float = 0.0
    reason: str = ""
    by: str = ""

    def title(self) -> str:
        return f"RunRetried(#{self.step})"
