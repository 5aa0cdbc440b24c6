"""Money whose every movement has a name, so that it can be undone; and the book in which all vaults write."""

from __future__ import annotations

from msgspec import Struct

from actors import Actor, Rejected, command, event, query


class Noted(Struct):
    who: str
    number: int


class Page(Struct):
    lines: list[str] = []


class Book(Actor):
    state: Page

    @command
    def note(self, who: str, number: int) -> None:
        self.emit(Noted(who, number))

    @event
    def noted(self, noted: Noted) -> None:
        self.state.lines.append(f"{noted.who} {noted.number}")

    @query
    def lines(self) -> list[str]:
        return self.state.lines


class Put(Struct):
    amount: int
    ref: str = ""


class Contents(Struct):
    cents: int = 0
    moves: int = 0
    refs: dict[str, int] = {}  # what was put in or taken out, and not undone


class Vault(Actor):
    state: Contents

    @command
    def put(self, amount: int, ref: str = "") -> list[int]:
        if self.state.cents + amount < 0:
            raise Rejected("insufficient funds")
        self.emit(Put(amount, ref))
        self.tell(Book, "b").note(self.id, self.state.moves)
        return [self.state.moves, self.state.cents]

    @command
    def undo(self, ref: str) -> bool:
        """Undo what was done under a name; no matter whether it was done at all."""
        if ref not in self.state.refs:
            return False
        self.emit(Put(-self.state.refs[ref], ref))
        self.tell(Book, "b").note(self.id, self.state.moves)
        return True

    @event
    def was_put(self, put: Put) -> None:
        self.state.cents += put.amount
        self.state.moves += 1
        if put.ref and self.state.refs.pop(put.ref, None) is None:
            self.state.refs[put.ref] = put.amount

    @query
    def contents(self) -> list[int]:
        return [self.state.moves, self.state.cents]
