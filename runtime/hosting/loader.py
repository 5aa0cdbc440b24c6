"""Loading many activations with one round trip: those asked for during one read make the next."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog
from msgspec import Struct

from eventstore import EventStore, LoadedStream, LoadRequest, Snapshot, StoreError
from runtime.consuming import STORE_PAUSE, pause

MAX_STREAMS = 200  # of one read: bounds the memory and the time of a mass activation

log = structlog.get_logger("perdure.loader")


class Loadable(Protocol):
    """What can be loaded."""

    def load_request(self) -> LoadRequest:
        """Say what to read."""
        ...

    def loaded(self, stream: LoadedStream) -> bool:
        """Take what was read; False: it can't begin with this snapshot, and asks for what was before it."""
        ...


class Wanted(Struct, eq=False):
    """A wish: what to load, and from where."""

    what: Loadable
    below: int | None = None  # only with a snapshot of a lower version than this; None: the newest


class Loader:
    """Reads in the order of asking. `run` must be running."""

    def __init__(self, store: EventStore, jitter: Callable[[], float] = random.random) -> None:
        self._store, self._jitter = store, jitter
        self._wanted: deque[Wanted] = deque()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._wanted)

    def add(self, wanted: Loadable) -> None:
        """Ask for an activation to be loaded."""
        self._wanted.append(Wanted(wanted))
        self._arrived.set()

    async def run(self) -> None:
        """Load until cancelled. While the store can't be reached, what is asked for waits."""
        failures = 0
        while True:
            await self._arrived.wait()
            batch = [self._wanted.popleft() for _ in range(min(MAX_STREAMS, len(self._wanted)))]
            try:
                loaded = await self._load(batch)
            except StoreError as error:
                self._wanted.extendleft(reversed(batch))
                failures += 1
                log.warning("streams can't be read yet", streams=len(self._wanted), error=str(error))
                await asyncio.sleep(pause(failures, self._jitter(), STORE_PAUSE))
                continue
            failures = 0
            if not self._wanted:
                self._arrived.clear()
            for wanted, stream in zip(batch, loaded, strict=True):
                if not wanted.what.loaded(stream) and stream.snapshot is not None:
                    self._wanted.append(Wanted(wanted.what, below=stream.snapshot.version))
                    self._arrived.set()
                # A long journal takes long to replay, and heartbeats must get through between two.
                await asyncio.sleep(0)

    async def _load(self, batch: list[Wanted]) -> list[LoadedStream]:
        """Read a batch: newest snapshots, or older ones for those that could not begin with theirs."""
        older = [await self._older(wanted) for wanted in batch]
        requests = [wanted.what.load_request() for wanted in batch]
        for wanted, request, snapshot in zip(batch, requests, older, strict=True):
            if wanted.below is not None:
                request.after = 0 if snapshot is None else snapshot.version
        loaded = await self._store.load(requests)
        for stream, snapshot in zip(loaded, older, strict=True):
            stream.snapshot = snapshot or stream.snapshot
        return loaded

    async def _older(self, wanted: Wanted) -> Snapshot | None:
        if wanted.below is None:
            return None
        return await self._store.snapshot(wanted.what.load_request().stream, upto=wanted.below - 1)
