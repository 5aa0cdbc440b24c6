"""A bad commit is left out alone, with the reason; the others of its batch are durable."""

from __future__ import annotations

import pytest

from eventstore import Commit, CommitRefused, DuplicateCommand, EventStore, StaleEpoch, WrongExpectedVersion
from tests.conformance.store.building import commit, execution, mark, message, quarantined, snapshot, timer, write
from tests.conformance.store.kits import NOW


def shape(refusal: CommitRefused | None) -> tuple[object, ...] | None:
    """A refusal as a value."""
    match refusal:
        case None:
            return None
        case StaleEpoch():
            return ("stale", refusal.partition, refusal.expected, refusal.actual)
        case WrongExpectedVersion():
            return ("version", refusal.stream, refusal.expected, refusal.actual)
        case DuplicateCommand():
            return ("duplicate", refusal.stream, refusal.command_id)
        case _:
            raise AssertionError(refusal)


BAD = {
    "stale epoch": (commit("Bad/1", 2, epoch=3, partition=1), ("stale", 1, 3, 1)),
    "version behind": (commit("Bad/1", 1, partition=1), ("version", "Bad/1", 1, 2)),
    "version ahead": (commit("Bad/1", 3, partition=1), ("version", "Bad/1", 3, 2)),
    "unknown stream ahead": (commit("Bad/9", 1, partition=1), ("version", "Bad/9", 1, 0)),
    "no events, version behind": (commit("Bad/1", 1, 0, partition=1), ("version", "Bad/1", 1, 2)),
    "no events, version ahead": (commit("Bad/1", 5, 0, partition=1), ("version", "Bad/1", 5, 2)),
    "handled command": (commit("Bad/1", 2, partition=1, inbox=[mark("old")]), ("duplicate", "Bad/1", "old")),
    "handled, no events": (commit("Bad/1", 2, 0, partition=1, inbox=[mark("old")]), ("duplicate", "Bad/1", "old")),
    "handled and version behind": (commit("Bad/1", 0, partition=1, inbox=[mark("old")]), ("duplicate", "Bad/1", "old")),
    "id twice in one commit": (
        commit("Bad/1", 2, partition=1, inbox=[mark("x"), mark("x")]),
        ("duplicate", "Bad/1", "x"),
    ),
}


@pytest.fixture
async def prepared(store: EventStore) -> EventStore:
    """Bad/1 is at version 2 and has handled the command `old`."""
    await write(store, commit("Bad/1", count=2, partition=1, inbox=[mark("old")]))
    return store


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD.keys())
async def test_only_the_bad_one_is_left_out(prepared: EventStore, bad: Commit, reason: tuple[object, ...]) -> None:
    """Good commits before and after it, of its partition and of others, go in."""
    answers = await prepared.commit(
        [commit("Good/1", partition=1), commit("Good/2", partition=2), bad, commit("Good/3", partition=1)]
    )
    assert [shape(answer) for answer in answers] == [None, None, reason, None]
    assert [await prepared.stream_version(s) for s in ("Good/1", "Good/2", "Good/3", "Bad/1", "Bad/9")] == [
        1,
        1,
        1,
        2,
        0,
    ]
    assert [e.offset for e in await prepared.read_partition(1)] == [1, 2, 3, 4]


async def test_a_refused_commit_takes_its_streams_later_ones_along(prepared: EventStore) -> None:
    """Later commits of the stream build on something that is not there; another stream does not."""
    answers = await prepared.commit(
        [
            commit("Bad/1", 2, partition=1),
            commit("Bad/1", 3, 0, partition=1, inbox=[mark("old")]),
            commit("Bad/1", 3, partition=1),
            commit("Good/1", partition=1),
        ]
    )
    assert [shape(answer) for answer in answers] == [
        None,
        ("duplicate", "Bad/1", "old"),
        ("version", "Bad/1", 3, 3),
        None,
    ]
    assert await prepared.stream_version("Bad/1") == 3


async def test_a_command_id_twice_in_one_batch(store: EventStore) -> None:
    """The first of two commits with one command id wins."""
    answers = await store.commit([commit(inbox=[mark("a")]), commit(expected=1, inbox=[mark("a", reply=b"other")])])
    assert [shape(answer) for answer in answers] == [None, ("duplicate", "Account/1", "a")]
    assert (await store.replies([("Account/1", "a")]))["Account/1", "a"] == mark("a")


async def test_a_broken_chain_in_one_batch(store: EventStore) -> None:
    """Two commits of one stream at the same version: the second one does not build on the first."""
    answers = await store.commit([commit(), commit()])
    assert [shape(answer) for answer in answers] == [None, ("version", "Account/1", 0, 1)]


async def test_two_epochs_of_one_partition_in_one_batch(store: EventStore) -> None:
    """Only the commits under the current epoch go in."""
    answers = await store.commit([commit("A/1", epoch=2), commit("A/2", epoch=1), Commit(0, 0), Commit(0, 1)])
    assert [shape(answer) for answer in answers] == [("stale", 0, 2, 1), None, ("stale", 0, 0, 1), None]


async def test_nothing_of_a_refused_commit_is_kept(prepared: EventStore) -> None:
    """No event, mark, message, timer, snapshot, listing row or quarantine of it can be found."""
    bad = commit(
        "Bad/1",
        1,
        partition=1,
        inbox=[mark("new")],
        outbox=[message()],
        timers_set=[timer()],
        snapshot=snapshot(1),
        execution=execution(busy=True),
        quarantine=[quarantined()],
    )
    assert shape((await prepared.commit([bad]))[0]) == ("version", "Bad/1", 1, 2)
    assert await prepared.replies([("Bad/1", "new")]) == {}
    assert await prepared.outbox(1, until=NOW, limit=9) == []
    assert await prepared.timers(1, until=NOW, limit=9) == []
    assert await prepared.snapshot("Bad/1") is None
    assert await prepared.execution("Bad/1") is None
    assert await prepared.unfinished(1) == []
    assert await prepared.quarantined() == []
