"""A subscription reads what is there, from any position on."""

from __future__ import annotations

import pytest

from eventstore import EventStore, Position, PositionBeyondHead, Selection, StoreError, Subscription, UnknownPartition
from tests.conformance.store.building import commit, event, write
from tests.conformance.store.following import next_of, places, take


@pytest.fixture
async def filled(store: EventStore) -> EventStore:
    """Partition 0 with 7 events of two types of actors, partition 2 with 3."""
    await write(
        store,
        commit("Account/1", count=4),
        commit("Order/1", events=[event("Placed"), event("Paid"), event("Shipped")]),
        commit("Account/2", count=3, partition=2),
    )
    return store


async def test_everything_in_order_in_batches(filled: EventStore) -> None:
    """Each partition's events come in order and once, in batches of no more than was asked for."""
    async with Subscription(filled, limit=2) as batches:
        got = [await next_of(batches) for _ in range(6)]
    assert [len(batch.events) for batch in got] == [2, 2, 2, 1, 2, 1]
    assert {batch.partition for batch in got[:2]} == {0, 2}, "the partitions take turns"
    for partition, head in ((0, 7), (2, 3)):
        offsets = [e.offset for batch in got if batch.partition == partition for e in batch.events]
        assert offsets == list(range(1, head + 1))
    assert batches.position == Position({0: 7, 2: 3})


async def test_a_partition_alone(filled: EventStore) -> None:
    """Others are not looked at."""
    async with Subscription(filled, partitions=[2]) as batches:
        assert places(await take(batches, 3)) == [(2, 1), (2, 2), (2, 3)]
    assert batches.position == Position({2: 3})


async def test_a_type_alone(filled: EventStore) -> None:
    """Of the actors, of the events, or whole streams; the position moves past the others."""
    for selection, expected in (
        (Selection(types=("Order",)), [(0, 5), (0, 6), (0, 7)]),
        (Selection(events=("Placed", "Shipped")), [(0, 5), (0, 7)]),
        (Selection(streams=("Account/2",)), [(2, 1), (2, 2), (2, 3)]),
        (Selection(types=("Account",), streams=("Account/1", "Order/1")), [(0, 1), (0, 2), (0, 3), (0, 4)]),
    ):
        async with Subscription(filled, selection=selection, limit=2) as batches:
            assert places(await take(batches, len(expected))) == expected


async def test_going_on_from_a_position(filled: EventStore) -> None:
    """A position that travelled as JSON is where the next reader begins."""
    async with Subscription(filled, limit=3) as batches:
        first = await take(batches, 6)
    position = Position.from_json(batches.position.to_json())
    assert position == batches.position
    async with Subscription(filled, after=position) as batches:
        rest = await take(batches, 4)
    assert sorted(places(first + rest)) == [(0, n) for n in range(1, 8)] + [(2, n) for n in range(1, 4)]


async def test_progress_without_events(filled: EventStore) -> None:
    """On request a batch says how far the partition was read although nothing in it was wanted."""
    async with Subscription(filled, partitions=[0], selection=Selection(types=("Nobody",)), progress=True) as batches:
        batch = await next_of(batches)
    assert (batch.partition, batch.events, batch.offset) == (0, [], 7)
    assert batches.position == Position({0: 7})


async def test_a_position_beyond_the_head(filled: EventStore) -> None:
    """It is of another store, and says so; nothing is waited for."""
    with pytest.raises(
        PositionBeyondHead, match=r"partition 2: the position 4 is beyond the head 3; it was taken from"
    ):
        await next_of(Subscription(filled, after=Position({2: 4})))


@pytest.mark.parametrize("number", [4, -1])
async def test_an_unknown_partition(filled: EventStore, number: int) -> None:
    """Asked for, or named by a position."""
    with pytest.raises(UnknownPartition, match=rf"there is no partition {number}: this store has 0 to 3"):
        await next_of(Subscription(filled, partitions=[0, number]))
    with pytest.raises((UnknownPartition, ValueError)):
        await next_of(Subscription(filled, after=Position({number: 1})))


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a": 1}', b'{"0": -1}', b'{"-1": 1}', b'{"0": "x"}', b"\xff", b"{"])
def test_what_is_no_position(text: bytes) -> None:
    """The error shows what one looks like."""
    with pytest.raises(StoreError, match="is no position, which looks like"):
        Position.from_json(text)


async def test_bad_limits(store: EventStore) -> None:
    """A batch that can hold nothing is a mistake."""
    with pytest.raises(ValueError, match="at least 1 event, not 0"):
        Subscription(store, limit=0)
