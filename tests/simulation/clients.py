"""The clients of a plot: each asks until it has an answer, and writes down what it was told and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from runtime import Client
from runtime.errors import AlreadyFinished, AnswerTimeout, CommandFailed, CommandQuarantined, NotFound
from tests.simulation.installation import Installation
from tests.simulation.plot import Wish
from tests.simulation.weather import Fault

PATIENCE = 30.0
SOON = 100.0
NO = (CommandFailed, AlreadyFinished, CommandQuarantined)


class Told(Struct):
    """What a client was told: an answer, or an error's name; for a command that was only sent, None."""

    wish: Wish
    asked_at: float
    told_at: float
    answer: Any
    refused: str = ""


class Clients:
    """See the module's docstring. `told` and `results` are what a verdict goes by."""

    def __init__(self, installation: Installation, clients: list[Client]) -> None:
        self._in, self._clients = installation, clients
        self.told: list[Told] = []
        self.created: dict[str, list[bool]] = {}
        self.results: dict[str, list[Any]] = {}

    async def run(self) -> None:
        """Have every wish fulfilled."""
        async with asyncio.TaskGroup() as group:
            for account, cents in self._in.plot.opening.items():
                if cents:
                    wish = Wish(0.0, 0, "move", account, f"open {account}", amount=cents)
                    group.create_task(self._fulfil(wish, 0))
            for wish in self._in.plot.wishes:
                for asking in range(2 if wish.twice else 1):
                    group.create_task(self._fulfil(wish, asking))

    async def _fulfil(self, wish: Wish, asking: int) -> None:
        await asyncio.sleep(wish.at)
        client = self._clients[(wish.client + asking) % len(self._clients)]
        if wish.kind in {"start", "transfer"}:
            await self._start(client, wish, asking)
            return
        asked_at = self._in.elapsed
        try:
            answer, refused = await self._ask(self._act(client, wish)), ""
        except NO as error:
            answer, refused = None, error.type or type(error).__name__
        self.told.append(Told(wish, asked_at, self._in.elapsed, answer, refused))
        if wish.kind == "move" and not refused:
            seen = await self._ask(lambda timeout: client.query("Account", wish.id, "balance", timeout=timeout))
            assert seen[0] >= answer[0], f"{wish.id}: read {seen}, older than the own write {answer}"

    async def _start(self, client: Client, wish: Wish, asking: int) -> None:
        source, _, target = wish.target.partition(" ")
        type_, input = "Transfer", {"source": source, "target": target, "amount": wish.amount}
        if wish.kind == "start":
            type_, input = "Flow", {"deeds": wish.deeds}
        command_id = f"{wish.command_id} {asking}"
        created = await self._ask(
            lambda timeout: client.start(type_, wish.id, command_id=command_id, timeout=timeout, input=input)
        )
        if wish.quiet:
            # Looked up in the log: a question would wake it.
            await self._in.until(lambda: self._ended(f"{type_}/{wish.id}"), seconds=SOON, every=0.25, what="it ends")
        result = await self._ask(lambda timeout: client.result(type_, wish.id, timeout=timeout))
        self.created.setdefault(wish.id, []).append(created)
        self.results.setdefault(wish.id, []).append(result)

    def _ended(self, stream: str) -> bool:
        row = self._in.store.log.streams[stream].execution
        return row is not None and row.closed_at is not None

    def _act(self, client: Client, wish: Wish) -> Callable[[float], Awaitable[Any]]:
        # By name: to analyse a class, as a client does that is given one, takes longer than most seeds.
        id = wish.command_id
        command: tuple[str, str, str] = ("Account", wish.id, "move")
        input: dict[str, Any] = {"amount": wish.amount}
        if wish.kind == "poke":
            command, input = ("Flow", wish.id, "poke"), {"who": id, "seconds": wish.seconds}

        async def act(timeout: float) -> Any:
            if wish.kind == "told":
                await client.send(*command, command_id=id, timeout=timeout, input=input)
                return None
            return await client.call(*command, command_id=id, timeout=timeout, input=input)

        return act

    async def _ask(self, act: Callable[[float], Awaitable[Any]]) -> Any:
        """Ask with one id until there is an answer; no answer in time means nothing."""
        weather = self._in.weather
        while True:
            gives_up = weather.strikes(Fault.CALLER_GAVE_UP)
            try:
                return await act(weather.chance.uniform(0.001, 0.5) if gives_up else PATIENCE)
            except (AnswerTimeout, NotFound):  # not there yet: another client starts it
                await asyncio.sleep(0.2)
