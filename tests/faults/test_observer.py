"""The observer writes down what the subscription gives it, up to the heads that it finds at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from eventstore import MemoryLeases, MemoryStore
from tests.conformance.store.building import commit, write
from tests.faults import observer
from tests.faults.journal import Journal, read_journal


async def test_all_up_to_the_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there, what comes while it follows, and what came just before its end."""
    store, stop = MemoryStore(3), asyncio.Event()
    await MemoryLeases(store).claim("n1", range(3), timedelta(seconds=60))

    @asynccontextmanager
    async def opened(_settings: object) -> AsyncIterator[MemoryStore]:
        yield store

    monkeypatch.setattr(observer, "open_store", opened)
    monkeypatch.setattr(observer, "load_settings", lambda: None)
    await write(store, commit("A/1", count=3))
    journal = Journal(tmp_path / "journal")
    following = asyncio.create_task(observer.follow(journal, stop))
    for n in range(5):
        await asyncio.sleep(0)
        await write(store, commit(f"B/{n}", count=2, partition=n % 2))
    stop.set()
    await following
    seen = [entry.note for entry in read_journal(tmp_path / "journal")]
    expected = [[e.partition, e.offset, e.version] for partition in store.log.partitions for e in partition.events if e]
    journal.close()
    assert sorted(seen) == expected
