"""The clients of a plot: each asks until it has an answer, and writes down what it was told and when."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from actors import RunFailed
from runtime import Client
from runtime.errors import (
    AnswerTimeout,
    CommandError,
    CommandInvalid,
    CommandTooOld,
    Conflict,
    InstanceStuck,
    NotFound,
)
from runtime.messages import Delete
from tests.simulation.installation import Installation
from tests.simulation.weather import Fault
from tests.simulation.wish import Wish
from tests.simulation.world import EPOCH

PATIENCE = 30.0
SOON = 100.0
NEVER = (CommandInvalid, Conflict, CommandTooOld)  # no client of a plot gives reason for these


COMMANDS: dict[str, tuple[str, Callable[[Wish], dict[str, Any]]]] = {
    "move": ("Account move", lambda wish: {"amount": wish.amount}),
    "put": ("Vault put", lambda wish: {"amount": wish.amount, "ref": ""}),
    "poke": (
        "Flow poke",
        lambda wish: {"who": wish.command_id, "seconds": 0.0 if wish.kind == "later" else wish.seconds},
    ),
    "listen": ("Flow listen", lambda _: {}),
    "serve": ("Desk serve", lambda wish: {"who": wish.command_id, "deeds": wish.deeds, "refused": wish.flag}),
    "pass by": ("Desk pass_by", lambda wish: {"who": wish.command_id}),
}


def due(wish: Wish) -> float:
    """Give the virtual time at which a command for later is to be handled."""
    return wish.at + wish.seconds


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
        self.results_again: dict[str, Any] = {}  # of those that were started once more

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
        except NEVER:
            raise
        except CommandError as error:
            answer, refused = None, error.type or type(error).__name__
        self.told.append(Told(wish, asked_at, self._in.elapsed, answer, refused))
        if wish.kind == "pause":
            await asyncio.sleep(wish.seconds)
            on = replace(wish, at=0.0, kind="resume", command_id=f"{wish.command_id} on")
            await self._fulfil(on, asking)
        if wish.kind == "move" and not refused:
            seen = await self._ask(lambda timeout: client.query("Account", wish.id, "balance", timeout=timeout))
            assert seen[0] >= answer[0], f"{wish.id}: read {seen}, older than the own write {answer}"

    async def _start(self, client: Client, wish: Wish, asking: int) -> None:
        source, _, target = wish.target.partition(" ")
        type_, input = "Transfer", {"source": source, "target": target, "amount": wish.amount}
        if wish.kind == "start":
            type_, input = "Flow", {"deeds": wish.deeds}
        command_id = f"{wish.command_id} {asking}"
        run_timeout = wish.seconds or None
        created = await self._ask(
            lambda timeout: client.start(
                type_, wish.id, command_id=command_id, timeout=timeout, input=input, run_timeout=run_timeout
            )
        )
        if wish.quiet:
            # Looked up in the log: a question would wake it.
            await self._in.until(lambda: self._ended(f"{type_}/{wish.id}"), seconds=SOON, every=0.25, what="it ends")
        result = await self._result(client, type_, wish.id)
        self.created.setdefault(wish.id, []).append(created)
        self.results.setdefault(wish.id, []).append(result)
        if wish.again:
            command_id, input = f"again {wish.id}", {"deeds": wish.again}
            if wish.flag:
                await self._delete(client, wish.id)
            reuse = "attach" if wish.flag else "restart"
            assert await self._ask(
                lambda timeout: client.start(
                    type_, wish.id, command_id=command_id, timeout=timeout, input=input, reuse=reuse
                )
            ), f"{wish.id} was not started again"
            self.results_again[wish.id] = await self._result(client, type_, wish.id)

    async def _delete(self, client: Client, id: str) -> None:
        """Delete an instance that has ended: each request has an id of its own, and is repeated until it is answered."""
        for number in itertools.count(1):
            request = Delete(type="Flow", id=id, command_id=f"delete {id} {number}")
            reply = await self._ask(partial(client._asker.ask, request))
            if reply.error is None:
                return
            if reply.error.type != "StillWaiting":  # for a task of its own node
                raise AssertionError(f"{id} was not deleted: {reply.error}")
            await asyncio.sleep(0.2)

    async def _result(self, client: Client, type_: str, id: str) -> Any:
        try:
            return await self._ask(lambda timeout: client.result(type_, id, timeout=timeout))
        except RunFailed as ended:
            return type(ended).__name__

    def _ended(self, stream: str) -> bool:
        row = self._in.store.log.streams[stream].execution
        return row is not None and row.closed_at is not None

    def _act(self, client: Client, wish: Wish) -> Callable[[float], Awaitable[Any]]:
        # By name: to analyse a class, as a client does that is given one, takes longer than most seeds.
        match wish.kind:
            case "told":
                return lambda timeout: self._send(client, wish, timeout)
            case "later":
                return lambda timeout: self._call_later(client, wish, timeout)
            case "cancel":
                return lambda timeout: client.cancel("Flow", wish.id, command_id=wish.command_id, timeout=timeout)
            case "pause":
                return lambda timeout: client.corrections.pause(
                    "Flow", wish.id, command_id=wish.command_id, timeout=timeout
                )
            case "resume":
                return lambda timeout: client.corrections.resume(
                    "Flow", wish.id, command_id=wish.command_id, timeout=timeout
                )
            case "terminate":
                return lambda timeout: client.terminate(
                    "Flow", wish.id, tree=wish.flag, command_id=wish.command_id, timeout=timeout
                )
            case "resolve":
                return lambda timeout: self._resolve(client, wish, timeout)
            case kind:
                command, input = COMMANDS[kind]
                type_, _, name = command.partition(" ")
                arguments = input(wish)
                return lambda timeout: client.call(
                    type_, wish.id, name, command_id=wish.command_id, timeout=timeout, input=arguments
                )

    async def _send(self, client: Client, wish: Wish, timeout: float) -> None:
        input = {"amount": wish.amount}
        await client.send("Account", wish.id, "move", command_id=wish.command_id, timeout=timeout, input=input)

    async def _call_later(self, client: Client, wish: Wish, timeout: float) -> None:
        command, input = COMMANDS[wish.target]
        type_, _, name = command.partition(" ")
        at, arguments = EPOCH + timedelta(seconds=due(wish)), input(wish)
        await client.call_later(
            type_, wish.id, name, at=at, command_id=wish.command_id, timeout=timeout, input=arguments
        )

    async def _resolve(self, client: Client, wish: Wish, timeout: float) -> Any:
        id, promise, command_id = wish.id, wish.target, wish.command_id
        if wish.flag:
            settled = await client.reject("Flow", id, promise, command_id, command_id=command_id, timeout=timeout)
        else:
            settled = await client.resolve("Flow", id, promise, wish.amount, command_id=command_id, timeout=timeout)
        return settled.resolved, settled.result if settled.error is None else settled.error.message

    async def _ask(self, act: Callable[[float], Awaitable[Any]]) -> Any:
        """Ask with one id until there is an answer; no answer in time means nothing."""
        weather = self._in.weather
        while True:
            gives_up = weather.strikes(Fault.CALLER_GAVE_UP)
            try:
                return await act(weather.chance.uniform(0.001, 0.5) if gives_up else PATIENCE)
            except (AnswerTimeout, NotFound, InstanceStuck):  # not there yet: another client starts it, or parked
                await asyncio.sleep(0.2)
            except CommandInvalid as error:
                if error.type != "UnknownName" or "rolling" not in self._in.plot.features:
                    raise
                await asyncio.sleep(0.2)
