"""Instances that a mistake in the code has stopped: each is tried again, ever more rarely, until the code is mended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from runtime.clock import Clock
from runtime.hosting.schedule import Schedule

FIRST, MOST = timedelta(seconds=2), timedelta(minutes=5)  # between two tries


class StuckInstances:
    """Those of one partition, as far as its owner knows."""

    def __init__(self, clock: Clock, schedule: Schedule, wake: Callable[[str], None]) -> None:
        self._clock, self._schedule, self._wake = clock, schedule, wake
        self._waits: dict[str, timedelta] = {}
        self._planned: set[str] = set()

    def __contains__(self, stream: str) -> bool:
        return stream in self._waits

    def add(self, stream: str) -> None:
        """Take over one that is listed as stuck."""
        self._waits.setdefault(stream, FIRST)

    def plan(self, stream: str) -> None:
        """Plan the next try of one that does not go on."""
        if stream in self._planned:
            return
        wait = self._waits.get(stream, FIRST)
        self._waits[stream] = min(wait * 2, MOST)
        self._planned.add(stream)
        self._schedule.add(self._clock.now() + wait, partial(self._try, stream))

    def goes_on(self, stream: str) -> None:
        """Forget one that was mended."""
        self._waits.pop(stream, None)

    def _try(self, stream: str) -> None:
        self._planned.discard(stream)
        self._wake(stream)
