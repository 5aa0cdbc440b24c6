"""An application for publishers to talk to: one workflow and one actor."""

from __future__ import annotations

from msgspec import Struct

from actors import Actor, App, Rejected, Workflow, command, event, query


class Greeting(Workflow):
    def __init__(self) -> None:
        self.signer: str | None = None

    async def run(self, name: str) -> str:
        if name == "nobody":
            raise Rejected("nobody is there", details={"name": name})
        await self.until(lambda: self.signer)
        return f"hello {name}, {self.signer}"

    @command
    def sign(self, by: str) -> str:
        if by == "a bug":
            raise RuntimeError("a bug")
        if self.signer is not None:
            raise Rejected(f"signed by {self.signer}")
        self.signer = by
        return f"signed by {by}"

    @query
    def signed_by(self) -> str | None:
        return self.signer


class Counted(Struct):
    n: int


class Total(Struct):
    n: int = 0


class Counter(Actor):
    state: Total

    @command
    def add(self, n: int) -> int:
        if n == 13:
            raise RuntimeError("a bug")
        self.emit(Counted(n))
        return self.state.n

    @event
    def counted(self, counted: Counted) -> None:
        self.state.n += counted.n

    @query
    def total(self) -> int:
        return self.state.n


app = App(actors=[Greeting, Counter])
