"""A state is kept only if it is read back exactly as it is, and begins a fold as its events would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct
from msgspec import field as struct_field
from pydantic import BaseModel

from actors import Actor, App, DefinitionError, Rejected, SnapshotRefused, Snapshots, command, event
from actors.definition import ActorType
from actors.entity import Entity
from tests.unit.actors.stage import Recorded, raw

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


class Noted(Struct):
    units: int


class Colour(Enum):
    RED = "red"


class Money(Struct, frozen=True):
    cents: int = 0


class Line(Struct):
    units: int = 0


@dataclass
class Page:
    text: str = ""
    numbers: list[int] = field(default_factory=list)


class Model(BaseModel):
    name: str = "x"
    more: list[int] = []


class State(Struct):
    anything: Any = None
    count: int = 0
    share: float = 0.0
    price: Decimal = Decimal("1.00")
    at: datetime | None = None
    colour: Colour = Colour.RED
    money: dict[str, Money] = {}
    lines: dict[str, Line] = {}
    others: list[Line] = []
    names: set[str] = set()
    by_number: dict[int, tuple[str, bytes]] = {}
    page: Page = struct_field(default_factory=Page)
    model: Model = struct_field(default_factory=Model)


class Keeper(Actor):
    state: State

    @command
    def note(self, units: int) -> int:
        self.emit(Noted(units))
        if units < 0:
            raise Rejected("below 0")
        return self.state.count

    @event
    def noted(self, e: Noted) -> None:
        self.state.count += e.units


def kind_of(cls: type[Actor]) -> ActorType:
    """Register one actor class."""
    kind = App(actors=[cls]).type(cls.type_name)
    assert isinstance(kind, ActorType)
    return kind


def keeper(change: Callable[[State], object]) -> Entity:
    """A keeper whose state was changed."""
    entity = Entity(kind_of(Keeper), "Keeper/1")
    change(entity._instance.state)
    return entity


def vars_of(state: State, **values: Any) -> None:
    """Set some of a state."""
    for name, value in values.items():
        setattr(state, name, value)


def _shared(state: State) -> None:
    state.lines["a"] = Line(1)
    state.others.append(state.lines["a"])


def _frozen_shared(state: State) -> None:
    state.money = dict.fromkeys("ab", Money(5))


KEPT: dict[str, Callable[[State], object]] = {
    "as new": lambda _: None,
    "anything": lambda state: vars_of(state, anything={"a": [1, 2.5, None, True, "é\x00"]}),
    "numbers": lambda state: vars_of(state, count=2**62, share=1e-9, price=Decimal("12.340"), at=NOON),
    "containers": lambda state: vars_of(
        state, lines={"z": Line(1), "a": Line(2)}, names={"x"}, by_number={7: ("a", b"\xff")}
    ),
    "classes": lambda state: vars_of(
        state, money={"a": Money(5)}, page=Page("é", [1]), model=Model(name="y", more=[1])
    ),
    "an object that can't change in two places": _frozen_shared,
}
REFUSED: dict[str, tuple[Callable[[State], object], str]] = {
    "an int as a float": (lambda state: setattr(state, "share", 1), "state.share is int, and would become float"),
    "a tuple as anything": (lambda state: setattr(state, "anything", (1,)), "is tuple, and would become list"),
    "a Decimal as anything": (
        lambda state: setattr(state, "anything", [Decimal(1)]),
        r"state.anything\[…\] is Decimal",
    ),
    "NaN": (lambda state: setattr(state, "share", float("nan")), "NaN"),
    "a bool as an int": (lambda state: setattr(state, "count", True), "Expected `int`"),
    "a named zone": (
        lambda state: setattr(state, "at", NOON.astimezone(ZoneInfo("Europe/Paris"))),
        "state.at would become",
    ),
    "one object in two places": (_shared, r"state\.others\[…\] stands in two places"),
    "an attribute that is no field": (lambda state: setattr(state.page, "cache", {}), "state.page has attributes"),
    "too large": (lambda state: setattr(state, "anything", "x" * 3_000_000), "the limit is"),
    "what JSON has no form for": (lambda state: setattr(state, "anything", object()), "can't be stored"),
}


@pytest.mark.parametrize("case", KEPT)
def test_it_is_read_back_as_it_is(case: str) -> None:
    """Types, order and all."""
    entity = keeper(KEPT[case])
    other = Entity(kind_of(Keeper), "Keeper/1")
    other.restore(9, entity.snapshot())
    assert repr(other._instance.state) == repr(entity._instance.state)
    assert other.version == 9


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_come_back_otherwise_is_refused(case: str) -> None:
    """The message names the place, and no value: it may be a secret."""
    change, message = REFUSED[case]
    with pytest.raises(SnapshotRefused, match=message):
        keeper(change).snapshot()


def test_a_state_with_a_pydantic_model_can_be_shown() -> None:
    """As `perdure replay` does."""
    assert keeper(KEPT["classes"]).state()["model"] == {"name": "y", "more": [1]}


def test_no_value_is_told() -> None:
    """Neither of a field nor of a key."""
    entity = keeper(lambda state: setattr(state, "anything", {"secret": ("secret",)}))
    with pytest.raises(SnapshotRefused) as refused:
        entity.snapshot()
    assert "secret" not in str(refused.value)


def test_a_fold_may_begin_anywhere() -> None:
    """Snapshot and tail give what all events give."""
    live = Entity(kind_of(Keeper), "Keeper/1")
    history: list[Recorded] = []
    kept: list[tuple[int, bytes]] = []
    for number in range(6):
        history += [
            Recorded(live.version, r.type, r.data, NOON)
            for r in live.command(f"{number}", "note", raw({"units": number})).events
        ]
        kept.append((live.version, live.snapshot()))
    for version, data in kept:
        begun = Entity(live.kind, "Keeper/1")
        begun.restore(version, data)
        begun.replay(history[version:])
        assert (begun.version, begun._instance.state) == (live.version, live._instance.state)


def test_a_state_that_a_refused_command_touched_is_not_kept() -> None:
    """It is no fold of the events."""
    entity = Entity(kind_of(Keeper), "Keeper/1")
    entity.command("1", "note", raw({"units": -1}))
    assert entity.dirty
    with pytest.raises(SnapshotRefused, match="refused command"):
        entity.snapshot()


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"count": "x"}', b"\xff", b"[" * 100_000, b'{"page": {"numbers": {}}}']
)
def test_what_is_no_state_is_refused(data: bytes) -> None:
    """Whatever it is; the entity is still as new."""
    entity = Entity(kind_of(Keeper), "Keeper/1")
    with pytest.raises(SnapshotRefused, match="can't be decoded"):
        entity.restore(3, data)
    assert (entity.version, entity._instance.state) == (0, State())


class Indexed(Actor):
    """Folds into an attribute beside its state, and has a constant one."""

    state: Line

    def __init__(self) -> None:
        self.limits = [1, 2]
        self.index: dict[str, int] = {}

    @command
    def note(self, units: int) -> None:
        self.emit(Noted(units))

    @event
    def noted(self, e: Noted) -> None:
        self.state.units += e.units
        if e.units > 1:
            self.index["a"] = e.units


class Aliased(Actor):
    """Reaches its state by another name, too: after a restore that would be another object."""

    state: Line

    def __init__(self) -> None:
        self.line = self.state

    @command
    def note(self, units: int) -> None:
        self.emit(Noted(units))

    @event
    def noted(self, e: Noted) -> None:
        self.line.units += e.units


def test_an_attribute_beside_the_state_must_be_as_new() -> None:
    """A snapshot does not hold it."""
    entity = Entity(kind_of(Indexed), "Indexed/1")
    entity.command("1", "note", raw({"units": 1}))
    assert entity.snapshot() == b'{"units":1}'
    entity.command("2", "note", raw({"units": 2}))
    with pytest.raises(SnapshotRefused, match=r"self\.index"):
        entity.snapshot()


def test_a_second_name_for_the_state_is_noticed() -> None:
    """Also where the state is as new."""
    entity = Entity(kind_of(Aliased), "Aliased/1")
    with pytest.raises(SnapshotRefused, match=r"self\.line stands in two places"):
        entity.snapshot()


class Opaque:
    """What JSON can't make."""


class OpaqueState:
    def __init__(self) -> None:
        self.opaque = Opaque()


class Unkept(Actor):
    state: OpaqueState


class Wanted(Actor):
    state: OpaqueState
    snapshots = Snapshots(every_events=10)


class Off(Actor):
    state: OpaqueState
    snapshots = None


class Misspelt(Actor):
    state: Line
    snapshots = 100  # type: ignore[assignment]  # the mistake


def test_a_state_type_that_json_can_not_make() -> None:
    """It works without snapshots; whoever asks for them is told at registration."""
    entity = Entity(kind_of(Unkept), "Unkept/1")
    with pytest.raises(SnapshotRefused, match="can't be made from JSON"):
        entity.snapshot()
    assert kind_of(Off).snapshots is None
    with pytest.raises(DefinitionError, match=r"Wanted: the state: .*`snapshots = None`"):
        kind_of(Wanted)
    with pytest.raises(DefinitionError, match="must be Snapshots"):
        kind_of(Misspelt)


@pytest.mark.parametrize(
    "numbers",
    [{"every_events": 0}, {"every_bytes": 0}, {"least_share": -1}, {"least_share": float("nan")}, {"schema": 32768}],
)
def test_a_policy_that_can_not_be_meant(numbers: dict[str, Any]) -> None:
    """Each number has a range."""
    with pytest.raises(DefinitionError, match="schema" if "schema" in numbers else "expected"):
        Snapshots(**numbers)


def test_when_one_is_due() -> None:
    """By events or by bytes, and not for a state that is large beside them."""
    policy = Snapshots(every_events=10, every_bytes=1000, least_share=0.5)
    assert not policy.due(9, 999, 0)
    assert policy.due(10, 20, 0)
    assert policy.due(1, 1000, 0)
    assert not policy.due(10, 499, 1000)
    assert policy.due(10, 500, 1000)


def test_the_schema_is_the_policys() -> None:
    """So that a developer can refuse old snapshots by hand."""

    class Raised(Keeper, name="Raised"):
        snapshots = Snapshots(schema=7)

    assert kind_of(Raised).snapshot_format.schema == 7
