"""Whether a value that went through JSON is still the same value: by type, by content, and as one object.

`==` is not enough: 0 equals 0.0 and True, an aware datetime equals the same moment in another zone, and a list that stands
in two places equals two lists, of which only one is changed later. Values are never shown: they may be secrets.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

_ATOMS = frozenset(
    {int, bool, str, bytes, type(None), UUID, float, Decimal, complex, date, datetime, time, timedelta, type(...)}
)
_BY_REPR = frozenset({float, Decimal, datetime, time, timedelta})  # 0.0 equals -0.0, and 1 equals 1.00
_NOT_STATE = frozenset({"__dict__", "__weakref__", "__pydantic_fields_set__"})


class Comparison:
    """One value, walked beside what was made of it. Several calls share what they have seen: one object is one."""

    def __init__(self) -> None:
        self._seen: dict[int, str] = {}

    def difference(self, live: Any, read: Any, path: str) -> str | None:
        """Say where the two differ; None if they do not."""
        kind = type(live)
        if kind is not type(read):
            return f"{path} is {kind.__name__}, and would become {type(read).__name__}"
        if kind in _ATOMS:
            same = repr(live) == repr(read) if kind in _BY_REPR else live == read
            return None if same else f"{path} would become another {kind.__name__}"
        if isinstance(live, Enum | type):
            return None if live is read else f"{path} would become another {kind.__name__}"
        if not _unchangeable(live):
            if (elsewhere := self._seen.get(id(live))) is not None:
                return f"{path} and {elsewhere} are one object, and would become two; copy it, or make its class frozen"
            self._seen[id(live)] = path
        return self._parts(live, read, path)

    def _parts(self, live: Any, read: Any, path: str) -> str | None:
        if isinstance(live, dict):
            return self._several([*live, *live.values()], [*read, *read.values()], f"{path}[…]")
        if isinstance(live, set | frozenset):
            same = {item: item for item in read}
            return self._several(
                live, [same.get(item) for item in live] if len(live) == len(read) else [], f"{path}{{…}}"
            )
        if isinstance(live, list | tuple):
            return self._several(live, read, f"{path}[…]")
        parts, others = attributes(live), attributes(read)
        if not parts:
            return None if live == read else f"{path} would become another {type(live).__name__}"
        if parts.keys() != others.keys():
            return f"{path} has attributes that are not part of its type"
        return next(
            (found for name in parts if (found := self.difference(parts[name], others[name], f"{path}.{name}"))), None
        )

    def _several(self, live: Iterable[Any], read: Iterable[Any], path: str) -> str | None:
        live, read = list(live), list(read)
        if len(live) != len(read):
            return f"{path.removesuffix('[…]')} would become another size"
        pairs = zip(live, read, strict=True)
        return next((found for one, other in pairs if (found := self.difference(one, other, path))), None)


def attributes(value: object) -> dict[str, Any]:
    """Give an object's own attributes, wherever they are kept: fields, slots, dictionary."""
    slots = (vars(cls).get("__slots__", ()) for cls in type(value).__mro__)
    names = [name for some in slots for name in ((some,) if isinstance(some, str) else some)]
    names += getattr(type(value), "__struct_fields__", ())
    found = {name: getattr(value, name) for name in names if name not in _NOT_STATE and hasattr(value, name)}
    return found | getattr(value, "__dict__", {})


def _unchangeable(value: object) -> bool:
    """Whether a value can't be changed in place, so that two of it are as good as one."""
    kind: Any = type(value)
    for settings in ("__struct_config__", "__dataclass_params__"):
        if (declared := getattr(kind, settings, None)) is not None:
            return bool(declared.frozen)
    return isinstance(value, tuple | frozenset)
