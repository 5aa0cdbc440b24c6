"""An app with a command that ends its node. Run as a program it is a node: `… deadly_app DATABASE BROKER`."""

from __future__ import annotations

import asyncio
import os
import sys

from msgspec import Struct

from actors import Actor, App, command, event, query
from runtime import Settings, run_node
from runtime.logs import configure


class Added(Struct):
    amount: int


class Sum(Struct):
    value: int = 0


class Counter(Actor):
    state: Sum

    @command
    def add(self, amount: int) -> int:
        if amount == 13:
            os._exit(13)
        self.emit(Added(amount))
        return self.state.value

    @event
    def added(self, added: Added) -> None:
        self.state.value += added.amount

    @query
    def total(self) -> int:
        return self.state.value


APP = App(actors=[Counter])

if __name__ == "__main__":
    configure("warning")
    asyncio.run(
        run_node(APP, Settings(database_url=sys.argv[1], broker_url=sys.argv[2], lease_ttl=1.0), asyncio.Event())
    )
