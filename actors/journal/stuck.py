"""Mistakes in the code: where it stopped, and went on."""

from __future__ import annotations

from actors.journal.event import ErrorInfo, Fact

# A journal that a replay takes exception to ends with a whole turn.
_FOUND_BY_REPLAY = frozenset({"Nondeterminism", "UnknownType"})


class Stuck(Fact):
    """The code could not go on because of a mistake in it. Facts are still recorded; no decisions are."""

    error: ErrorInfo

    @property
    def between_turns(self) -> bool:
        """Whether the turn of the fact before is whole. A mistake may have ended it, and left out its decisions."""
        return self.error.type in _FOUND_BY_REPLAY

    def title(self) -> str:
        return f"Stuck({self.error.type})"


class Resumed(Fact):
    """The code went on after it was stuck; the decisions that it owed follow."""
