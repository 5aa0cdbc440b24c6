"""An actor's live state is the fold of its events, however the stream is cut."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from actors import Actor, App, Rejected, command, event
from actors.definition import ActorType
from actors.entity import Entity
from tests.unit.actors.stage import Recorded, raw


class Moved(Struct):
    amount: Decimal
    notes: list[str]


class Renamed(Struct):
    name: str | None


class State(Struct):
    balance: Decimal = Decimal(0)
    notes: list[str] = []
    names: list[str | None] = []


class Account(Actor):
    state: State

    @command
    def move(self, amount: Decimal, notes: list[str]) -> Decimal:
        if self.state.balance + amount < 0:
            raise Rejected("insufficient funds")
        moved = Moved(amount, notes)
        self.emit(moved)
        moved.notes.append("changed after it was emitted")
        return self.state.balance

    @command
    def rename(self, names: list[str | None]) -> int:
        for name in names:
            self.emit(Renamed(name))
        return len(self.state.names)

    @event
    def moved(self, e: Moved) -> None:
        self.state.balance += e.amount
        self.state.notes += e.notes

    @event
    def renamed(self, e: Renamed) -> None:
        self.state.names.append(e.name)


_amounts = st.decimals(min_value=-1000, max_value=1000, places=2, allow_nan=False).map(str)
_texts = st.text(max_size=5)
_commands = st.lists(
    st.tuples(st.just("move"), st.fixed_dictionaries({"amount": _amounts, "notes": st.lists(_texts, max_size=2)}))
    | st.tuples(st.just("rename"), st.fixed_dictionaries({"names": st.lists(st.none() | _texts, max_size=3)})),
    max_size=12,
)


def kind() -> ActorType:
    made = App(actors=[Account]).type("Account")
    assert isinstance(made, ActorType)
    return made


@settings(max_examples=100)
@given(_commands, st.integers(0, 40))
def test_the_live_fold_is_the_replay(commands: list[tuple[str, dict[str, Any]]], cut: int) -> None:
    """Whole, in two parts, and with more commands after a replay."""
    entity = Entity(kind(), "Account/1")
    stream: list[Recorded] = []
    for number, (name, input) in enumerate(commands):
        for record in entity.command(f"c{number}", name, raw(input)).events:
            stream.append(Recorded(len(stream) + 1, record.type, record.data, datetime.now(UTC)))
    whole, parts = Entity(kind(), "Account/1"), Entity(kind(), "Account/1")
    whole.replay(stream)
    parts.replay(stream[:cut])
    parts.replay(stream[cut:])
    assert (whole.state(), whole.version) == (parts.state(), parts.version) == (entity.state(), entity.version)
    assert (entity.version, entity.dirty) == (len(stream), False)
