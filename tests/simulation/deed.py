"""One thing that a `Flow`, or a `Desk`, does: data, so that a plot can make up programs."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal[
    "note", "work", "refuse", "sleep", "wait", "together", "race",
    "shield", "spite", "hold", "child", "call", "tell", "poke", "promise", "map", "saga", "mark", "again", "bug",
]  # fmt: skip


class Deed(Struct, omit_defaults=True):
    """See the module's docstring. Most kinds read only some of the fields."""

    do: Kind
    fails: int = 0  # the first attempts of its task
    seconds: float = 0.0
    count: int = 0
    id: str = ""  # of another actor, a child, a promise, of what is held
    how: Literal["", "await", "handle", "cancel", "leave"] = ""  # what is done with a child
    on_close: Literal["cancel", "terminate", "abandon"] = "cancel"
    deeds: list[Deed] = []
