"""Code that may only read is told when it sets something, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import Struct

from actors import DefinitionError
from actors.reading import only_reading


class State(Struct):
    units: int = 0


class Holder:
    def __init__(self) -> None:
        self.state = State()
        self.name = "tea"


def _meddle(holder: Holder) -> None:
    holder.state.units = 7
    holder.state = State(9)
    holder.extra = 1  # type: ignore[attr-defined]  # what is tested
    del holder.name


def _guarded(what: Callable[[Holder], None], holder: Holder) -> None:
    with only_reading("query meddle", holder, holder.state):
        what(holder)


def test_what_is_set_is_put_back() -> None:
    """Attributes changed, added and deleted, of an instance and of its state."""
    holder = Holder()
    state = holder.state
    with pytest.raises(DefinitionError, match="query meddle only reads, but it set"):
        _guarded(_meddle, holder)
    assert vars(holder) == {"state": state, "name": "tea"}
    assert state.units == 0


def test_its_own_error_is_the_one_that_is_raised() -> None:
    """And what it had set before is put back all the same."""

    def divide(holder: Holder) -> None:
        holder.name = str(1 // 0) if holder.name == "coffee" else "coffee"
        divide(holder)

    holder = Holder()
    with pytest.raises(ZeroDivisionError):
        _guarded(divide, holder)
    assert holder.name == "tea"


def test_reading_is_fine() -> None:
    """Nothing is said of code that sets nothing, or the same object again."""
    holder = Holder()
    _guarded(lambda one: setattr(one, "name", one.name), holder)
    assert holder.name == "tea"
