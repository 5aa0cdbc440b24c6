"""`perdure fork` and `rerun`: what is mistyped is explained before any server is asked."""

from __future__ import annotations

import pytest

from tests.unit.debugging.conftest import Perdure


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fork", "Order/1"], "Missing option '--id'"),
        (["fork", "Order", "--id", "2"], "expected type/id"),
        (["fork", "Order/1", "--id", "1", "--at", "2"], "is the original itself; take another id"),
        (["fork", "Order/1", "--id", "2", "--change", "x"], "expected VERSION=JSON"),
        (["fork", "Order/1", "--id", "2", "--change", "0={}"], "expected VERSION=JSON"),
        (["fork", "Order/1", "--id", "2", "--change", "3=foo"], "it must be JSON, quoted for the shell"),
        (["fork", "order.jsonl", "--id", "2"], "is a file, and the new instance lives in a store"),
        (["rerun", "order.jsonl"], "is a file, and the new instance lives in a store"),
        (["rerun", "Order"], "expected type/id"),
    ],
)
def test_refusals(perdure: Perdure, order: str, arguments: list[str], says: str) -> None:
    """Each says what was expected."""
    said = perdure(*arguments)
    assert said.status != 0
    assert says in said.errors
