"""Whether attributes meet a condition, as Postgres compares JSON values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from eventstore.records import Attributes, Condition, Operator

_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.UNEQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def meets(attributes: Attributes | None, condition: Condition) -> bool:
    """Compare one attribute; one that is not there, or of another sort than the condition's value, meets none."""
    if attributes is None or condition.name not in attributes:
        return False
    value = attributes[condition.name]
    return _sort(value) is _sort(condition.value) and _COMPARE[condition.operator](value, condition.value)


def _sort(value: object) -> type:
    return float if type(value) is int else type(value)
