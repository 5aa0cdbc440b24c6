"""Somebody holds an instance, and lets it go on."""

from __future__ import annotations

from actors.journal.event import Fact


class Paused(Fact):
    """Somebody, `by`, held the instance, with the request `id`: facts are still recorded, and its code hears of none."""

    id: str
    reason: str = ""
    by: str = ""


class Unpaused(Fact):
    """Somebody let a paused instance go on: the code hears of what came meanwhile, and its decisions follow.

    When it is stuck, they follow `Resumed`.
    """

    id: str
    reason: str = ""
    by: str = ""
