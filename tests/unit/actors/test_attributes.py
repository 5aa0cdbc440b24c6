"""Search attributes: what a workflow says of itself so that it is found."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from actors import Bug, InvalidArguments, Workflow, query, task
from actors.attributes import MOST, checked
from tests.unit.actors.stage import Stage


@task
async def pick() -> None: ...


class Order(Workflow):
    async def run(self, customer: str) -> None:
        self.set_search_attributes(customer=customer, step="picking")
        await pick()
        self.set_search_attributes(step="done", customer=None)

    @query
    def peek(self) -> None:
        self.set_search_attributes(step="peeked")


def test_they_are_recorded_and_replayed() -> None:
    """Setting is a decision: the ledger merges, None takes away, the turn has the listing's row written, and replay agrees."""
    with Stage(Order, [pick]) as stage:
        assert stage.start(customer="ACME").relisted
        assert stage.execution.ledger.attributes == {"customer": "ACME", "step": "picking"}
        stage.reload()
        assert stage.done(1).relisted
        assert stage.execution.ledger.attributes == {"step": "done"}
        stage.reload()
        assert stage.execution.ledger.attributes == {"step": "done"}


def test_a_query_sets_none() -> None:
    """It leaves no trace, and says so."""
    with Stage(Order, [pick]) as stage:
        stage.start(customer="ACME")
        with pytest.raises(Bug, match="queries and validators leave no trace"):
            stage.query("peek")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("text", "text"), (True, True), (3, 3), (2.5, 2.5), (None, None),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))), "2026-01-02T02:00:00.000000Z"),
    ],
)  # fmt: skip
def test_values(value: Any, kept: Any) -> None:
    """Text, numbers, bools and times, which sort as text."""
    assert checked({"name": value}) == {"name": kept}


@pytest.mark.parametrize("value", ["x" * 201, "\0", "\ud800", 2**53 + 1, float("inf"), [1], datetime(2026, 1, 1)])  # noqa: DTZ001 - without a zone on purpose
def test_what_can_not_be_one(value: Any) -> None:
    """It is refused with its name, what came and what is allowed."""
    with pytest.raises(InvalidArguments, match="search attribute size can't be"):
        checked({"size": value})


def test_names_and_number_are_bounded() -> None:
    """A name is as a type's; an instance has a limited number."""
    with pytest.raises(InvalidArguments, match="can't name a search attribute"):
        checked({"a b": 1})
    with pytest.raises(InvalidArguments, match="at most 32"):
        checked({f"a{n}": n for n in range(MOST + 1)})
