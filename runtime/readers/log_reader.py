"""The machine around a checkpoint: claim, follow, hand over batch after batch, and say what is wrong.

```
claim ─► follow from the positions claimed ─► take(batch) ─► checkpoint moved ─► next batch
  ▲                                              │ superseded: somebody else goes on, or it was set back
  └──────────────────────────────────────────────┤ store away: again, with growing pauses
                                                 └ stopped: why is recorded, and it is tried again after longer pauses
```

A claim is renewed by every batch, and three times within its time when there is nothing to do. Who loses it finds out at the
next batch, because a checkpoint is moved only by its owner and only from where the owner left it.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import structlog

from eventstore import Batch, EventStore, Position, RecordedEvent, Selection, StoreError, StoreUnavailable, Subscription
from runtime.clock import monotonic
from runtime.errors import PerdureError
from runtime.readers.checkpoints import Checkpoints, Superseded
from runtime.transport.port import PublishUnknown, TransportError, TransportUnavailable

TTL = 30.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between tries while something is away
_FIRST_STOPPED, _LONGEST_STOPPED = 2.0, 60.0  # seconds between tries while something has to be mended

log = structlog.get_logger("perdure.reader")


class Stopped(PerdureError):
    """The reader can't go on by itself: something has to be mended first. It tries again now and then.

    Attributes:
        partition: where it stands, None for all of it.
    """

    def __init__(self, message: str, partition: int | None = None) -> None:
        super().__init__(message)
        self.partition = partition


def poisoned(reader: str, event: RecordedEvent, error: BaseException) -> Stopped:
    """Make the error of a reader that stops before an event."""
    return Stopped(
        f"{reader} stopped before {event.stream} version {event.version} ({event.type}), partition {event.partition} "
        f"offset {event.offset}: {said(error)}",
        event.partition,
    )


def said(error: BaseException) -> str:
    """Give an error's type and what it says."""
    return f"{type(error).__name__}: {error}"


class LogReader(ABC):
    """Reads the log on from a durable checkpoint, one process at a time for each partition.

    Args:
        name: names the checkpoint.
        store: the log, open.
        database_url: where the checkpoint lies.
        selection: which events.
        partitions: which partitions; all by default.
        limit: events in a batch at most.
        ttl: seconds after which the claim of a process that is gone runs out.
    """

    def __init__(
        self,
        name: str,
        store: EventStore,
        database_url: str,
        *,
        selection: Selection,
        partitions: Sequence[int] | None = None,
        limit: int = 500,
        ttl: float = TTL,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.checkpoints = Checkpoints(database_url, name, _owner(), ttl=ttl)
        self._store = store
        self._selection = selection
        self._partitions = partitions
        self._limit = limit
        self._ttl = ttl
        self._jitter = jitter
        self._positions: dict[int, int] = {}  # what is ours, and up to where it is done
        self._passed: dict[int, int] = {}  # further on there was nothing for us; told to the checkpoint now and then
        self._following: Subscription | None = None
        self._failures = 0

    @abstractmethod
    async def take(self, batch: Batch, before: int) -> None:
        """Handle a batch, and move its partition's checkpoint from `before` to `batch.offset`.

        Raises:
            Stopped: an event can't be handled; the checkpoint stands before it.
            Superseded, StoreError, TransportError.
        """

    async def prepare(self) -> None:  # noqa: B027 - most have nothing to prepare
        """Do what has to be there before the first batch; called again after it failed."""

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set. What goes wrong is logged, and tried again."""
        stopping = asyncio.create_task(stop.wait(), name=f"stop of {self.name}")
        stopping.add_done_callback(lambda _: self._stop_following())
        try:
            await self._keep_reading(stop)
        finally:
            stopping.cancel()
            await self.checkpoints.close()

    async def _keep_reading(self, stop: asyncio.Event) -> None:
        prepared = False
        while not stop.is_set():
            try:
                if not prepared:
                    await self.prepare()
                    prepared = True
                if await self._claim():
                    await self._read(stop)
                else:
                    await self._pause(stop, self._ttl / 3)
            except Superseded as error:
                log.info("checkpoint lost", reader=self.name, reason=str(error))
            except (StoreUnavailable, TransportUnavailable, PublishUnknown) as error:
                log.warning("can't go on", reader=self.name, error=str(error))
                await self._pause(stop, self._growing(_FIRST_PAUSE, _LONGEST_PAUSE))
            except (Stopped, StoreError, TransportError) as error:
                log.error("stopped", reader=self.name, error=str(error))
                await self._tell(error)
                await self._pause(stop, self._growing(_FIRST_STOPPED, _LONGEST_STOPPED))

    def _growing(self, first: float, longest: float) -> float:
        """Give the next pause. It grows while no batch was handled in between."""
        self._failures += 1
        return min(first * 2.0 ** min(self._failures - 1, 30), longest)

    async def _tell(self, error: Exception) -> None:
        partition = error.partition if isinstance(error, Stopped) else None
        try:
            await self.checkpoints.trouble(list(self._positions) if partition is None else [partition], str(error))
        except StoreError as away:
            log.warning("could not record why", reader=self.name, error=str(away))

    async def _claim(self) -> dict[int, int]:
        wanted = range(self._store.partitions) if self._partitions is None else self._partitions
        self._positions = await self.checkpoints.claim(wanted)
        return self._positions

    async def _read(self, stop: asyncio.Event) -> None:
        """Read what is claimed, until something else is to be claimed or read."""
        self._passed.clear()
        with_us = set(self._positions)
        self._following = Subscription(
            self._store,
            after=Position(dict(self._positions)),
            partitions=with_us,
            selection=self._selection,
            limit=self._limit,
            progress=True,
            on_trouble=lambda error: log.warning("can't follow", reader=self.name, error=str(error)),
        )
        async with self._following as batches:
            due = monotonic() + self._ttl / 3
            while not stop.is_set():
                if (batch := await _next(batches, due)) is not None:
                    await self._handle(batch)
                if monotonic() >= due:
                    await self._tell_passed()
                    known = dict(self._positions)
                    if await self._claim() != known:
                        return
                    due = monotonic() + self._ttl / 3
            await self._tell_passed()

    async def _handle(self, batch: Batch) -> None:
        if not batch.events:
            self._passed[batch.partition] = batch.offset
            return
        await self.take(batch, self._positions[batch.partition])
        self._positions[batch.partition] = batch.offset
        self._failures = 0
        self._passed.pop(batch.partition, None)

    async def _tell_passed(self) -> None:
        for partition, offset in self._passed.items():
            await self.checkpoints.move(partition, self._positions[partition], offset)
            self._positions[partition] = offset
        self._passed.clear()

    def _stop_following(self) -> None:
        if self._following is not None:
            self._following.close()

    async def _pause(self, stop: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds * (0.5 + self._jitter() / 2)):
                await stop.wait()
        except TimeoutError:
            return


async def _next(batches: Subscription, due: float) -> Batch | None:
    """Give the next batch, None when it is time or the end."""
    try:
        async with asyncio.timeout_at(due):
            return await anext(batches, None)
    except TimeoutError:
        return None


def _owner() -> str:
    return f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"
