"""Many deadlines, one timer."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import Protocol

from runtime.clock import monotonic


class Watched(Protocol):
    """Something with a deadline."""

    @property
    def over(self) -> bool:
        """Whether nobody is interested in its deadline any more."""
        ...

    def due(self, when: float) -> None:
        """Hear that the deadline of that time has come."""
        ...


class Deadlines:
    """Tells each watched object when its time has come, and forgets those that are over."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Watched]] = []
        self._order = count()
        self._timer: asyncio.Handle | None = None  # uvloop gives no TimerHandle for a time that is past
        self._timer_at = 0.0

    def watch(self, watched: Watched, when: float) -> None:
        """Call `due` at a time of the loop, unless it is over by then."""
        heapq.heappush(self._heap, (when, next(self._order), watched))
        if self._timer is None or when < self._timer_at:
            self._arm(when)

    def close(self) -> None:
        """Forget all."""
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = asyncio.get_running_loop().call_at(when, self._look), when

    def _look(self) -> None:
        """Tell those that are due. Most in the heap are over when their time comes: they cost no timer."""
        self._timer = None
        heap, now = self._heap, monotonic()
        while heap and (heap[0][2].over or heap[0][0] <= now):
            when, _, watched = heapq.heappop(heap)
            if not watched.over:
                watched.due(when)
        if heap and self._timer is None:
            self._arm(heap[0][0])
