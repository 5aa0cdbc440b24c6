"""What is different between two states, place by place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct, UnsetType


class Difference(Struct, frozen=True, omit_defaults=True):
    """A place, such as `lines[2].units`, and its value before and after; unset where there was or is none."""

    path: str
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET


def differences(before: Any, after: Any, path: str = "") -> list[Difference]:
    """Compare two values of builtins; in order of their places, nothing when they are the same."""
    return list(_compare(before, after, path))


def _compare(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _mappings(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(before, after, path)
    elif type(before) is not type(after) or before != after:
        yield Difference(path or "state", before, after)


def _mappings(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Difference]:
    for name in [*before, *(name for name in after if name not in before)]:
        place = _member(path, name)
        if name not in after:
            yield Difference(place, before[name])
        elif name not in before:
            yield Difference(place, after=after[name])
        else:
            yield from _compare(before[name], after[name], place)


def _lists(before: list[Any], after: list[Any], path: str) -> Iterator[Difference]:
    """Leave out what both begin and end with, so that one new item is one difference, wherever it stands."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    for index in range(max(len(old), len(new))):
        place = f"{path or 'state'}[{head + index}]"
        if index >= len(new):
            yield Difference(place, old[index])
        elif index >= len(old):
            yield Difference(place, after=new[index])
        else:
            yield from _compare(old[index], new[index], place)


def _member(path: str, name: str) -> str:
    if not name.isidentifier():
        return f"{path or 'state'}[{name!r}]"
    return f"{path}.{name}" if path else name
