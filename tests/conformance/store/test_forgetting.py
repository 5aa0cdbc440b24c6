"""Forgetting a whole stream: the one way in which events leave the log."""

from __future__ import annotations

from datetime import timedelta

import pytest

from eventstore import EventStore, LoadRequest, UnserialisableInput, WrongExpectedVersion
from tests.conformance.store.building import commit, event, execution, mark, snapshot, write
from tests.conformance.store.kits import NOW


async def test_all_of_it_goes_but_the_marks(store: EventStore) -> None:
    """Events, snapshots and row are gone, and a handled command is still known."""
    await write(store, commit(count=2, inbox=[mark()], snapshot=snapshot(2), execution=execution()))
    await write(store, commit(expected=2, count=0, forget=True))
    (loaded,) = await store.load([LoadRequest("Account/1", ["command-1"])])
    assert (loaded.events, loaded.snapshot, loaded.inbox) == ([], None, {"command-1": mark()})
    assert await store.stream_version("Account/1") == 0
    assert await store.execution("Account/1") is None
    assert await store.executions() == []


async def test_readers_pass_over_the_gap(store: EventStore) -> None:
    """Offsets are never given again: what comes later stands behind, and pages are as long as they can be."""
    await write(store, commit("Account/1", count=2), commit("Account/2"), commit("Account/1", expected=2))
    await write(store, commit("Account/1", expected=3, count=0, forget=True), commit("Account/3"))
    read = await store.read_partition(0, limit=2)
    assert [(event.offset, event.stream) for event in read] == [(3, "Account/2"), (5, "Account/3")]
    assert await store.partition_offset(0) == 5


async def test_only_at_the_version_that_was_seen(store: EventStore) -> None:
    """A stream that has moved on is not forgotten."""
    await write(store, commit(count=2))
    (answer,) = await store.commit([commit(expected=1, count=0, forget=True)])
    assert isinstance(answer, WrongExpectedVersion)
    assert await store.stream_version("Account/1") == 2


async def test_what_comes_after_it_in_the_batch_looks_again(store: EventStore) -> None:
    """A commit that builds on what is gone, or begins anew behind its back, is refused; what came before goes along."""
    await write(store, commit())
    answers = await store.commit(
        [commit(expected=1), commit(expected=2, count=0, forget=True), commit(expected=2), commit("Account/2")]
    )
    assert [type(answer) for answer in answers] == [type(None), type(None), WrongExpectedVersion, type(None)]
    assert await store.stream_version("Account/1") == 0
    assert await store.stream_version("Account/2") == 1


async def test_an_id_can_begin_anew(store: EventStore) -> None:
    """From version 1, with none of what was."""
    await write(store, commit(count=3, execution=execution(attributes={"a": 1})))
    await write(store, commit(expected=3, count=0, forget=True))
    await write(store, commit(execution=execution()))
    assert [event.version for event in await store.read_stream("Account/1")] == [1]
    row = await store.execution("Account/1")
    assert row is not None
    assert row.attributes is None


async def test_what_is_left_behind(store: EventStore) -> None:
    """Events of the forgetting commit are the stream's first ones, at the next offsets; with them its marks and messages."""
    await write(store, commit(count=3), commit("Account/2"))
    left = commit(expected=3, count=0, forget=True, events=[event("Gone", data=b"1"), event("Really", data=b"2")])
    left.inbox = [mark()]
    await write(store, commit("Account/2", 1, count=2), left, commit("Account/3"))
    first, second = await store.read_stream("Account/1")
    assert (first.version, first.offset, first.type, first.data, first.epoch) == (1, 7, "Gone", b"1", 1)
    assert (second.version, second.offset, second.type) == (2, 8, "Really")
    assert [event.offset for event in await store.read_partition(0)] == [4, 5, 6, 7, 8, 9]
    assert list(await store.replies([("Account/1", "command-1")])) == [("Account/1", "command-1")]


async def test_what_is_left_behind_speaks_against_an_unseen_beginning(store: EventStore) -> None:
    """Who believes that there is no such stream is refused; who has seen what is left goes on behind it."""
    await write(store, commit(count=3, execution=execution()))
    await write(store, commit(expected=3, count=0, forget=True, events=[event("Gone")]))
    (answer,) = await store.commit([commit()])
    assert isinstance(answer, WrongExpectedVersion)
    await write(store, commit(expected=1, count=2, execution=execution()))
    assert [event.version for event in await store.read_stream("Account/1")] == [1, 2, 3]


async def test_leaving_something_only_at_the_version_that_was_seen(store: EventStore) -> None:
    """The same as for forgetting all; also for a stream that nobody had seen."""
    await write(store, commit(count=2))
    for seen in (1, 0):
        (answer,) = await store.commit([commit(expected=seen, count=0, forget=True, events=[event("Gone")])])
        assert isinstance(answer, WrongExpectedVersion)
    assert await store.stream_version("Account/1") == 2


async def test_leaving_something_next_to_a_commit_that_is_refused(store: EventStore) -> None:
    """The good one goes in, and what comes after it in the batch looks again."""
    await write(store, commit(count=2))
    left = commit(expected=2, count=0, forget=True, events=[event("Gone")])
    answers = await store.commit([commit("Account/2", 7), left, commit(expected=1), commit("Account/3")])
    assert [type(answer) for answer in answers] == [WrongExpectedVersion, type(None), WrongExpectedVersion, type(None)]
    assert [(event.stream, event.type) for event in await store.read_partition(0)][-2:] == [
        ("Account/1", "Gone"),
        ("Account/3", "Deposited"),
    ]


async def test_what_was_left_behind_can_be_forgotten(store: EventStore) -> None:
    """Then there is nothing at all."""
    await write(store, commit(count=2))
    await write(store, commit(expected=2, count=0, forget=True, events=[event("Gone")]))
    await write(store, commit(expected=1, count=0, forget=True))
    assert await store.stream_version("Account/1") == 0
    await write(store, commit())


async def test_it_leaves_events_alone(store: EventStore) -> None:
    """A row of the listing or a snapshot with it contradicts the commit itself."""
    for more in ({"execution": execution()}, {"snapshot": snapshot(1)}):
        with pytest.raises(UnserialisableInput, match="forgets"):
            await store.commit([commit(forget=True, **more)])


async def test_expired(store: EventStore) -> None:
    """Of one partition and type, closed before the time, whatever the end; the first to begin come first."""
    hour = timedelta(hours=1)
    rows = [
        ("Order/1", 0, execution("completed", 3, closed_at=NOW + hour)),
        ("Order/2", 0, execution("failed", 1, closed_at=NOW + hour)),
        ("Order/3", 0, execution("completed", closed_at=NOW + 3 * hour)),
        ("Order/4", 0, execution("running")),
        ("Orders/5", 0, execution("completed", closed_at=NOW + hour)),
        ("Order/6", 1, execution("completed", closed_at=NOW + hour)),
    ]
    await write(store, *(commit(stream, partition=home, execution=row) for stream, home, row in rows))
    before = NOW + 2 * hour
    assert await store.expired(0, "Order", closed_before=before, limit=9) == ["Order/2", "Order/1"]
    assert await store.expired(0, "Order", closed_before=before, limit=1) == ["Order/2"]
    assert await store.expired(2, "Order", closed_before=before, limit=9) == []
