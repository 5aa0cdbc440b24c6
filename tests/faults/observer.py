"""An observer: `python -m tests.faults.observer JOURNAL`. It follows the log with the store's own subscription, over connections
that no fault of the suite touches but the server's own death, and writes down what it was given.

On SIGTERM it reads to the heads that it finds, and ends.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from eventstore import EventStore, Position, StoreError, Subscription
from runtime import logs
from runtime.assembly import open_store
from runtime.cli.running import announce, serve
from runtime.settings import load_settings
from tests.faults.journal import Journal, Saw
from tests.waiting import wait_until

_PAGE = 1_000
_PAUSE = 0.05  # seconds between two looks at a store that can't be read
_LAST_LOOK = 30.0  # seconds, at most, to reach the heads


async def follow(journal: Journal, stop: asyncio.Event) -> None:
    """Follow until `stop` is set, and then to the heads."""
    async with open_store(load_settings()) as store, Subscription(store, limit=_PAGE) as batches:
        reading = asyncio.create_task(_write_down(batches, journal))
        announce("READY=1")
        await asyncio.wait([reading, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        with suppress(TimeoutError, AssertionError):  # what is missing shows in the audit
            async with asyncio.timeout(_LAST_LOOK):
                heads = await _heads(store)
                await wait_until(lambda: reading.done() or batches.position == heads, seconds=_LAST_LOOK)
        batches.close()
        await reading


async def _write_down(batches: Subscription, journal: Journal) -> None:
    async for batch in batches:
        for event in batch.events:
            place = [event.partition, event.offset, event.version]
            journal.write(Saw.EVENT, event.causation_id or "", event.stream, event.type, place)


async def _heads(store: EventStore) -> Position:
    while True:
        try:
            heads = await store.heads()
        except StoreError:
            await asyncio.sleep(_PAUSE)
        else:
            return Position({partition: head for partition, head in enumerate(heads) if head})


if __name__ == "__main__":
    logs.configure("warning")
    serve(lambda stop: follow(Journal(Path(sys.argv[1])), stop))
