from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from actors.codec import decode_any
from actors.errors import InvalidInput
from eventstore import OutboxMessage
from runtime.client.answers import decode_command_cancelled
from runtime.client.calls import Address, type_name
from runtime.client.subject import Subject
from runtime.errors import CommandInvalid
from runtime.hosting.delayed import rows_under
from runtime.messages import Send, decode_inbound
from runtime.routing import partition_of

_MORE = 1000  # rows that are read beyond those asked for: of other instances whose names go on where this one's ends, with an @


class DelayedCommand(Struct, frozen=True):
    """A command that waits until it is due. `input` holds its arguments, by name or by position."""

    type: str
    id: str
    command_id: str
    command: str
    due_at: datetime
    input: Any
    correlation_id: str | None = None

    @property
    def stream(self) -> str:
        """The actor that it is for."""
        return f"{self.type}/{self.id}"


class Delayed(Subject):
    """Commands that were accepted for later, and wait: what `call_later` has left."""

    async def list(
        self, type: Address | None = None, id: str | None = None, *, limit: int = 100
    ) -> list[DelayedCommand]:
        """List them, the soonest first. One that is due is listed until it was handled.

        Args:
            type: only those for actors of this type.
            id: only those for this one; `type` has to be given, too.
            limit: at most so many.

        Raises:
            CommandInvalid: an id without a type.
            ConfigurationError: the client has no database.
        """
        if id is not None and type is None:
            raise CommandInvalid("an id needs its type", "InvalidInput")
        store = self._opened_store("list delayed commands")
        name = None if type is None else type_name(type)
        stream = None if name is None or id is None else f"{name}/{id}"
        prefix = rows_under("") + (f"{name}/" if name is not None else "") if stream is None else rows_under(stream)
        partitions = range(store.partitions) if stream is None else [partition_of(stream, store.partitions)]
        rows = [
            row
            for each in partitions
            for row in await store.outbox_named(each, prefix, limit=limit + (_MORE if stream is not None else 0))
        ]
        waiting = [command for row in rows if (command := _read(row)) is not None]
        chosen = [command for command in waiting if stream is None or command.stream == stream]
        return sorted(chosen, key=lambda each: (each.due_at, each.stream, each.command_id))[:limit]

    async def cancel(self, type: Address, id: str, command_id: str, *, timeout: float = 30.0) -> bool:
        """Cancel a command that waits. Then it is never handled, and every repetition of it hears `CommandCancelled`.

        It may be asked again at any time, and gets the same answer.

        Returns:
            True when it is cancelled, False when it was handled before.

        Raises:
            NotFound: the actor has no such command, or has had it too long ago to remember.
            InstanceStuck: nobody can tell until the code is mended.
            AnswerTimeout: no answer in time; ask again to learn it.
        """
        message = self._calls.cancel_command(type, id, command_id)
        return decode_command_cancelled(await self._ask(message, timeout)).cancelled


def _read(row: OutboxMessage) -> DelayedCommand | None:
    try:
        message = decode_inbound(row.body)
    except InvalidInput:
        return None  # a newer release's
    if not isinstance(message, Send) or message.due_at is None:
        return None
    return DelayedCommand(
        message.type, message.id, message.command_id, message.name, message.due_at, decode_any(message.input), message.correlation_id
    )  # fmt: skip
