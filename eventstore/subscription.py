"""Reading the log from a position on: first what is there, in batches, then what comes, as it comes.

Nothing is skipped, because a partition's offsets have no gaps and come to light in order: whatever lies at or below a head
that was seen is visible to every later read. Nothing is polled for, either: a reader that has seen everything asks to be
woken, *then* looks at the heads once more, and only then waits. An event is either in that look, or it wakes. A slow look
now and then covers wake-ups that were lost on a broken connection which nobody noticed.

A reader is woken once for each time it asks, and asks only when it has nothing left to read. So one that is frozen, or far
behind, costs the writers nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType

from msgspec import Struct

from eventstore.errors import PositionBeyondHead, StoreUnavailable, UnknownPartition
from eventstore.position import Position
from eventstore.records import RecordedEvent, Selection
from eventstore.store import EventStore

RECHECK = 10.0  # seconds
_WINDOW = 20_000  # offsets that one read of a selection goes through at most
_BETWEEN_ASKS = (
    0.01  # seconds; a wake-up costs a writer something, so a busy log does not give more than a hundred a second
)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # seconds between tries while the store is away


class Batch(Struct):
    """Events of one partition, in order, and how far the partition was read with them."""

    partition: int
    events: list[RecordedEvent]
    offset: int  # at least the last event's; more when events that were not wanted came behind it


class Subscription:
    """An endless iterator of batches; one reader at a time.

    async with Subscription(store, after=position) as batches:
        async for batch in batches:
            ...  # batches.position says where to go on after this batch

    Leaving out a partition or cancelling a wait loses nothing: the position moves only when a batch is handed over. While
    the store is away it goes on trying, and then goes on exactly behind the last batch.

    Args:
        store: an open store.
        after: read what lies behind this position; all there is by default.
        partitions: read these alone; all by default.
        selection: which events; all by default.
        limit: at most so many events in a batch, at least 1.
        progress: give batches without events, too, when only unwanted ones were passed.
        recheck: seconds between two looks although nobody woke us; None: never.
        on_trouble: hears why the store could not be read, each time that it could not.

    Raises (while iterating):
        UnknownPartition: a partition, or one that the position names, does not exist.
        PositionBeyondHead: the position is of another store.
        StoreError: the store answers, but can't be read (`SchemaMismatch`). `StoreUnavailable` is never raised.
    """

    def __init__(
        self,
        store: EventStore,
        *,
        after: Position | None = None,
        partitions: Iterable[int] | None = None,
        selection: Selection | None = None,
        limit: int = 500,
        progress: bool = False,
        recheck: float | None = RECHECK,
        on_trouble: Callable[[StoreUnavailable], None] | None = None,
    ) -> None:
        if limit < 1:
            raise ValueError(f"a batch holds at least 1 event, not {limit}")
        self._store = store
        self._position = after or Position()
        self._wanted = None if partitions is None else sorted(set(partitions))
        self._selection = selection or Selection()
        self._limit = limit
        self._progress = progress
        self._recheck = recheck
        self._on_trouble = on_trouble
        self._heads: list[int] = []
        self._last = -1  # the partition that gave the last batch: the others come first
        self._asked_at = float("-inf")
        self._watch = store.watch()
        self._reading = False
        self._closed = asyncio.Event()

    @property
    def position(self) -> Position:
        """Where the reader is: behind the last batch that it was given."""
        return self._position

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration, also for who waits in it; safe to call twice."""
        self._closed.set()
        self._watch.close()

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        if self._reading:
            raise RuntimeError("a subscription has one reader at a time; open another one")
        self._reading = True
        try:
            return await self._next()
        finally:
            self._reading = False

    async def _next(self) -> Batch:
        pause = _FIRST_PAUSE
        while not self._closed.is_set():
            try:
                if (batch := await self._read()) is not None:
                    return batch
                await self._wait_for_more()
                pause = _FIRST_PAUSE
            except StoreUnavailable as error:
                if self._on_trouble is not None:
                    self._on_trouble(error)
                await self._pause(random.uniform(pause / 2, pause))  # noqa: S311 - jitter
                pause = min(pause * 2, _LONGEST_PAUSE)
        raise StopAsyncIteration

    async def _read(self) -> Batch | None:
        """Read until there is something to hand over, as far as the heads are known."""
        while (partition := self._behind()) is not None:
            batch = await self._page(partition)
            self._position = self._position.moved(partition, batch.offset)
            self._last = partition
            if batch.events or self._progress:
                return batch
        return None

    def _behind(self) -> int | None:
        """Name the next partition, in turns, that is behind its head."""
        if not self._heads:
            return None
        behind = [
            partition for partition in self._partitions() if self._position.of(partition) < self._heads[partition]
        ]
        return next((partition for partition in behind if partition > self._last), behind[0] if behind else None)

    async def _page(self, partition: int) -> Batch:
        after = self._position.of(partition)
        upto = min(self._heads[partition], after + _WINDOW)
        events = await self._store.read_selected(partition, self._selection, after=after, upto=upto, limit=self._limit)
        return Batch(partition, events, events[-1].offset if len(events) == self._limit else upto)

    async def _wait_for_more(self) -> None:
        """Come back when there may be more than the known heads say."""
        loop = asyncio.get_running_loop()
        if not self._heads:
            await self._look()
            return
        if (rest := self._asked_at + _BETWEEN_ASKS - loop.time()) > 0:
            await self._pause(rest)
            if await self._look():
                return
        self._asked_at = loop.time()
        await self._watch.ask(self._partitions())
        if not await self._look() and not self._closed.is_set():
            await self._watch.wait(self._recheck)
            await self._look()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return

    async def _look(self) -> bool:
        """See where the heads are; whether any of ours is ahead of us."""
        heads = await self._store.heads()
        self._check(heads)
        self._heads = heads
        return any(self._position.of(partition) < heads[partition] for partition in self._partitions())

    def _partitions(self) -> Sequence[int]:
        return range(len(self._heads)) if self._wanted is None else self._wanted

    def _check(self, heads: list[int]) -> None:
        for partition in {*self._position.offsets, *(self._wanted or ())}:
            if not 0 <= partition < len(heads):
                raise UnknownPartition(partition, len(heads))
            if self._position.of(partition) > heads[partition]:
                raise PositionBeyondHead(partition, self._position.of(partition), heads[partition])
