"""Search attributes: what a row of the listing can be found by."""

from __future__ import annotations

from datetime import timedelta

import pytest

from eventstore import Condition, EventStore, Operator, UnserialisableInput
from tests.conformance.store.building import commit, execution, write
from tests.conformance.store.kits import NOW

ROWS = {
    "Order/1": {"customer": "ACME", "total": 120, "paid": True},
    "Order/2": {"customer": "ACME", "total": 9.5, "paid": False},
    "Order/3": {"customer": "Zoë & Söhne", "total": 1000},
    "Order/4": {"customer": 7, "total": "120"},
    "Order/5": None,
    "Payout/6": {"customer": "ACME"},
}


@pytest.fixture
async def listed(store: EventStore) -> EventStore:
    rows = [
        commit(stream, partition=n % 4, execution=execution(minutes=n, attributes=attributes))
        for n, (stream, attributes) in enumerate(ROWS.items())
    ]
    await write(store, *rows)
    return store


@pytest.mark.parametrize(
    ("name", "operator", "value", "found"),
    [
        ("customer", "=", "ACME", ["Payout/6", "Order/2", "Order/1"]),
        ("customer", "=", "Zoë & Söhne", ["Order/3"]),
        ("customer", "=", 7, ["Order/4"]),
        ("customer", "!=", "ACME", ["Order/3"]),
        ("total", "=", 120.0, ["Order/1"]),
        ("total", ">", 100, ["Order/3", "Order/1"]),
        ("total", "<=", 120, ["Order/2", "Order/1"]),
        ("total", "<", 9.5, []),
        ("total", ">=", 9.5, ["Order/3", "Order/2", "Order/1"]),
        ("total", ">", "1", ["Order/4"]),
        ("paid", "=", True, ["Order/1"]),
        ("paid", "=", 1, []),
        ("nothing", "!=", 1, []),
    ],
)
async def test_conditions(
    listed: EventStore, name: str, operator: str, value: str | float | bool, found: list[str]
) -> None:
    """Values are compared within their sort only, and one that is not there meets nothing."""
    condition = Condition(name, Operator(operator), value)
    assert [row.stream for row in await listed.executions(where=[condition])] == found


async def test_conditions_combine_with_each_other_and_the_rest(listed: EventStore) -> None:
    """All of them hold, and type, status, paging and limit as ever."""
    acme, dear = Condition("customer", Operator.EQUAL, "ACME"), Condition("total", Operator.GREATER, 100)
    assert [row.stream for row in await listed.executions(where=[acme, dear])] == ["Order/1"]
    assert [row.stream for row in await listed.executions(where=[acme], type="Order")] == ["Order/2", "Order/1"]
    assert await listed.executions(where=[acme], status="failed") == []
    first = await listed.executions(where=[acme], limit=1)
    before = (first[0].execution.started_at, first[0].stream)
    assert [row.stream for row in await listed.executions(where=[acme], before=before)] == ["Order/2", "Order/1"]


async def test_they_stay_until_they_are_set_anew(store: EventStore) -> None:
    """A row that is written without attributes keeps them, in another batch and in the same one."""
    kept, closed = {"customer": "ACME"}, NOW + timedelta(hours=1)
    await write(store, commit(execution=execution(attributes=kept)))
    await write(store, commit(expected=1, execution=execution("stuck")))
    row = await store.execution("Account/1")
    assert (row and row.status, row and row.attributes) == ("stuck", kept)
    await write(
        store,
        commit(expected=2, execution=execution(attributes={"total": 1})),
        commit(expected=3, execution=execution("completed", closed_at=closed)),
    )
    row = await store.execution("Account/1")
    assert (row and row.status, row and row.attributes) == ("completed", {"total": 1})
    await write(store, commit(expected=4, execution=execution(attributes={})))
    row = await store.execution("Account/1")
    assert row is not None
    assert not row.attributes


@pytest.mark.parametrize("attributes", [{"a": float("nan")}, {"": 1}, {"a": "\0"}, {"a\0": 1}])
async def test_what_json_cannot_hold(store: EventStore, attributes: dict[str, float]) -> None:
    """It is refused before anything is written."""
    with pytest.raises(UnserialisableInput, match="attribute"):
        await store.commit([commit(execution=execution(attributes=attributes))])
    assert await store.executions() == []
