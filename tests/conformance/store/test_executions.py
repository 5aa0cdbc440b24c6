"""The listing: one row an actor, newest first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from eventstore import EventStore
from tests.conformance.store.building import commit, execution, write
from tests.conformance.store.kits import NOW


@pytest.fixture
async def listed(store: EventStore) -> EventStore:
    """Six executions, started a minute apart; two share a start."""
    rows = [
        ("Order/1", "running", 0),
        ("Order/2", "completed", 1),
        ("Payout/1", "running", 2),
        ("Order/3", "running", 3),
        ("Order/4", "failed", 3),
        ("Orders/5", "running", 4),
    ]
    batch = [commit(s, partition=n % 4, execution=execution(status, at)) for n, (s, status, at) in enumerate(rows)]
    await write(store, *batch)
    return store


async def names(store: EventStore, **filters: object) -> list[str]:
    return [row.stream for row in await store.executions(**filters)]  # type: ignore[arg-type] # filters of the port


async def test_a_row_keeps_everything(store: EventStore) -> None:
    """What goes in comes out, with its partition."""
    row = execution("failed", busy=True, closed_at=NOW + timedelta(hours=1), error="", correlation_id="c-1")
    await write(store, commit(partition=2, execution=row))
    assert await store.execution("Account/1") == row
    [only] = await store.executions()
    assert (only.stream, only.partition, only.execution) == ("Account/1", 2, row)


async def test_unknown(store: EventStore) -> None:
    """A stream without a row has none."""
    await write(store, commit())
    assert await store.execution("Account/1") is None
    assert await store.executions() == []
    assert await store.count_executions() == {}


async def test_newest_first(listed: EventStore) -> None:
    """Equal starts go by stream, descending."""
    assert await names(listed) == ["Orders/5", "Order/4", "Order/3", "Payout/1", "Order/2", "Order/1"]


async def test_by_type_and_status(listed: EventStore) -> None:
    """Filters combine; a type is not a prefix."""
    assert await names(listed, type="Order") == ["Order/4", "Order/3", "Order/2", "Order/1"]
    assert await names(listed, status="running") == ["Orders/5", "Order/3", "Payout/1", "Order/1"]
    assert await names(listed, type="Order", status="running") == ["Order/3", "Order/1"]
    assert await names(listed, type="Ord") == []
    assert await names(listed, status="nothing") == []


async def test_paging_visits_each_once(listed: EventStore) -> None:
    """The last one seen is where the next page begins, also among equal starts."""
    seen: list[str] = []
    before = None
    while page := await listed.executions(before=before, limit=2):
        seen += [row.stream for row in page]
        before = (page[-1].execution.started_at, page[-1].stream)
    assert seen == ["Orders/5", "Order/4", "Order/3", "Payout/1", "Order/2", "Order/1"]


async def test_the_last_update_of_a_batch_stands(store: EventStore) -> None:
    """A batch equals its commits one after the other."""
    await write(
        store,
        commit(execution=execution("running", busy=True)),
        commit(expected=1, execution=execution("completed", closed_at=NOW)),
    )
    assert await store.execution("Account/1") == execution("completed", closed_at=NOW)
    await write(store, commit(expected=2, execution=execution("running")))
    assert await store.execution("Account/1") == execution("running")


async def test_counts_by_type_and_status(listed: EventStore) -> None:
    """Every combination that exists."""
    assert await listed.count_executions() == {
        ("Order", "running"): 2,
        ("Order", "completed"): 1,
        ("Order", "failed"): 1,
        ("Orders", "running"): 1,
        ("Payout", "running"): 1,
    }


async def test_unfinished_are_the_busy_and_the_stuck(store: EventStore) -> None:
    """Only the partition's own, and no longer once they are at rest."""
    await write(
        store,
        commit("A/busy", execution=execution(busy=True)),
        commit("A/stuck", execution=execution("stuck")),
        commit("A/idle", execution=execution()),
        commit("A/elsewhere", partition=1, execution=execution(busy=True)),
    )
    assert [row.stream for row in await store.unfinished(0)] == ["A/busy", "A/stuck"]
    await write(store, commit("A/busy", 1, 0, execution=execution()), commit("A/stuck", 1, 0, execution=execution()))
    assert await store.unfinished(0) == []
