"""Followers of a store that fails, of writers that write at any moment, and of waits that are cut: nothing is skipped.

Time is virtual, and ends when everybody waits for somebody else: a wake-up that is lost is a failure at once, because these
followers never look by themselves.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore import MemoryLeases, MemoryStore, RecordedEvent, Selection, StoreUnavailable, Subscription
from eventstore.memory.watch import MemoryWatch
from tests.conformance.store.building import commit, events
from tests.conformance.store.kits import NOW
from tests.simulation.virtual_time import VirtualTimeLoop

PARTITIONS = 3
COMMITS = 40


class Shaky:
    """A store behind a connection: calls take time and fail, a wake-up takes time, and both may be lost together."""

    def __init__(self, inner: MemoryStore, chance: Random, failing: float) -> None:
        self._inner, self._chance, self.failing = inner, chance, failing
        self._watches: list[_ShakyWatch] = []

    async def travel(self) -> None:
        await asyncio.sleep(self._chance.random() / 100)
        if self._chance.random() < self.failing:
            for watch in self._watches:
                watch.cut()
            raise StoreUnavailable("the connection is gone")

    async def heads(self) -> list[int]:
        await self.travel()
        heads = await self._inner.heads()
        await self.travel()
        return heads

    async def read_selected(self, *given: Any, **options: Any) -> list[RecordedEvent]:
        await self.travel()
        found = await self._inner.read_selected(*given, **options)
        await self.travel()
        return found

    def watch(self) -> _ShakyWatch:
        self._watches.append(_ShakyWatch(self, self._inner.watch()))
        return self._watches[-1]


class _ShakyWatch:
    """Its wake-ups are lost when the connection is, and then who waits is told that."""

    def __init__(self, store: Shaky, inner: MemoryWatch) -> None:
        self._store, self._inner = store, inner
        self._cut = asyncio.Event()

    def cut(self) -> None:
        self._cut.set()

    async def ask(self, partitions: Any) -> None:
        self._cut.clear()
        await self._store.travel()
        await self._inner.ask(partitions)
        await self._store.travel()

    async def wait(self, seconds: float | None) -> None:
        ends = [asyncio.create_task(self._inner.wait(seconds)), asyncio.create_task(self._cut.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    def close(self) -> None:
        self._inner.close()
        self.cut()


async def write(store: MemoryStore, chance: Random) -> None:
    versions: dict[str, int] = {}
    for _ in range(COMMITS):
        await asyncio.sleep(chance.choice((0, 0, 0.003, 0.05, 1)))
        stream = f"{chance.choice('AB')}/{chance.randrange(5)}"
        before, count = versions.get(stream, 0), chance.randint(1, 5)
        partition = sum(stream.encode()) % PARTITIONS
        answers = await store.commit([commit(stream, before, events=events(count, before + 1), partition=partition)])
        assert answers == [None]
        versions[stream] = before + count


async def follow(store: Any, chance: Random, selection: Selection, done: asyncio.Event) -> list[RecordedEvent]:
    """Read until everything was written, with waits that are cut and, now and then, another subscription."""
    seen: list[RecordedEvent] = []
    batches = Subscription(store, selection=selection, limit=chance.randint(1, 6), recheck=None)
    while True:
        patience = chance.choice((0.001, 0.01, 0.2, 30))
        try:
            async with asyncio.timeout(patience):
                seen += (await anext(batches)).events
        except TimeoutError:
            if done.is_set() and patience == 30:
                return seen
        if chance.random() < 0.1:
            position = batches.position
            batches.close()
            batches = Subscription(store, after=position, selection=selection, limit=4, recheck=None)


async def story(seed: int, failing: float) -> None:
    chance = Random(seed)
    store = MemoryStore(PARTITIONS)
    await MemoryLeases(store, lambda: NOW).claim("n1", range(PARTITIONS), timedelta(seconds=60))
    done = asyncio.Event()
    selections = [Selection(), Selection(types=("A",)), Selection(streams=("B/1", "B/2"))]
    shaky = [Shaky(store, Random(seed + n), failing) for n in range(len(selections))]
    reading = [
        asyncio.create_task(follow(each, Random(seed - n), selection, done))
        for n, (each, selection) in enumerate(zip(shaky, selections, strict=True))
    ]
    await write(store, chance)
    for each in shaky:
        each.failing = 0.0
    done.set()
    for selection, task in zip(selections, reading, strict=True):
        seen = await task
        for partition in store.log.partitions:
            assert [e for e in seen if e.partition == partition.number] == [
                e for e in partition.events if e is not None and selection.takes(e)
            ]


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.02, 0.2]))
def test_nothing_is_skipped_and_nothing_comes_twice(seed: int, failing: float) -> None:
    """Whatever fails at whichever moment, each follower gets each event that it wants once, in order."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story(seed, failing))


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_a_waiting_follower_is_woken_by_the_very_next_event(seed: int) -> None:
    """With nobody to cut the wait and no look of its own, only the wake-up can bring the event."""

    async def meet() -> None:
        chance = Random(seed)
        store = MemoryStore(PARTITIONS)
        await MemoryLeases(store, lambda: NOW).claim("n1", range(PARTITIONS), timedelta(seconds=60))
        writing = asyncio.create_task(write(store, chance))
        async with Subscription(Shaky(store, Random(seed), 0.0), recheck=None) as batches:  # type: ignore[arg-type]  # what is read of it
            count = 0
            while not (writing.done() and count == sum(await store.heads())):
                count += len((await anext(batches)).events)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(meet())
