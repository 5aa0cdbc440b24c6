from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from runtime.client.calls import Address, Given
from runtime.client.subject import Subject
from runtime.messages import ReplyWhen


class Commands(Subject):
    """Commands to an actor or a workflow, in all their forms; they differ in what the caller waits for."""

    async def send(
        self,
        type: Address,
        id: str,
        command: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float = 30.0,
        input: Any = None,
        **kwargs: Any,
    ) -> str:
        """Send a command without waiting for its answer; comes back when the broker has confirmed it.

        Returns:
            The command id.

        Raises:
            AnswerTimeout: the broker did not confirm in time; the command may be on its way all the same.
        """
        given = Given(type, id, args, kwargs, input, command_id, correlation_id)
        message = self._calls.send(given, command)
        await self._asker.tell(message, timeout)
        return message.command_id

    async def submit(
        self,
        type: Address,
        id: str,
        command: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float | None = 30.0,
        input: Any = None,
        **kwargs: Any,
    ) -> str:
        """Send a command and wait until it is accepted: recorded in the log, so that no loss of the broker undoes it.

        Its handler may still wait for something, or for its turn. How it ended `call` tells, with the same command id.

        Returns:
            The command id.

        Raises:
            CommandFailed: a validator refused it.
            CommandInvalid, NotFound, Conflict, AlreadyFinished, CommandTooOld, CommandQuarantined, InstanceStuck.
            AnswerTimeout: no answer in time; submit it again with the same command id to learn it.
        """
        given = Given(type, id, args, kwargs, input, command_id, correlation_id)
        message = self._calls.send(given, command, reply_when=ReplyWhen.ACCEPTED)
        await self._ask(message, timeout)
        return message.command_id

    async def call(
        self,
        type: Address,
        id: str,
        command: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float | None = 30.0,
        input: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Send a command and wait until it is done; gives what its handler returned.

        Raises:
            CommandFailed: the handler raised a declared failure (`Rejected` or another one; see `.type`).
            CommandInvalid, NotFound, Conflict, AlreadyFinished, CommandTooOld, CommandQuarantined, InstanceStuck.
            AnswerTimeout: no answer in time; call again with the same command id to learn it.
        """
        given = Given(type, id, args, kwargs, input, command_id, correlation_id)
        message = self._calls.send(given, command)
        return self._calls.value(await self._ask(message, timeout), type, "command", command)

    async def start_and_call(
        self,
        type: Address,
        id: str,
        start: Any,
        command: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float | None = 30.0,
        input: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Start a workflow unless it is there, give it a command, and wait until that is done: all in one message.

        A new instance begins with one commit that holds both: `run` goes first, until it waits, and then the command.
        If the command can't be taken, nothing is started. An instance that is there gets the command alone, whatever
        it was started with.

        `start` holds all arguments of `run` as one JSON-like value: a dict by name, or a list by position. The others are as
        in `call`.

        Raises:
            Like `call`. AlreadyFinished also when the run would end before it could take the command.
        """
        given = Given(type, id, args, kwargs, input, command_id, correlation_id)
        message = self._calls.send(given, command, start={} if start is None else start)
        return self._calls.value(await self._ask(message, timeout), type, "command", command)

    async def call_later(
        self,
        type: Address,
        id: str,
        command: str,
        *args: Any,
        after: float | timedelta | None = None,
        at: datetime | None = None,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float | None = 30.0,
        input: Any = None,
        **kwargs: Any,
    ) -> str:
        """Have a command given to an actor later; comes back when that is durable.

        It is handled as if it were sent at its time, never before, and once. A validator is asked then. If the actor
        can't take it then (a workflow that has ended), it is put aside with the reason: `perdure quarantine list`.

        `after` is in seconds (or a timedelta) from now by this machine's clock, `at` a time with a time zone: one of
        them. One that is past is handled at once. The others are as in `submit`.

        Returns:
            The command id: what it gave `call` tells, with the same command id, once it is due.

        Raises:
            Like `submit`. Conflict: the id was used for another command, or another time.
        """
        due_at = self._calls.due_at(after, at)
        given = Given(type, id, args, kwargs, input, command_id, correlation_id)
        message = self._calls.send(
            given, command,
            reply_when=ReplyWhen.ACCEPTED, due_at=due_at,
        )  # fmt: skip
        await self._ask(message, timeout)
        return message.command_id
