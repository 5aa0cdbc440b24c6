"""A commit that had to wait for the head judges by what it finds under the lock."""

from __future__ import annotations

import asyncio

import pytest

from eventstore import Commit, StaleEpoch, WrongExpectedVersion
from tests.conformance.store.building import commit, mark
from tests.conformance.store.kits import PostgresKit
from tests.integration.eventstore.blocking import head_held, waiting_commit

_APPEND = """
WITH e AS (
    INSERT INTO perdure.events (partition, "offset", stream, version, epoch, type, schema, data, recorded_at)
    VALUES (0, 1, 'Account/1', 1, 1, 'Deposited', 1, '', now())
)
UPDATE perdure.partitions SET head = 1 WHERE partition = 0
"""


@pytest.mark.parametrize("late", [commit(count=1), commit(count=0, inbox=[mark()])], ids=["events", "no events"])
async def test_another_append_while_waiting(kit: PostgresKit, late: Commit) -> None:
    """The version that another writer made meanwhile is seen, also by a commit without events."""
    store = await kit.store()
    async with head_held(kit) as other:
        task = asyncio.create_task(store.commit([late, commit("Account/2"), commit("Account/3", partition=1)]))
        await waiting_commit(kit)
        await other.execute(_APPEND)
    [refused, second, third] = await task
    assert isinstance(refused, WrongExpectedVersion)
    assert (refused.expected, refused.actual, second, third) == (0, 1, None, None)
    assert [(e.offset, e.stream) for e in await store.read_partition(0)] == [(1, "Account/1"), (2, "Account/2")]
    assert await store.replies([("Account/1", "command-1")]) == {}


async def test_a_takeover_while_waiting(kit: PostgresKit) -> None:
    """A node that was stopped before its commit got the lock is fenced when it goes on."""
    store = await kit.store()
    async with head_held(kit) as other:
        task = asyncio.create_task(store.commit([commit(), commit("B/1", partition=1)]))
        await waiting_commit(kit)
        await other.execute("UPDATE perdure.partitions SET epoch = 2, owner = 'n2' WHERE partition = 0")
    [fenced, other_partition] = await task
    assert isinstance(fenced, StaleEpoch)
    assert (fenced.actual, other_partition) == (2, None)
    assert await store.partition_offset(0) == 0


async def test_a_renewal_while_waiting(kit: PostgresKit) -> None:
    """A beat changes the head's row too, and that refuses nothing."""
    store = await kit.store()
    async with head_held(kit) as other:
        task = asyncio.create_task(store.commit([commit()]))
        await waiting_commit(kit)
        await other.execute("UPDATE perdure.partitions SET expires_at = expires_at + interval '1s'")
    assert await task == [None]
    assert await store.partition_offset(0) == 1
