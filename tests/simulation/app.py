"""What runs in the simulated installation: workflows that do what their input says, accounts, and transfers between them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from actors import Actor, App, Rejected, Snapshots, Workflow, command, event, query
from tests.simulation.desk import Desk
from tests.simulation.flow import Flow
from tests.simulation.tasks import give_back, item, move, note, refuse, take, work
from tests.simulation.vault import Book, Vault


class Moved(Struct):
    amount: int


class Balance(Struct):
    cents: int = 0
    moves: int = 0


class Account(Actor):
    state: Balance
    snapshots = Snapshots(every_events=2, least_share=0)

    @command
    def move(self, amount: int) -> tuple[int, int]:
        if self.state.cents + amount < 0:
            raise Rejected("insufficient funds")
        self.emit(Moved(amount))
        return self.state.moves, self.state.cents

    @event
    def moved(self, moved: Moved) -> None:
        self.state.cents += moved.amount
        self.state.moves += 1

    @query
    def balance(self) -> tuple[int, int]:
        return self.state.moves, self.state.cents


class Transfer(Workflow):
    """Moves money from one account to another, or not at all."""

    async def run(self, source: str, target: str, amount: int) -> bool:
        if not await move(source, -amount):
            return False
        await move(target, amount)
        return True


TASKS: list[Any] = [note, work, refuse, move, item, take, give_back]
APP = App(actors=[Flow, Account, Transfer, Vault, Book, Desk], tasks=TASKS)
FORMER = App(actors=[Account, Transfer, Vault, Book, Desk], tasks=TASKS)  # of the release before: it knows no flows
