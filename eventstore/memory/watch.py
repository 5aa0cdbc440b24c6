"""Waiting for events of a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventstore.memory.log import Log


class MemoryWatch:
    """A `Watch` of a `MemoryStore`: the commit sets an event of everybody who asked."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._bell = asyncio.Event()
        self._closed = False

    async def ask(self, partitions: Sequence[int]) -> None:
        """Want to be woken; see `Watch.ask`."""
        if not self._closed:
            self._bell.clear()
            for partition in partitions:
                self._log.partitions[partition].awaited.add(self._bell)

    async def wait(self, seconds: float | None) -> None:
        """Wait for the bell; see `Watch.wait`."""
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """Wake who waits, and want no more."""
        self._closed = True
        self._bell.set()
        for partition in self._log.partitions:
            partition.awaited.discard(self._bell)
