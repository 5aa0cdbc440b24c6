"""Whether a value that went through JSON is still the same value: by type, by content, and as one object.

`==` is not enough: 0 equals 0.0 and True, an aware datetime equals the same moment in another zone, and a list that stands
in two places equals two lists, of which only one is changed later. Values are never shown: they may be secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict

_BY_EQUALITY: frozenset[type] = frozenset({int, bool, str, bytes, type(None), UUID, date, complex, type(...)})
_BY_REPR: frozenset[type] = frozenset({float, Decimal, datetime, time, timedelta})  # 0.0 equals -0.0, and 1 equals 1.00
_NOT_STATE = frozenset({"__dict__", "__weakref__", "__pydantic_fields_set__"})


class _Sort(Enum):
    """What a class's instances are, for a comparison."""

    BY_EQUALITY = auto()
    BY_REPR = auto()
    MAPPING = auto()
    SET = auto()
    SEQUENCE = auto()
    OBJECT = auto()


_CONTAINERS = {_Sort.MAPPING: (dict,), _Sort.SET: (set, frozenset), _Sort.SEQUENCE: (list, tuple)}


class _Shape(Struct, frozen=True):
    """What a class's instances are made of."""

    sort: _Sort
    unchangeable: bool  # two of it are as good as one
    fixed: tuple[str, ...]  # fields and slots
    is_open: bool  # has a dictionary, too


_SHAPES: dict[type, _Shape] = {}


class Comparison:
    """One value, walked beside what was made of it. Several calls share what they have seen: one object is one."""

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}  # by identity; holds them, so that no identity is used twice

    def difference(self, live: Any, read: Any, path: str) -> str | None:
        """Say where the two differ; None if they do not."""
        found = self._difference(live, read)
        return None if found is None else path + found

    # What follows gives a path and what is wrong there: `.price is int, and would become float`.

    def _difference(self, live: Any, read: Any) -> str | None:
        kind = type(live)
        if kind is not type(read):
            return f" is {kind.__name__}, and would become {type(read).__name__}"
        shape = _shape(kind)
        if shape.sort is _Sort.BY_EQUALITY:
            return None if live == read else f" would become another {kind.__name__}"
        if shape.sort is _Sort.BY_REPR:
            return None if repr(live) == repr(read) else f" would become another {kind.__name__}"
        if not shape.unchangeable:
            if id(live) in self._seen:
                return " stands in two places and would become two objects; copy it, or make its class frozen"
            self._seen[id(live)] = live
        match shape.sort:
            case _Sort.MAPPING:
                return self._each([*live], [*read]) or self._each([*live.values()], [*read.values()])
            case _Sort.SET:
                same = {item: item for item in read}
                return self._each([*live], [same[item] for item in live if item in same])
            case _Sort.SEQUENCE:
                return self._each(live, read)
            case _:
                return self._parts(live, read)

    def _each(self, live: Sequence[Any], read: Sequence[Any]) -> str | None:
        if len(live) != len(read):
            return " would become another size"
        if _plainly_the_same(live, read):
            return None
        pairs = zip(live, read, strict=True)
        return next((f"[…]{found}" for one, other in pairs if (found := self._difference(one, other))), None)

    def _parts(self, live: Any, read: Any) -> str | None:
        parts, others = attributes(live), attributes(read)
        if parts.keys() != others.keys():
            return " has attributes that are not part of its type"
        if _plainly_the_same([*parts.values()], [others[name] for name in parts]):
            return None
        pairs = ((name, self._difference(part, others[name])) for name, part in parts.items())
        return next((f".{name}{found}" for name, found in pairs if found), None)


def attributes(value: object) -> dict[str, Any]:
    """Give an object's own attributes, wherever they are kept: fields, slots, dictionary."""
    shape = _shape(type(value))
    if isinstance(value, Struct) and not shape.is_open:
        return asdict(value)
    found = {name: getattr(value, name) for name in shape.fixed if hasattr(value, name)}
    return found | vars(value) if shape.is_open else found


def _plainly_the_same(live: Sequence[Any], read: Sequence[Any]) -> bool:
    """Whether all of it is of types for which `==` is enough, and equal: quicker than one by one."""
    kinds = list(map(type, live))
    return _BY_EQUALITY.issuperset(kinds) and live == read and kinds == list(map(type, read))


def _shape(kind: type) -> _Shape:
    if (known := _SHAPES.get(kind)) is None:
        known = _SHAPES[kind] = _looked_at(kind)
    return known


def _looked_at(kind: type) -> _Shape:
    slots = (vars(cls).get("__slots__", ()) for cls in kind.__mro__)
    names = [name for some in slots for name in ((some,) if isinstance(some, str) else some)]
    names += getattr(kind, "__struct_fields__", ())
    fixed = tuple(dict.fromkeys(name for name in names if name not in _NOT_STATE))
    is_open = kind.__dictoffset__ != 0
    frozen = issubclass(kind, tuple | frozenset)
    for settings in ("__struct_config__", "__dataclass_params__"):
        if (declared := getattr(kind, settings, None)) is not None:
            frozen = bool(declared.frozen)
    return _Shape(_sort(kind, has_parts=bool(fixed) or is_open), frozen, fixed, is_open)


def _sort(kind: type, *, has_parts: bool) -> _Sort:
    if kind in _BY_EQUALITY or issubclass(kind, Enum | type):
        return _Sort.BY_EQUALITY
    if kind in _BY_REPR:
        return _Sort.BY_REPR
    for sort, classes in _CONTAINERS.items():
        if issubclass(kind, classes):
            return sort
    return _Sort.OBJECT if has_parts else _Sort.BY_EQUALITY
