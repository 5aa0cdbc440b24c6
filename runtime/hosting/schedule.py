"""What a partition has to do at a later time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count

from runtime.clock import Clock


class Schedule:
    """A heap of actions by their due time. Actions of one time run in the order they were added."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = count()
        self._sooner = asyncio.Event()

    def add(self, due: datetime, action: Callable[[], None]) -> None:
        """Run an action at a time, never before."""
        if not self._heap or due < self._heap[0][0]:
            self._sooner.set()
        heapq.heappush(self._heap, (due, next(self._order), action))

    def __len__(self) -> int:
        return len(self._heap)

    async def run_due(self, at_most: float, limit: int) -> None:
        """Run what is due, `limit` actions at most; when nothing is, wait for it, `at_most` seconds."""
        self._sooner.clear()
        if not self._run(limit):
            wait = at_most
            if self._heap:
                wait = min(wait, (self._heap[0][0] - self._clock.now()).total_seconds())
            if wait > 0:
                try:
                    async with asyncio.timeout(wait):
                        await self._sooner.wait()
                except TimeoutError:
                    pass
        else:
            await asyncio.sleep(0)

    def _run(self, limit: int) -> bool:
        now, ran = self._clock.now(), 0
        while self._heap and self._heap[0][0] <= now and ran < limit:
            heapq.heappop(self._heap)[2]()
            ran += 1
        return ran > 0
