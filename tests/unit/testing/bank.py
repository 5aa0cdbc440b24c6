"""An account, written well and in several ways badly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from msgspec import Struct

from actors import Actor, Failure, Rejected, Renamed, Upcast, command, event, query


class Balance(Struct):
    amount: Decimal = Decimal(0)
    movements: list[str] = []


class Deposited(Struct):
    amount: Decimal


class Withdrawn(Struct):
    amount: Decimal
    note: str = ""


class Frozen(Failure):
    """The account takes no commands."""


class Account(Actor):
    state: Balance

    @command
    def deposit(self, amount: Decimal) -> Decimal:
        self.emit(Deposited(amount))
        return self.state.amount

    @command
    def withdraw(self, amount: Decimal, note: str = "") -> Decimal:
        if note == "frozen":
            raise Frozen("ask the bank")
        self.emit(Withdrawn(amount, note))
        if self.state.amount < 0:  # after it has emitted: the events must go, too
            raise Rejected("insufficient funds")
        return self.state.amount

    @query
    def balance(self) -> Decimal:
        return self.state.amount

    @event
    def deposited(self, e: Deposited) -> None:
        self.state.amount += e.amount
        self.state.movements.append("in")

    @event
    def withdrawn(self, e: Withdrawn) -> None:
        self.state.amount -= e.amount
        self.state.movements.append("out")


class Careless(Account):
    """Planted: a command that changes the state by itself, one with a mistake, and a fold that is not one."""

    folds = 0

    @command
    def fee(self, amount: Decimal) -> None:
        self.state.amount -= amount

    @command
    def divide(self) -> float:
        return 1 / 0

    @command
    def touch(self) -> None:
        self.emit(Touched())

    @event
    def touched(self, e: Touched) -> None:
        Careless.folds += 1
        self.state.movements.append(str(Careless.folds))


class Touched(Struct):
    by: Any = None


class Unknown(Struct):
    pass


class Weighed(Struct):
    grams: int


class Weights(Struct):
    grams: int = 0


class Scales(Actor):
    """Its events have changed their form: kilograms became grams."""

    state: Weights
    upcasters: ClassVar = [Upcast(Weighed, 1, lambda old: {"grams": old["kg"] * 1000}), Renamed("Put", Weighed)]

    @command
    def weigh(self, grams: int) -> None:
        self.emit(Weighed(grams))

    @event
    def weighed(self, e: Weighed) -> None:
        self.state.grams += e.grams
