"""A commit whose answer is lost is all there or not there at all, and the store goes on."""

from __future__ import annotations

import asyncio

import pytest

from eventstore import EventStore, StoreUnavailable
from tests.conformance.store.building import commit, mark, message, write
from tests.conformance.store.kits import NOW, PostgresKit
from tests.integration.eventstore.blocking import head_held, waiting_commit
from tests.waiting import wait_until

_BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE '%-- perdure commit%' AND pid <> pg_backend_pid()
   OR datname = current_database() AND query = 'SELECT 1' AND application_name = 'perdure'
"""
_TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'perdure' AND query LIKE '%-- perdure commit%' AND pid <> pg_backend_pid()
"""


async def test_a_cancelled_caller_does_not_cut_a_commit_in_half(kit: PostgresKit) -> None:
    """The statement runs on to its end, on the same connection as the next one; only nobody hears of it."""
    store = await kit.store()
    async with head_held(kit):
        task = asyncio.create_task(store.commit([commit(count=3, inbox=[mark()])]))
        backend = await waiting_commit(kit)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        later = asyncio.create_task(store.commit([commit(expected=3)]))
    assert await later == [None]
    assert await store.stream_version("Account/1") == 4
    assert [row["pid"] for row in await kit.execute(_BACKENDS)] == [backend]


async def test_close_waits_for_a_commit_in_flight(kit: PostgresKit) -> None:
    """What was on its way when the store was closed is answered."""
    store = await kit.store()
    async with head_held(kit):
        task = asyncio.create_task(store.commit([commit()]))
        await waiting_commit(kit)
        closing = asyncio.create_task(store.close())
    assert await task == [None]
    await closing
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.commit([commit()])


async def test_a_terminated_backend(kit: PostgresKit) -> None:
    """While it waits for the head nothing is written; the next commit has a connection again."""
    store = await kit.store()
    async with head_held(kit):
        task = asyncio.create_task(store.commit([commit()]))
        await kit.execute("SELECT pg_terminate_backend($1::int)", await waiting_commit(kit))
        with pytest.raises(StoreUnavailable):
            await task
    assert await store.stream_version("Account/1") == 0
    await write(store, commit())


async def whole_or_nothing(store: EventStore, number: int) -> None:
    stream = f"S/{number}"
    version = await store.stream_version(stream)
    handled = await store.replies([(stream, "command-1")])
    sent = [m.id for m in await store.outbox(0, until=NOW, limit=99) if m.id == stream]
    assert (version, len(handled), len(sent)) in {(0, 0, 0), (5, 1, 1)}


async def test_terminated_at_any_moment(kit: PostgresKit) -> None:
    """Whenever the backend ends, every commit is all or nothing, and an answered one is there."""
    store = await kit.store()
    for number in range(12):
        stream = f"S/{number}"
        task = asyncio.create_task(store.commit([commit(stream, count=5, inbox=[mark()], outbox=[message(stream)])]))
        await kit.execute(_TERMINATE)
        try:
            assert await task == [None]
        except StoreUnavailable:
            await whole_or_nothing(store, number)
        else:
            assert await store.stream_version(stream) == 5

    async def goes_in() -> bool:
        try:
            return await store.commit([commit("S/end")]) == [None]
        except StoreUnavailable:  # the last of the terminations may come as late as now
            return await store.stream_version("S/end") == 1

    await wait_until(goes_in)
    assert [e.offset for e in await store.read_partition(0)] == list(range(1, await store.partition_offset(0) + 1))


async def test_reads_and_leases_find_a_connection_again(kit: PostgresKit) -> None:
    """After every connection was ended, at most one call fails before all is well."""
    store = await kit.store()
    leases = await kit.leases()
    await write(store, commit())
    await kit.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'perdure'"
    )

    async def works() -> bool:
        try:
            await leases.leave("n9")
            return await store.stream_version("Account/1") == 1
        except StoreUnavailable:
            return False

    await wait_until(works)
    await write(store, commit(expected=1))
