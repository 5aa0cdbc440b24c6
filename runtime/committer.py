"""Group commit: the turns of many actors in one transaction.

While one flush is under way the next one collects. So an idle node commits at once, and a busy one writes hundreds of
turns with one statement; nobody waits for a timer to fill a batch.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from eventstore import Commit, EventStore, StoreError, UnserialisableInput
from runtime.consuming import STORE_PAUSE, pause

MAX_EVENTS = 2_000  # of one flush; keeps a flush, and what a failed one costs, small

log = structlog.get_logger("perdure.committer")


class Unit(Protocol):
    """Something to commit, and who to tell."""

    commit: Commit
    withdrawn: bool  # its activation was dropped: what it builds on is not going to be written

    def settle(self, error: StoreError | None) -> None:
        """Hear that the commit is durable (None), was refused, or is unknown."""
        ...


class Committer:
    """Writes units in the order they come. `flushed` is called after each batch, when all its units were settled."""

    def __init__(
        self, store: EventStore, flushed: Callable[[], None], jitter: Callable[[], float] = random.random
    ) -> None:
        self._store, self._flushed, self._jitter = store, flushed, jitter
        self._failures = 0
        self._pending: list[Unit] = []
        self._arrived = asyncio.Event()
        self._watchers: list[asyncio.Future[None]] = []
        self._flushing = False

    def submit(self, unit: Unit) -> None:
        """Hand in a unit for the next flush."""
        if not self._pending:
            self._arrived.set()
        self._pending.append(unit)

    async def next_flush(self) -> None:
        """Wait until the flush that is under way, or with more at hand the next one, has ended."""
        if not self._pending and not self._flushing:
            return
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.append(watcher)
        await watcher

    async def run(self) -> None:
        """Flush until cancelled."""
        while True:
            await self._arrived.wait()
            watchers, self._watchers = self._watchers, []
            if batch := self._take():
                self._flushing = True
                await self._flush(batch)
                self._flushing = False
            if not self._pending:  # nothing follows that those who came meanwhile could wait for
                watchers, self._watchers = watchers + self._watchers, []
            for watcher in watchers:
                if not watcher.done():
                    watcher.set_result(None)

    def _take(self) -> list[Unit]:
        batch: list[Unit] = []
        events = taken = 0
        for unit in self._pending:
            if events >= MAX_EVENTS:
                break
            taken += 1
            if not unit.withdrawn:
                batch.append(unit)
                events += 1 + len(unit.commit.events)
        del self._pending[:taken]
        if not self._pending:
            self._arrived.clear()
        return batch

    async def _flush(self, batch: Sequence[Unit]) -> None:
        errors: Sequence[StoreError | None]
        try:
            errors = await self._store.commit([unit.commit for unit in batch])
            self._failures = 0
        except UnserialisableInput as error:
            # Nothing was written. It can only be one unit's fault: find it by writing each alone.
            errors = [error] if len(batch) == 1 else await self._one_by_one(batch)
        except StoreError as error:
            log.warning("commit unknown", turns=len(batch), error=str(error))
            errors = [error] * len(batch)
            # All of it is handled and handed in again at once, so a store that can read but not write would be stormed.
            await asyncio.sleep(pause(self._failures, self._jitter(), STORE_PAUSE))
            self._failures += 1
        for unit, outcome in zip(batch, errors, strict=True):
            unit.settle(outcome)
        self._flushed()

    async def _one_by_one(self, batch: Sequence[Unit]) -> list[StoreError | None]:
        outcomes: list[StoreError | None] = []
        for unit in batch:
            try:
                outcomes.extend(await self._store.commit([unit.commit]))
            except StoreError as error:
                outcomes.append(error)
        return outcomes
