"""The difference between two states, place by place."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from runtime.debugging.difference import Difference, differences


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [Difference("a", 1, 2)]),
        ({"a": 1}, {"a": True}, [Difference("a", 1, True)]),
        ({"a": {"b": [1]}}, {"a": {"b": []}}, [Difference("a.b[0]", 1)]),
        ({"a": [1, 2, 3]}, {"a": [1, 9, 2, 3]}, [Difference("a[1]", UNSET, 9)]),
        ({"a": [{"b": 1}, 2]}, {"a": [{"b": 2}, 2]}, [Difference("a[0].b", 1, 2)]),
        ({"a b": 1}, {}, [Difference("state['a b']", 1)]),
        ({}, {"x": None}, [Difference("x", UNSET, None)]),
        ([1], [1, 2], [Difference("state[1]", UNSET, 2)]),
        (7, "7", [Difference("state", 7, "7")]),
    ],
)
def test_difference(before: Any, after: Any, found: list[Difference]) -> None:
    """An inserted item is one difference; null is a value; 1 is not true."""
    assert differences(before, after) == found
