"""Handled commands: one mark and one reply for ever, until the horizon."""

from __future__ import annotations

from datetime import timedelta

from eventstore import EventStore
from tests.conformance.store.building import commit, mark, write
from tests.conformance.store.kits import Kit


async def test_replies_of_known_commands_only(store: EventStore) -> None:
    """A mark belongs to its stream: the same id elsewhere is another command."""
    await write(store, commit(inbox=[mark("a", 5, b"1")]), commit("Account/2", inbox=[mark("a", 6, b"2")]))
    found = await store.replies([("Account/1", "a"), ("Account/2", "a"), ("Account/1", "b"), ("Account/3", "a")])
    assert found == {("Account/1", "a"): mark("a", 5, b"1"), ("Account/2", "a"): mark("a", 6, b"2")}


async def test_a_command_without_events(store: EventStore) -> None:
    """A refused withdrawal changes nothing but is handled all the same."""
    await write(store, commit(count=2), commit(expected=2, count=0, inbox=[mark("no")]))
    assert await store.stream_version("Account/1") == 2
    assert ("Account/1", "no") in await store.replies([("Account/1", "no")])


async def test_the_widest_digests(store: EventStore) -> None:
    """A digest is any 64-bit signed number."""
    await write(store, commit(inbox=[mark("low", -(2**63)), mark("high", 2**63 - 1)]))
    found = await store.replies([("Account/1", "low"), ("Account/1", "high")])
    assert sorted(m.digest for m in found.values()) == [-(2**63), 2**63 - 1]


async def test_only_marks_past_the_horizon_are_pruned(kit: Kit, store: EventStore) -> None:
    """Old ids go, young ones stay."""
    await write(store, commit(inbox=[mark("old-1"), mark("old-2")]))
    await kit.pass_time(timedelta(days=8))
    await write(store, commit(expected=1, inbox=[mark("young")]))
    assert await store.prune_inbox(timedelta(days=7)) == 2
    assert await store.prune_inbox(timedelta(days=7)) == 0
    found = await store.replies([("Account/1", id) for id in ("old-1", "old-2", "young")])
    assert list(found) == [("Account/1", "young")]
