"""Reading back: bounds, counts, order, nothing beyond the head."""

from __future__ import annotations

import pytest

from eventstore import Direction, EventStore, InboxMark, LoadRequest
from tests.conformance.store.building import commit, mark, snapshot, versions, write
from tests.conformance.store.kits import Kit


@pytest.fixture
async def ten(store: EventStore) -> EventStore:
    """A store in which Account/1 has ten events."""
    await write(store, commit(count=10), commit("Account/10", count=1))
    return store


@pytest.mark.parametrize(
    ("after", "upto", "limit", "expected"),
    [
        (0, None, None, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (8, None, None, [9, 10]),
        (0, 2, None, [1, 2]),
        (3, 5, None, [4, 5]),
        (3, 5, 1, [4]),
        (0, None, 3, [1, 2, 3]),
        (0, None, 0, []),
        (0, 0, None, []),
        (5, 3, None, []),
        (10, None, None, []),
        (99, None, None, []),
        (9, 2**40, 2**40, [10]),
        (-5, 1, None, [1]),
    ],
)
async def test_forwards_by_bounds_and_count(
    ten: EventStore, after: int, upto: int | None, limit: int | None, expected: list[int]
) -> None:
    """`after` is exclusive, `upto` inclusive, `limit` counts from the start."""
    assert versions(await ten.read_stream("Account/1", after=after, upto=upto, limit=limit)) == expected


async def test_backwards_starts_at_the_newest(ten: EventStore) -> None:
    """The limit counts from the end when reading backwards."""
    found = await ten.read_stream("Account/1", after=4, upto=9, limit=3, direction=Direction.BACKWARDS)
    assert versions(found) == [9, 8, 7]


async def test_an_unknown_stream_is_empty(ten: EventStore) -> None:
    """A stream that was never written reads as empty, at version 0."""
    assert await ten.read_stream("Account/99") == []
    assert await ten.stream_version("Account/99") == 0


async def test_one_stream_only(ten: EventStore) -> None:
    """A stream whose name begins with another's is another stream."""
    assert versions(await ten.read_stream("Account/10")) == [1]


async def test_nothing_beyond_the_head(ten: EventStore) -> None:
    """A refused commit leaves no event that any read could find."""
    await ten.commit([commit(expected=12)])
    assert versions(await ten.read_stream("Account/1", after=9)) == [10]
    assert await ten.stream_version("Account/1") == 10
    assert await ten.partition_offset(0) == 11


async def test_partition_by_offset_and_count(ten: EventStore) -> None:
    """A partition pages by offset."""
    page = await ten.read_partition(0, after=9, limit=1)
    assert [e.offset for e in page] == [10]
    assert [e.offset for e in await ten.read_partition(0, after=10)] == [11]
    assert await ten.read_partition(0, after=11) == []
    assert await ten.read_partition(0, limit=0) == []


async def test_load_without_snapshot_gives_all_events(ten: EventStore) -> None:
    """Streams come in the order of the requests, unknown ones empty."""
    first, unknown, again = await ten.load(
        [LoadRequest("Account/10"), LoadRequest("Nobody/1"), LoadRequest("Account/1", after=7)]
    )
    assert (first.stream, versions(first.events), first.snapshot) == ("Account/10", [1], None)
    assert (unknown.stream, unknown.events, unknown.snapshot, unknown.inbox) == ("Nobody/1", [], None, {})
    assert versions(again.events) == [8, 9, 10]


async def test_load_gives_snapshot_and_tail(store: EventStore) -> None:
    """With a snapshot only later events come; `after` asks for events regardless, and no snapshot."""
    await write(store, commit(count=4, snapshot=snapshot(3)))
    tail, everything = await store.load([LoadRequest("Account/1"), LoadRequest("Account/1", after=0)])
    assert (tail.snapshot, versions(tail.events)) == (snapshot(3), [4])
    assert (everything.snapshot, versions(everything.events)) == (None, [1, 2, 3, 4])


async def test_load_says_which_commands_were_handled(store: EventStore) -> None:
    """Only the known ones of the asked ids come back, with digest and reply."""
    await write(store, commit(inbox=[mark("a", -5, b"\x00"), mark("b")]), commit("Account/2", inbox=[mark("c")]))
    loaded, other = await store.load([LoadRequest("Account/1", ["a", "c", "zz"]), LoadRequest("Account/2", ["c"])])
    assert loaded.inbox == {"a": InboxMark("a", -5, b"\x00")}
    assert other.inbox == {"c": mark("c")}


async def test_the_same_stream_may_be_asked_twice(store: EventStore) -> None:
    """Each request is answered for itself."""
    await write(store, commit(count=2))
    first, second = await store.load([LoadRequest("Account/1"), LoadRequest("Account/1", after=1)])
    assert (versions(first.events), versions(second.events)) == ([1, 2], [2])


async def test_load_of_nothing(store: EventStore) -> None:
    """No requests, no answers."""
    assert await store.load([]) == []


async def test_another_store_sees_what_was_written(ten: EventStore, kit: Kit) -> None:
    """A commit that was answered is visible to every reader at once."""
    other = await kit.store()
    assert await other.stream_version("Account/1") == 10
