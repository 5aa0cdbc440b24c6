"""Validators: what can be one, and what it may do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Struct

from actors import Actor, App, Bug, DefinitionError, Rejected, Workflow, command, event, validator
from actors.definition import ActorType
from actors.entity import Entity
from actors.testing import scenario
from tests.unit.actors.stage import NOON, Stage, raw


class Ship(Workflow):
    def __init__(self) -> None:
        self.tracking: str | None = None
        self.drawn = 0.0

    async def run(self) -> str | None:
        await self.until(lambda: self.tracking)
        self.drawn = self.random.random()
        return self.tracking

    @command
    def ship(self, tracking: str) -> str:
        self.tracking = tracking
        return tracking

    @validator(ship)
    def can_ship(self, tracking: str) -> None:
        if tracking == "meddle":
            self.tracking = tracking
        if tracking == "draw":
            raise Rejected(str(self.random.random()))
        if tracking == "divide":
            raise ZeroDivisionError("a mistake")
        if tracking == "late" and self.now() > datetime.fromtimestamp(NOON + 60, UTC):
            raise Rejected("too late")


class Added(Struct):
    units: int


class Shelf(Struct):
    units: int = 0


class Stock(Actor):
    state: Shelf

    @command
    def take(self, units: int) -> int:
        self.emit(Added(-units))
        return self.state.units

    @validator(take)
    def can_take(self, units: int) -> None:
        if units == 13:
            self.state.units = 100
        if units > self.state.units:
            raise Rejected(f"only {self.state.units} left")

    @event
    def added(self, e: Added) -> None:
        self.state.units += e.units


def test_a_validator_refuses_by_raising_a_failure() -> None:
    """Workflow and actor alike; what it takes passes without a sign."""
    with Stage(Ship) as stage:
        stage.start()
        stage.execution.validate("ship", raw({"tracking": "T-1"}), NOON)
        stage.execution.validate("ship", raw({"tracking": "late"}), NOON + 60)
        with pytest.raises(Rejected, match="too late"):
            stage.execution.validate("ship", raw({"tracking": "late"}), NOON + 61)
    stock = _stock()
    stock.validate("take", raw({"units": 0}))
    with pytest.raises(Rejected, match="only 0 left"):
        stock.validate("take", raw({"units": 1}))


@pytest.mark.parametrize(("tracking", "complaint"), [("meddle", "it set tracking"), ("divide", "ZeroDivisionError")])
def test_a_mistake_in_a_validator_is_a_bug_and_changes_nothing(tracking: str, complaint: str) -> None:
    """It may only read, and anything that is no declared failure is a mistake."""
    with Stage(Ship) as stage:
        stage.start()
        with pytest.raises(Bug, match=complaint):
            stage.execution.validate("ship", raw({"tracking": tracking}), NOON)
        assert stage.execution.state()["tracking"] is None
        assert stage.execution.broken is None


def test_a_validator_of_an_actor_may_not_change_the_state() -> None:
    """Nor does its attempt stay."""
    stock = _stock()
    with pytest.raises(Bug, match="it set units"):
        stock.validate("take", raw({"units": 13}))
    assert stock.state() == {"units": 0}
    assert not stock.dirty


def test_a_validator_has_no_part_in_the_runs_time_and_random_numbers() -> None:
    """They are the same with and without it, as in a replay, which knows no validators."""
    drawn: list[Any] = []
    for judged in (True, False):
        with Stage(Ship) as stage:
            stage.start()
            if judged:
                with pytest.raises(Rejected):
                    stage.execution.validate("ship", raw({"tracking": "draw"}), NOON + 1000)
                assert stage.execution.program.loop.time() == NOON
            stage.command("ship", tracking="T-1")
            drawn.append(stage.execution.state()["drawn"])
    assert drawn[0] == drawn[1]


def _check() -> Any:
    def check(self: Any, tracking: str) -> None: ...

    return check


def _answering() -> Any:
    def check(self: Any, tracking: str) -> bool:
        return False

    return check


def _async_check() -> Any:
    async def check(self: Any, tracking: str) -> None: ...

    return check


def _other_check() -> Any:
    def check(self: Any, parcel: str) -> None: ...

    return check


def _workflow(**validators: Any) -> type[Workflow]:
    """Make a workflow with one command and these methods."""
    base: Any = Ship.ship

    class Made(Workflow):
        async def run(self) -> None: ...

        ship = base

    for name, method in validators.items():
        setattr(Made, name, method)
    return Made


@pytest.mark.parametrize(
    ("validators", "complaint"),
    [
        ({"check": validator(_other_check())(_check())}, "check validates check, which is no @command"),
        ({"check": validator(Ship.ship)(_async_check())}, "must not be async"),
        (
            {"check": validator(Ship.ship)(_other_check())},
            r"must take what ship takes: \(self, tracking\), not \(self, p",
        ),
        ({"a": validator(Ship.ship)(_check()), "b": validator(Ship.ship)(_check())}, "ship has two validators"),
    ],
)
def test_what_can_not_be_a_validator_is_said_at_registration(validators: dict[str, Any], complaint: str) -> None:
    """With the names of the class, the method and the command."""
    with pytest.raises(DefinitionError, match=complaint):
        App(actors=[_workflow(**validators)])


def test_what_a_validator_returns_means_nothing_and_is_refused() -> None:
    """Somebody who returns False expects a refusal."""
    with Stage(_workflow(check=validator(Ship.ship)(_answering()))) as stage:
        execution = stage.execution
        stage.start()
        with pytest.raises(Bug, match="returned False"):
            execution.validate("ship", raw({"tracking": "T-1"}), NOON)


def test_given_when_then_asks_the_validator() -> None:
    """As a node does."""
    scenario(Stock).when("take", 1).rejected("only 0 left").given(Added(5)).when("take", 1).then(Added(-1), answers=4)


def _stock() -> Entity:
    kind = App(actors=[Stock]).type("Stock")
    assert isinstance(kind, ActorType)
    return Entity(kind, "Stock/tea")
