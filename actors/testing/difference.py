"""Whether two values are the same to a test, and where they first differ, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actors.codec import builtins
from actors.round_trip import attributes

_MOST = 2_000  # characters of a value in a message
_TEXTS = (str, bytes, bytearray)


def same(expected: object, actual: object) -> bool:
    """Say whether two values are equal; of a class that has no `==` of its own, whether they are alike as JSON."""
    if bool(expected == actual):
        return True
    if type(expected) is not type(actual) or isinstance(expected, Mapping | Sequence | set | frozenset):
        return False
    try:
        return not _is_plain(expected) and bool(builtins(expected) == builtins(actual))
    except (TypeError, ValueError, RecursionError):
        return False  # no form as JSON


def difference(expected: Any, actual: Any, path: str) -> str | None:
    """Say where two values first differ: `state.balance: expected 70, was 100`; None when they are the same."""
    if same(expected, actual):
        return None
    if type(expected) is type(actual) and not isinstance(expected, _TEXTS):
        found = _inside(expected, actual, path)
        if found is not None:
            return found
    return f"{path}: expected {shown(expected)}, was {shown(actual)}"


def partial_difference(expected: Mapping[str, Any], actual: Any, path: str) -> str | None:
    """Compare only the attributes that are named."""
    for name, value in expected.items():
        if not hasattr(actual, name):
            return f"{path}.{name}: expected {shown(value)}, but {type(actual).__name__} has no {name}"
        if (found := difference(value, getattr(actual, name), f"{path}.{name}")) is not None:
            return found
    return None


def shown(value: object) -> str:
    """Give a value's `repr`, whatever that does, and not too long."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the user's own __repr__ must not hide the difference
        return f"<a {type(value).__name__} that can't be shown: {type(error).__name__}>"
    return text if len(text) <= _MOST else f"{text[:_MOST]}… ({len(text)} characters)"


def _inside(expected: Any, actual: Any, path: str) -> str | None:
    if isinstance(expected, Mapping):
        return _in_mappings(expected, actual, path)
    if isinstance(expected, Sequence):
        if len(expected) != len(actual):
            return f"{path}: expected {len(expected)} items, was {len(actual)}: {shown(expected)} and {shown(actual)}"
        pairs = enumerate(zip(expected, actual, strict=True))
        return next((d for n, (e, a) in pairs if (d := difference(e, a, f"{path}[{n}]"))), None)
    if _is_plain(expected):
        return None
    wanted, found = attributes(expected), attributes(actual)
    names = [name for name in wanted if name in found]
    return next((d for name in names if (d := difference(wanted[name], found[name], f"{path}.{name}"))), None)


def _in_mappings(expected: Mapping[Any, Any], actual: Mapping[Any, Any], path: str) -> str | None:
    for key, value in expected.items():
        if key not in actual:
            return f"{path}[{key!r}]: expected {shown(value)}, but it is not there"
        if (found := difference(value, actual[key], f"{path}[{key!r}]")) is not None:
            return found
    more = next((key for key in actual if key not in expected), None)
    return None if more is None else f"{path}[{more!r}]: expected nothing, was {shown(actual[more])}"


def _is_plain(value: object) -> bool:
    return type(value).__module__ in {"builtins", "decimal", "datetime", "uuid", "enum"}
