from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from eventstore import (
    Commit,
    Execution,
    InboxMark,
    LoadRequest,
    NewEvent,
    Quarantined,
    Snapshot,
    UnserialisableInput,
    migrate_store,
)
from tests.conformance.store.kits import TTL, PostgresKit
from tests.fuzz.effort import TIMES

AT = datetime(2026, 3, 1, tzinfo=UTC)
TEXTS = [
    "", "=", "==", "NULL", "null", "{}", "{a,b}", '"', "\\", "\\N", "\x1f", "\x1f\x1f", "a\x1f", "\x1fb", "=\x1f", "'", "$1",
    "\r\n", "\t", " ", "é", "🜁", "\ufeff", "\u2028", "\uffff", "\U0010ffff", "\x01", "\x7f", "\x80", "%s", "x" * 900, "\0", "\ud800",
]  # fmt: skip


@pytest.fixture
async def kit(fresh_database: Callable[[], Awaitable[str]]) -> AsyncIterator[PostgresKit]:
    """An empty log in a database of its own; node `n1` holds every partition under epoch 1."""
    kit = PostgresKit(await fresh_database())
    await migrate_store(kit.dsn, kit.partitions)
    await (await kit.leases()).claim("n1", range(kit.partitions), TTL)
    yield kit
    await kit.close()


def _commit(chance: random.Random, number: int) -> Commit:
    def text() -> str:
        return "".join(chance.choices(TEXTS, k=chance.choice((1, 1, 2))))[:900]

    def maybe() -> str | None:
        return chance.choice((None, text()))

    def data() -> bytes:
        return text().encode("utf-8", "surrogatepass") + chance.randbytes(chance.choice((0, 3)))

    events = [NewEvent(text() or "E", data(), AT, 1, maybe(), maybe(), maybe()) for _ in range(chance.randint(1, 3))]
    return Commit(
        0, 1, f"T/{number}{text()}", 0, events,
        inbox=[InboxMark(f"c{text()}", chance.randrange(-(2**63), 2**63), data())],
        snapshot=chance.choice((None, Snapshot(1, data(), 1, text()))),
        execution=Execution(text() or "s", AT, AT, error=maybe(), correlation_id=maybe()),
        quarantine=[Quarantined(f"q{number}{text()}", text(), data(), text(), 1, AT)],
    )  # fmt: skip


async def test_hostile_texts_come_back_as_they_went_in(kit: PostgresKit) -> None:
    """Whatever stands in names and payloads: refused with a typed error, or read back unchanged, many in one batch."""
    store = await kit.store()
    chance = random.Random(5)
    kept: list[Commit] = []
    for round in range(15 * TIMES):
        batch = [_commit(chance, round * 100 + number) for number in range(20)]
        good: list[Commit] = []
        for commit in batch:
            if any(mark in repr(commit) for mark in ("\\x00", "\\ud800")):
                try:
                    await store.commit([commit])
                except UnserialisableInput:
                    continue
                kept.append(commit)
            else:
                good.append(commit)
        await store.commit(good)
        kept += good
    assert len(kept) > 100
    for commit in kept:
        [loaded] = await store.load([LoadRequest(commit.stream, [commit.inbox[0].command_id], after=0)])
        got = [(e.type, e.data, e.causation_id, e.correlation_id, e.trace) for e in loaded.events]
        assert got == [(e.type, e.data, e.causation_id, e.correlation_id, e.trace) for e in commit.events]
        assert loaded.inbox == {commit.inbox[0].command_id: commit.inbox[0]}
        if commit.snapshot is not None:
            [newest] = await store.load([LoadRequest(commit.stream)])
            assert newest.snapshot == commit.snapshot
