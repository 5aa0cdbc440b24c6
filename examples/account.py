"""An account: an actor that refuses to be overdrawn.

perdure dev examples.account:app
perdure send Account/alice deposit --input '{"amount": "100.00"}'
perdure send Account/alice withdraw --input '{"amount": "250.00"}'      # refused
perdure query Account/alice balance
perdure replay Account/alice
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from actors import Actor, App, Rejected, command, event, query


class AccountState(Struct):
    balance: Decimal = Decimal(0)
    movements: int = 0


class Deposited(Struct):
    amount: Decimal


class Withdrawn(Struct):
    amount: Decimal


class Account(Actor):
    """Commands decide; events are the only place where the state changes."""

    state: AccountState

    @command
    def deposit(self, amount: Decimal) -> Decimal:
        if amount <= 0:
            raise Rejected("a deposit is above 0")
        self.emit(Deposited(amount))
        return self.state.balance

    @command
    def withdraw(self, amount: Decimal) -> Decimal:
        if amount > self.state.balance:
            raise Rejected(f"{amount} is more than the balance of {self.state.balance}")
        self.emit(Withdrawn(amount))
        return self.state.balance

    @query
    def balance(self) -> Decimal:
        return self.state.balance

    @event
    def deposited(self, e: Deposited) -> None:
        self.state.balance += e.amount
        self.state.movements += 1

    @event
    def withdrawn(self, e: Withdrawn) -> None:
        self.state.balance -= e.amount
        self.state.movements += 1


app = App(actors=[Account])
