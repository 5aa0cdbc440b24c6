"""A mutant: a bug, the promise that it breaks, and the suite that must find it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tests.mutants.planting import Edit


class Seeds(Struct, frozen=True):
    """Seeds of the simulation, from the first until one fails."""

    most: int = 600
    first: int = 0


class Tests(Struct, frozen=True):
    """Tests on real servers, by their node ids' parts; at least one of these must fail."""

    nodes: tuple[str, ...]


class Mutant(Struct, frozen=True):
    """See the module's docstring.

    Attributes:
        name: for people.
        breaks: the promise that does not hold any more.
        edits: where the bug is.
        suite: what must find it.
        reason: a pattern of the failure's message: found by chance is not found.
    """

    name: str
    breaks: str
    edits: Sequence[Edit]
    suite: Seeds | Tests
    reason: str
