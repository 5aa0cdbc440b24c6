"""Commits of which nobody knows what became: they may still come true.

A commit that got no answer may lie on the wire, or wait for a lock, and be written later. Mostly its expected version refuses
it by then. But deleting an instance makes its versions begin anew, and a commit of before might fit those of the next one
of that name. So an instance is not deleted while a commit of its stream may still come true. Those of former owners of the
partition can't: their epoch is fenced.

That none comes true after `LATE` is the server's doing: it gives up what waits for a lock after 20 s, and every statement
within half of `LATE` (`eventstore/postgres/connection.py`). The rest is for what is still on the wire.
"""

from __future__ import annotations

from runtime.clock import monotonic

LATE = 60.0  # seconds: no commit comes true so long after its connection was given up


class Unsettled:
    """The streams that had such a commit of late, in one partition and under one epoch."""

    def __init__(self) -> None:
        self._noted: dict[str, float] = {}  # when, by stream; in that order

    def note(self, stream: str) -> None:
        """Hear that a commit of a stream got no answer."""
        now = monotonic()
        self._noted.pop(stream, None)
        self._noted[stream] = now
        while (first := next(iter(self._noted))) and self._noted[first] < now - LATE:
            del self._noted[first]

    def has(self, stream: str) -> bool:
        """Say whether a commit of a stream may still come true."""
        noted = self._noted.get(stream)
        return noted is not None and monotonic() - noted < LATE
