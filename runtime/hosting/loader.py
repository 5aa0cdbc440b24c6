"""Loading many activations with one round trip: those asked for during one read make the next."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from eventstore import EventStore, LoadedStream, LoadRequest, StoreError
from runtime.consuming import STORE_PAUSE, pause

MAX_STREAMS = 200  # of one read: bounds the memory and the time of a mass activation

log = structlog.get_logger("perdure.loader")


class Loadable(Protocol):
    """What can be loaded."""

    def load_request(self) -> LoadRequest:
        """Say what to read."""
        ...

    def loaded(self, stream: LoadedStream) -> None:
        """Take what was read."""
        ...


class Loader:
    """Reads in the order of asking. `run` must be running."""

    def __init__(self, store: EventStore, jitter: Callable[[], float] = random.random) -> None:
        self._store, self._jitter = store, jitter
        self._wanted: deque[Loadable] = deque()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._wanted)

    def add(self, wanted: Loadable) -> None:
        """Ask for an activation to be loaded."""
        self._wanted.append(wanted)
        self._arrived.set()

    async def run(self) -> None:
        """Load until cancelled. While the store can't be reached, what is asked for waits."""
        failures = 0
        while True:
            await self._arrived.wait()
            batch = [self._wanted.popleft() for _ in range(min(MAX_STREAMS, len(self._wanted)))]
            try:
                loaded = await self._store.load([activation.load_request() for activation in batch])
            except StoreError as error:
                self._wanted.extendleft(reversed(batch))
                failures += 1
                log.warning("streams can't be read yet", streams=len(self._wanted), error=str(error))
                await asyncio.sleep(pause(failures, self._jitter(), STORE_PAUSE))
                continue
            failures = 0
            if not self._wanted:
                self._arrived.clear()
            for activation, stream in zip(batch, loaded, strict=True):
                activation.loaded(stream)
                await asyncio.sleep(
                    0
                )  # a long journal takes long to replay, and heartbeats must get through between two
