"""A caller that keeps a journal: it sends each command under an id of its own, and again under the same id while it does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from actors import Actor, RunCancelled, RunFailed, Workflow
from runtime.client import Client
from runtime.errors import AlreadyFinished, AnswerTimeout, CommandFailed, PerdureError
from runtime.transport.port import TransportError
from tests.faults.journal import Journal, Saw

PATIENCE = 6.0  # seconds for one call, before it is unknown
CANCELLED_SHARE = 0.04  # of the calls
_TURNS, _SECONDS = 25, 0.03  # a cancellation comes after so many turns of the loop, or so much time, at most


class Unknown(Exception):
    """It may or may not have been handled."""


class Customer:
    """Calls, and writes down what it saw."""

    def __init__(self, client: Client, journal: Journal, random: Random) -> None:
        self._client, self._journal, self._random = client, journal, random

    async def call(self, kind: type[Actor] | type[Workflow], id: str, name: str, *args: Any, command_id: str) -> Any:
        """Have a command handled; gives its answer, None when it was refused."""
        return await self._surely(
            f"{kind.type_name}/{id}",
            name,
            command_id,
            Saw.ANSWERED,
            lambda: self._client.call(kind, id, name, *args, command_id=command_id, timeout=PATIENCE),
        )

    async def send(self, kind: type[Actor], id: str, name: str, *args: Any, command_id: str) -> None:
        """Have a command accepted, without waiting for its answer."""
        await self._surely(
            f"{kind.type_name}/{id}",
            name,
            command_id,
            Saw.ACCEPTED,
            lambda: self._client.send(kind, id, name, *args, command_id=command_id, timeout=PATIENCE),
        )

    async def start(self, kind: type[Workflow], id: str, *args: Any) -> None:
        """Start a workflow. The answer says that this very request created it, however often it was sent."""
        stream = f"{kind.type_name}/{id}"
        created = await self._surely(
            stream,
            "start",
            f"start:{stream}",
            Saw.ANSWERED,
            lambda: self._client.start(kind, id, *args, command_id=f"start:{stream}", timeout=PATIENCE),
        )
        if not created:
            self._journal.write(Saw.ODD, f"start:{stream}", stream, "start", "the instance was there already")

    async def cancel(self, kind: type[Workflow], id: str, *, command_id: str) -> None:
        """Ask a workflow to cancel. One that has ended already was not asked: then nobody knows of an effect."""
        stream = f"{kind.type_name}/{id}"
        self._journal.write(Saw.SENT, command_id, stream, "cancel")
        while True:
            try:
                await self._perhaps_cancelled(
                    lambda: self._client.cancel(kind, id, command_id=command_id, timeout=PATIENCE), command_id
                )
            except (AnswerTimeout, TransportError, Unknown, AlreadyFinished) as error:
                self._journal.write(Saw.UNKNOWN, command_id, stream, "cancel", _told(error)[:200])
                if isinstance(error, AlreadyFinished):
                    return
            except PerdureError as error:
                self._journal.write(Saw.ODD, command_id, stream, "cancel", _told(error))
                return
            else:
                self._journal.write(Saw.ANSWERED, command_id, stream, "cancel")
                return

    async def result(
        self, kind: type[Workflow], id: str, *, sent_at: float, least: float, cancelled: bool = False
    ) -> None:
        """Wait for a workflow's end, and write down how long it took; also of one that may be `cancelled`, and then was."""
        stream = f"{kind.type_name}/{id}"
        loop = asyncio.get_running_loop()
        while True:
            try:
                result = await self._client.result(kind, id, timeout=30)
            except (AnswerTimeout, TransportError):
                continue
            except (PerdureError, RunFailed) as error:
                if cancelled and isinstance(error, RunCancelled):
                    self._journal.write(Saw.ENDED, "cancelled", stream, note=[loop.time() - sent_at, 0.0])
                    return
                self._journal.write(Saw.ODD, stream=stream, name="result", note=_told(error))
                return
            self._journal.write(Saw.ENDED, str(result)[:200], stream, note=[loop.time() - sent_at, least])
            return

    async def read(self, kind: type[Actor], id: str, acknowledged: int) -> None:
        """Ask an actor for its count after a write that was acknowledged with `acknowledged`."""
        try:
            view = await self._client.query(kind, id, "view", timeout=PATIENCE)
        except (AnswerTimeout, TransportError):
            return
        except PerdureError as error:
            self._journal.write(Saw.ODD, stream=f"{kind.type_name}/{id}", name="view", note=_told(error))
            return
        self._journal.write(Saw.READ, stream=f"{kind.type_name}/{id}", note=[acknowledged, view[1]])

    async def poison(self, type: str, id: str, name: str, memo: str, command_id: str) -> None:
        """Have a message accepted that no handler can take; nobody waits for its answer."""
        try:
            await self._client.send(type, id, name, input={"memo": memo}, command_id=command_id, timeout=PATIENCE)
        except (AnswerTimeout, TransportError):
            self._journal.write(Saw.UNKNOWN, command_id, f"{type}/{id}", "poison")
        else:
            self._journal.write(Saw.POISON, command_id, f"{type}/{id}", name)

    async def _surely(
        self, stream: str, name: str, command_id: str, good: Saw, attempt: Callable[[], Awaitable[Any]]
    ) -> Any:
        self._journal.write(Saw.SENT, command_id, stream, name)
        while True:
            try:
                answer = await self._perhaps_cancelled(attempt, command_id)
            except (AnswerTimeout, TransportError, Unknown) as error:
                self._journal.write(Saw.UNKNOWN, command_id, stream, name, _told(error)[:200])
                continue
            except CommandFailed as error:
                self._journal.write(Saw.REFUSED, command_id, stream, name, _told(error))
                return None
            except PerdureError as error:
                self._journal.write(Saw.ODD, command_id, stream, name, _told(error))
                return None
            self._journal.write(good, command_id, stream, name)
            return answer

    async def _perhaps_cancelled(self, attempt: Callable[[], Awaitable[Any]], command_id: str) -> Any:
        if self._random.random() >= CANCELLED_SHARE:
            return await attempt()
        calling = asyncio.ensure_future(attempt())
        try:
            if self._random.random() < 0.5:
                for _ in range(self._random.randrange(_TURNS)):
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(self._random.random() * _SECONDS)
        finally:
            calling.cancel()
        await asyncio.wait([calling])
        if not calling.cancelled():
            return calling.result()
        self._journal.write(Saw.CANCELLED, command_id)
        raise Unknown("the call was cancelled")


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
