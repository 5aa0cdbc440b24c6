"""Code that may only read: queries and validators. What it sets is put back, and it hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from actors.errors import DefinitionError


@contextmanager
def only_reading(what: str, *objects: object) -> Iterator[None]:
    """See that a block sets no attribute of some objects, and put back those that it set.

    What they refer to is not looked into: a list that is appended to goes unseen.

    Args:
        what: the code, for the message, for example `query status`.
        objects: an instance, and its state if that is another object.

    Raises:
        DefinitionError: it did set one. When the block raises, that is raised.
    """
    before = [_attributes(one) for one in objects]
    try:
        yield
    finally:
        changed = [name for one, kept in zip(objects, before, strict=True) for name in _restore(one, kept)]
    if changed:
        raise DefinitionError(
            f"{what} only reads, but it set {', '.join(changed)}; only a @command may change an actor"
        )


def _attributes(thing: object) -> dict[str, Any]:
    if isinstance(thing, Struct):
        return {name: getattr(thing, name) for name in thing.__struct_fields__}
    return dict(getattr(thing, "__dict__", ()))


def _restore(thing: object, before: dict[str, Any]) -> list[str]:
    after = _attributes(thing)
    changed = [name for name in before | after if name not in before or after.get(name, before) is not before[name]]
    for name in changed:
        if name in before:
            setattr(thing, name, before[name])
        else:
            delattr(thing, name)
    return changed
