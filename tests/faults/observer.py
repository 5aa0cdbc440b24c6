"""An observer: `python -m tests.faults.observer JOURNAL`. It follows every partition with the store's own reader, by offset, over a
connection that no fault of the suite touches but the server's own death, and writes down what it was given.

On SIGTERM it reads to the heads that it finds, and ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from eventstore import StoreError
from eventstore.postgres import PostgresStore
from runtime import logs
from runtime.assembly import open_store
from runtime.cli.running import announce, serve
from runtime.settings import load_settings
from tests.faults.journal import Journal, Saw

_PAGE = 1_000
_PAUSE = 0.05
_AWAY = 0.1  # seconds before a store that can't be read is asked again
_LAST_LOOK = 30.0  # seconds, at most, to reach the heads


class Follower:
    """A reader of all partitions, each from its last offset on."""

    def __init__(self, store: PostgresStore, journal: Journal) -> None:
        self._store, self._journal = store, journal
        self._offsets = [0] * store.partitions

    async def look(self) -> bool:
        """Read on in every partition; says whether there was nothing new."""
        idle = True
        for partition, offset in enumerate(self._offsets):
            events = await self._store.read_partition(partition, after=offset, limit=_PAGE)
            for event in events:
                place = [event.partition, event.offset, event.version]
                self._journal.write(Saw.EVENT, event.causation_id or "", event.stream, event.type, place)
                self._offsets[partition] = event.offset
            idle = idle and not events
        return idle


async def follow(journal: Journal, stop: asyncio.Event) -> None:
    """Follow until `stop` is set, and then to the heads."""
    async with open_store(load_settings()) as store:
        follower = Follower(store, journal)
        announce("READY=1")
        deadline = None
        while deadline is None or time.monotonic() < deadline:
            if stop.is_set() and deadline is None:
                deadline = time.monotonic() + _LAST_LOOK
            try:
                idle = await follower.look()
            except StoreError:
                await asyncio.sleep(_AWAY)
                continue
            if idle and deadline is not None:
                return
            await asyncio.sleep(_PAUSE)


if __name__ == "__main__":
    logs.configure("warning")
    serve(lambda stop: follow(Journal(Path(sys.argv[1])), stop))
