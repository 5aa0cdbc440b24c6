"""An actor's state is the fold of its events: what a command leaves behind is exactly what a replay makes."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from actors import (
    Actor,
    App,
    Bug,
    DefinitionError,
    InvalidArguments,
    Nondeterminism,
    Rejected,
    UnknownName,
    command,
    event,
    query,
)
from actors.definition import ActorType
from actors.entity import Entity
from actors.turn import Turn
from tests.unit.actors.stage import Recorded, raw


class Deposited(Struct):
    amount: Decimal
    tags: list[str] = []


class Withdrawn(Struct):
    amount: Decimal


class Audited(Struct):
    pass


class AccountState(Struct):
    balance: Decimal = Decimal(0)
    tags: list[str] = []


class Account(Actor):
    state: AccountState

    @command
    def deposit(self, amount: Decimal, tags: list[str] | None = None) -> Decimal:
        self.emit(Deposited(amount, tags or []))
        return self.state.balance

    @command
    def withdraw(self, amount: Decimal) -> Decimal:
        if amount > self.state.balance:
            raise Rejected("insufficient funds", {"balance": self.state.balance})
        self.emit(Withdrawn(amount))
        return self.state.balance

    @command
    def withdraw_hastily(self, amount: Decimal) -> None:
        self.emit(Withdrawn(amount))
        if self.state.balance < 0:
            raise Rejected("insufficient funds")

    @command
    def emit_anything(self, what: str) -> None:
        self.emit(Audited() if what == "audited" else object())

    @command
    def swallow(self) -> None:
        with contextlib.suppress(ValueError):
            self.emit(Withdrawn(Decimal(-1)))

    @command
    def emit_wrongly_typed(self) -> None:
        self.emit(Deposited("much"))  # type: ignore[arg-type]  # the mistake under test

    @command
    def mutate_after(self) -> None:
        deposited = Deposited(Decimal(1), ["a"])
        self.emit(deposited)
        deposited.tags.append("b")

    @command
    def wrong_result(self) -> int:
        self.emit(Deposited(Decimal(1)))
        return "one"  # type: ignore[return-value]  # the mistake under test

    @event
    def deposited(self, e: Deposited) -> None:
        self.state.balance += e.amount
        self.state.tags = e.tags or self.state.tags

    @event
    def withdrawn(self, e: Withdrawn) -> None:
        if e.amount < 0:
            raise ValueError("negative")
        self.state.balance -= e.amount

    @query
    def balance(self) -> Decimal:
        return self.state.balance

    @query
    def sneak(self) -> None:
        self.emit(Deposited(Decimal(1)))


def kind() -> ActorType:
    made = App(actors=[Account]).type("Account")
    assert isinstance(made, ActorType)
    return made


class Bank:
    """An entity, and the stream that a store would keep."""

    def __init__(self) -> None:
        self.entity = Entity(kind(), "Account/1")
        self.stream: list[Recorded] = []

    def __call__(self, name: str, **input: Any) -> Turn:
        turn = self.entity.command("c", name, raw(input))
        for record in turn.events:
            self.stream.append(Recorded(len(self.stream) + 1, record.type, record.data, datetime.now(UTC)))
        return turn

    def replayed(self) -> Entity:
        entity = Entity(kind(), "Account/1")
        entity.replay(self.stream)
        return entity


def test_a_command_emits_and_answers() -> None:
    """One event, one answer, the next version."""
    bank = Bank()
    turn = bank("deposit", amount="10")
    assert ([(e.type, e.data) for e in turn.events], bytes(turn.answers[0].outcome.result or b""), bank.entity.version) == (
        [("Deposited", b'{"amount":"10","tags":[]}')], b'"10"', 1,
    )  # fmt: skip


def test_a_replay_gives_the_live_state() -> None:
    """And the live version."""
    bank = Bank()
    bank("deposit", amount="10", tags=["x"])
    bank("withdraw", amount="2.50")
    again = bank.replayed()
    assert (again.state(), again.version) == (bank.entity.state(), 2)
    assert bank.entity.state() == {"balance": "7.50", "tags": ["x"]}


def test_a_refused_command_leaves_no_event() -> None:
    """Its failure is the answer, and the activation is clean."""
    bank = Bank()
    turn = bank("withdraw", amount="1")
    error = turn.answers[0].outcome.error
    assert error is not None
    assert (turn.events, error.type, error.details_value(), bank.entity.dirty, bank.entity.version) == (
        [], "Rejected", {"balance": "0"}, False, 0,
    )  # fmt: skip


def test_a_refusal_after_an_event_makes_the_activation_dirty() -> None:
    """The event was applied in memory and is not recorded: the activation must be rebuilt."""
    bank = Bank()
    turn = bank("withdraw_hastily", amount="1")
    assert (turn.events, bank.entity.dirty, bank.entity.version) == ([], True, 0)


def test_an_event_without_its_method_is_refused() -> None:
    """The message says what to write."""
    for what in ("audited", "object"):
        with pytest.raises(Bug, match="no @event method for"):
            Bank()("emit_anything", what=what)


def test_a_mistake_in_an_event_method_fails_the_command() -> None:
    """Even when the command catches it: replay would not, and the stream could never be loaded again."""
    bank = Bank()
    with pytest.raises(Bug, match="ValueError: negative"):
        bank("swallow")
    assert (bank.entity.dirty, bank.stream) == (True, [])


def test_an_event_that_replay_could_not_read_is_never_recorded() -> None:
    """Structs do not check their fields when they are made."""
    bank = Bank()
    with pytest.raises(Bug, match="PayloadRefused"):
        bank("emit_wrongly_typed")
    assert bank.stream == []


def test_what_is_applied_is_what_is_recorded() -> None:
    """The command's own object may change after it was emitted."""
    bank = Bank()
    bank("mutate_after")
    assert bank.entity.state()["tags"] == bank.replayed().state()["tags"] == ["a"]


def test_an_event_method_may_not_emit() -> None:
    """Replay would emit it a second time."""

    class Echo(Account, name="Account"):
        @event
        def deposited(self, e: Deposited) -> None:
            self.emit(Withdrawn(e.amount))

    made = App(actors=[Echo]).type("Account")
    assert isinstance(made, ActorType)
    with pytest.raises(Bug, match="emit belongs into a @command"):
        Entity(made, "Account/1").command("c", "deposit", raw({"amount": "1"}))


def test_a_wrong_result_is_a_mistake_and_leaves_the_activation_dirty() -> None:
    """The event was applied already."""
    bank = Bank()
    with pytest.raises(Bug, match="returned what its annotation does not allow"):
        bank("wrong_result")
    assert (bank.entity.dirty, bank.entity.version) == (True, 0)


def test_a_query_reads_and_may_not_emit() -> None:
    """Queries leave no trace."""
    bank = Bank()
    bank("deposit", amount="10")
    assert bank.entity.query("balance", raw({})) == b'"10"'
    with pytest.raises(Bug, match="emit belongs into a @command"):
        bank.entity.query("sneak", raw({}))


def test_wrong_names_and_arguments_are_refused() -> None:
    """Before anything runs."""
    bank = Bank()
    with pytest.raises(UnknownName, match="no command 'steal'"):
        bank("steal")
    with pytest.raises(InvalidArguments):
        bank("deposit", amount="much")
    with pytest.raises(UnknownName, match="no query"):
        bank.entity.query("nothing", raw({}))


def test_an_unknown_event_type_stops_the_replay() -> None:
    """Skipping it would make another state; the message names version and type."""
    bank = Bank()
    bank("deposit", amount="10")
    bank.stream.append(Recorded(2, "Closed", b"{}", datetime.now(UTC)))
    with pytest.raises(Nondeterminism, match=r"Account/1: at version 2 .* type Closed.*Deposited, Withdrawn"):
        bank.replayed()


@pytest.mark.parametrize("data", [b'{"amount":"-1"}', b'{"amount":[]}', b"{"])
def test_an_event_that_cant_be_applied_stops_the_replay(data: bytes) -> None:
    """With its version and the reason."""
    bank = Bank()
    bank.stream.append(Recorded(1, "Withdrawn", data, datetime.now(UTC)))
    with pytest.raises(Bug, match="event Withdrawn at version 1"):
        bank.replayed()


def test_stepping_hands_out_each_event_after_it_was_applied() -> None:
    """For looking at the state in between."""
    bank = Bank()
    bank("deposit", amount="10")
    bank("withdraw", amount="4")
    entity = Entity(kind(), "Account/1")
    seen = [
        (type(applied).__name__, entity.version, entity.state()["balance"]) for applied in entity.steps(bank.stream)
    ]
    assert seen == [("Deposited", 1, "10"), ("Withdrawn", 2, "6")]


def test_unknown_fields_of_an_event_are_read_over() -> None:
    """A newer writer may have added one."""
    assert msgspec.json.decode(b'{"amount":"1","new":1}', type=Deposited).amount == 1
    bank = Bank()
    bank.stream.append(Recorded(1, "Deposited", b'{"amount":"1","new":1}', datetime.now(UTC)))
    assert bank.replayed().state()["balance"] == "1"


def test_an_event_of_a_subclass_is_not_its_base() -> None:
    """The exact class is the type in the log."""

    class Special(Deposited):
        pass

    class Sneaky(Account, name="Account"):
        @command
        def go(self) -> None:
            self.emit(Special(Decimal(1)))

    made = App(actors=[Sneaky]).type("Account")
    assert isinstance(made, ActorType)
    with pytest.raises(Bug, match="no @event method for Special"):
        Entity(made, "Account/1").command("c", "go", raw({}))
    assert issubclass(DefinitionError, Exception)
