"""An actor whose commands wait: one is served after the other."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from actors import Actor, CallFailed, Rejected, Snapshots, command, event, query
from tests.simulation.deed import Deed
from tests.simulation.tasks import note, work
from tests.simulation.vault import Vault


class Opened(Struct):
    who: str


class Closed(Struct):
    who: str


class Served(Struct):
    open: str = ""
    served: list[str] = []


class Desk(Actor):
    state: Served
    snapshots = Snapshots(every_events=2, least_share=0)

    @command
    async def serve(self, who: str, deeds: list[Deed], refused: bool) -> int:
        self._open(who)
        for deed in deeds:
            await self._do(deed)
        self.emit(Closed(who))
        if refused:
            raise Rejected("not here")  # what was emitted stays
        return len(self.state.served)

    @command
    def pass_by(self, who: str) -> int:
        self._open(who)
        self.emit(Closed(who))
        return len(self.state.served)

    def _open(self, who: str) -> None:
        if self.state.open:
            raise AssertionError(f"{who} is served beside {self.state.open}")  # it will be stuck, and so found
        self.emit(Opened(who))

    async def _do(self, deed: Deed) -> None:
        match deed.do:
            case "note":
                await note(deed.fails, deed.seconds)
            case "work":
                await work(deed.fails, deed.seconds)
            case "tell":
                self.tell(Vault, deed.id).put(deed.count)
            case "call":
                try:
                    await self.actor(Vault, deed.id).put(deed.count)
                except CallFailed:
                    self.tell(Vault, deed.id).put(1)
            case _:
                await asyncio.sleep(deed.seconds)

    @event
    def opened(self, opened: Opened) -> None:
        self.state.open = opened.who

    @event
    def closed(self, closed: Closed) -> None:
        self.state.open = ""
        self.state.served.append(closed.who)

    @query
    def served(self) -> list[str]:
        return self.state.served
