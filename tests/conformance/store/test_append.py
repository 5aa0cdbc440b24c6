"""Appending: places, gaps, and what is kept of an event."""

from __future__ import annotations

import asyncio

from eventstore import EventStore, WrongExpectedVersion
from tests.conformance.store.building import commit, event, versions, write
from tests.conformance.store.kits import NOW


async def test_an_event_keeps_everything(store: EventStore) -> None:
    """What was appended comes back, with its place."""
    new = event(schema=3, causation_id="c", correlation_id="order-7", trace="00-ab-cd-01", data=b"\x00\xff not text")
    await write(store, commit(events=[new]))
    [read] = await store.read_stream("Account/1")
    assert (read.partition, read.offset, read.stream, read.version, read.epoch) == (0, 1, "Account/1", 1, 1)
    assert (read.type, read.data, read.recorded_at, read.schema) == ("Deposited", b"\x00\xff not text", NOW, 3)
    assert (read.causation_id, read.correlation_id, read.trace) == ("c", "order-7", "00-ab-cd-01")


async def test_none_and_empty_text_stay_different(store: EventStore) -> None:
    """An absent id is None, an empty one is empty."""
    await write(store, commit(events=[event(causation_id="", correlation_id=None, trace="")]))
    [read] = await store.read_stream("Account/1")
    assert (read.causation_id, read.correlation_id, read.trace) == ("", None, "")


async def test_control_characters_and_other_scripts_survive(store: EventStore) -> None:
    """No character of a text is taken for anything else."""
    odd = [
        event(correlation_id=text) for text in ("\x1f", "a\x1fb", "\x1e", '{"a","b"}', "NULL", "名前", "=", "\\", "'")
    ]
    await write(store, commit(events=odd))
    assert [e.correlation_id for e in await store.read_stream("Account/1")] == [e.correlation_id for e in odd]


async def test_versions_and_offsets_have_no_gaps(store: EventStore) -> None:
    """Streams of one partition share its offsets in commit order."""
    await write(store, commit("A/1", count=2), commit("B/1"), commit("A/1", 2), commit("C/1", partition=1))
    assert versions(await store.read_stream("A/1")) == [1, 2, 3]
    assert [(e.offset, e.stream) for e in await store.read_partition(0)] == [
        (1, "A/1"),
        (2, "A/1"),
        (3, "B/1"),
        (4, "A/1"),
    ]
    assert (await store.partition_offset(0), await store.partition_offset(1), await store.partition_offset(2)) == (
        4,
        1,
        0,
    )


async def test_a_large_batch_goes_in_whole(store: EventStore) -> None:
    """Hundreds of commits over all partitions in one batch."""
    batch = [commit(f"Account/{n}", count=2, partition=n % 4) for n in range(600)]
    await write(store, *batch)
    assert [await store.partition_offset(p) for p in range(4)] == [300] * 4


async def test_an_empty_batch_is_no_work(store: EventStore) -> None:
    """Nothing in, nothing out."""
    assert await store.commit([]) == []


async def test_concurrent_appenders_one_wins(store: EventStore) -> None:
    """Of several appends at one version exactly one goes in; the others learn the version that is."""
    answers = await asyncio.gather(*(store.commit([commit(count=3)]) for _ in range(5)))
    refused = [answer for [answer] in answers if answer is not None]
    assert [type(refusal) for refusal in refused] == [WrongExpectedVersion] * 4
    assert {(r.expected, r.actual) for r in refused if isinstance(r, WrongExpectedVersion)} == {(0, 3)}
    assert await store.stream_version("Account/1") == 3
