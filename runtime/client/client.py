"""The client: publishes commands and queries, and waits for their answers without polling."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from actors import Failure, RunCancelled, RunFailed, RunTerminated, RunTimedOut
from actors.failures import error_info
from actors.journal import ErrorInfo
from eventstore import EventStore, ListedExecution
from runtime.client.answers import (
    Resolution,
    decode_created,
    decode_requested,
    decode_resolution,
    decode_terminated,
    result_of,
)
from runtime.client.asking import Asker
from runtime.client.calls import Address, Calls, type_name
from runtime.client.command_ids import command_ids
from runtime.conditions import conditions
from runtime.errors import ConfigurationError
from runtime.messages import Inbound, Reply, ReplyWhen, Status
from runtime.transport.port import Transport

_FAILED = {
    Status.FAILED: RunFailed, Status.CANCELLED: RunCancelled, Status.TERMINATED: RunTerminated,
    Status.TIMED_OUT: RunTimedOut,
}  # fmt: skip


class Client:
    """Talks to actors. Use it as an async context manager, or `open` and `close` it.

    Actors are named by class or by type name. With a class, arguments are checked here, before anything is sent, and
    results come back as the annotated type; with a name, arguments are given by keyword and results are builtin
    values. `command_id` is the idempotency key: repeating a call with the same one changes nothing twice and gives the
    first answer. Without one a fresh one is made.

    Args:
        transport: the broker, not opened yet.
        partitions: how many partitions the store has; None: every message goes by way of the ingress.
        store: for `list`, already opened; None where there is no database at hand.
    """

    def __init__(
        self,
        transport: Transport,
        partitions: int | None = None,
        store: EventStore | None = None,
        *,
        new_id: Callable[[], str] | None = None,
        now: Callable[[], datetime] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport, self._store = transport, store
        self._calls = Calls(new_id or command_ids(), now)
        self._asker = Asker(transport, partitions, jitter)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and make the reply queue. Raises `TransportError`."""
        await self._transport.open()
        await self._asker.open()

    async def close(self) -> None:
        """Close everything; safe to call twice."""
        await self._asker.close()
        await self._transport.close()

    # -- commands -----------------------------------------------------------------------------------------------

    async def start(
        self,
        type: Address,
        id: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float = 30.0,
        input: Any = None,
        search_attributes: Mapping[str, Any] | None = None,
        memo: Any = None,
        run_timeout: float | None = None,
        reuse: str = "attach",
        **kwargs: Any,
    ) -> bool:
        """Start a workflow; comes back when its start is durable.

        The id is the idempotency key: a second start with the same input attaches to the instance that is there.

        Args:
            type: workflow class or type name.
            id: the instance's id.
            args: arguments of `run`; by position only where a class is given.
            command_id: identifies this very request; repeating it says True again.
            correlation_id: names the business flow; kept with every event. Default: the command id, or the stream name without one.
            timeout: seconds to wait for the answer.
            input: all arguments as one JSON-like value, instead of args and kwargs.
            search_attributes: what `list` finds it by: text, numbers, bools and times by name; `run` may set others.
            memo: anything JSON-like, noted in the history for people.
            run_timeout: seconds after which the instance is ended, unless it has ended by then; None: its class's, if it has one.
            reuse: what to do when the id's instance has ended: "attach" to it and its result, "refuse" (`AlreadyFinished`), or
                "restart" it: a new run begins in its stream.
            kwargs: arguments of `run`.

        Returns:
            True when this request created the instance, False when it was there.

        Raises:
            CommandInvalid: unknown type, or arguments that do not fit.
            Conflict: the id was used before with other input.
            AnswerTimeout: no answer in time.
        """
        message = self._calls.start(
            type,
            id,
            args,
            kwargs,
            input,
            command_id,
            correlation_id,
            ReplyWhen.ACCEPTED,
            search_attributes,
            memo,
            run_timeout,
            reuse,
        )
        return decode_created(result_of(await self._asker.ask(message, timeout))).created

    async def execute(
        self,
        type: Address,
        id: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float | None = None,
        input: Any = None,
        search_attributes: Mapping[str, Any] | None = None,
        memo: Any = None,
        run_timeout: float | None = None,
        reuse: str = "attach",
        **kwargs: Any,
    ) -> Any:
        """Start a workflow and wait for its result: one message there, one back. Raises like `start` and `result`."""
        message = self._calls.start(
            type,
            id,
            args,
            kwargs,
            input,
            command_id,
            correlation_id,
            ReplyWhen.COMPLETED,
            search_attributes,
            memo,
            run_timeout,
            reuse,
        )
        return self._result(type, message, await self._asker.ask(message, timeout))

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
        message = self._calls.send(type, id, command, args, kwargs, input, command_id, correlation_id)
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
        message = self._calls.send(
            type, id, command, args, kwargs, input, command_id, correlation_id, reply_when=ReplyWhen.ACCEPTED
        )
        result_of(await self._asker.ask(message, timeout))
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
        message = self._calls.send(type, id, command, args, kwargs, input, command_id, correlation_id)
        reply = await self._asker.ask(message, timeout)
        return self._calls.value(result_of(reply), type, "command", command)

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
        message = self._calls.send(
            type, id, command, args, kwargs, input, command_id, correlation_id, start={} if start is None else start
        )
        return self._calls.value(result_of(await self._asker.ask(message, timeout)), type, "command", command)

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
        message = self._calls.send(
            type, id, command, args, kwargs, input, command_id, correlation_id,
            reply_when=ReplyWhen.ACCEPTED, due_at=due_at,
        )  # fmt: skip
        result_of(await self._asker.ask(message, timeout))
        return message.command_id

    async def resolve(
        self, type: Address, id: str, promise: str, value: Any = None, *, command_id: str | None = None,
        timeout: float = 30.0,
    ) -> Resolution:  # fmt: skip
        """Give a workflow the value of a promise; comes back when that is durable. The first one wins.

        Args:
            type: workflow class or type name.
            id: the instance's id.
            promise: its name, as the workflow's code awaits it, now or later.
            value: anything that JSON can hold.
            command_id: identifies this very request: repeating it gives the first answer.
            timeout: seconds to wait for the answer.

        Returns:
            `resolved`: whether it was this request that settled it. If not, `result` or `error` says what did.

        Raises:
            CommandInvalid: the value does not fit what the code waits for.
            NotFound: there is no such workflow instance.
            AlreadyFinished: the run has ended, and nobody had settled the promise.
            AnswerTimeout: no answer in time.
        """
        message = self._calls.resolve(type, id, promise, value, None, command_id)
        return decode_resolution(result_of(await self._asker.ask(message, timeout)))

    async def reject(
        self, type: Address, id: str, promise: str, message: str, *, error: str = "Rejected", details: Any = None,
        command_id: str | None = None, timeout: float = 30.0,
    ) -> Resolution:  # fmt: skip
        """Settle a promise with a failure: who awaits it gets a `PromiseFailed` with this message, details and `error` as its type.

        Otherwise like `resolve`.
        """
        info = error_info(Failure(message, details))
        info = ErrorInfo(error, info.message, info.details)
        content = self._calls.resolve(type, id, promise, None, info, command_id)
        return decode_resolution(result_of(await self._asker.ask(content, timeout)))

    async def query(
        self, type: Address, id: str, name: str, *args: Any, timeout: float = 30.0, input: Any = None, **kwargs: Any
    ) -> Any:
        """Ask a query; it changes nothing.

        Raises:
            CommandInvalid: unknown type or query, or arguments that do not fit.
            NotFound: there is no such workflow instance.
            CommandFailed: the query raised.
            AnswerTimeout: no answer in time.
        """
        content = self._calls.ask(type, id, name, args, kwargs, input)
        return self._calls.value(result_of(await self._asker.ask(content, timeout)), type, "query", name)

    async def result(self, type: Address, id: str, *, timeout: float | None = None) -> Any:
        """Wait for a workflow's result, for ever if need be.

        Raises:
            RunFailed: the run ended with a declared failure; `.type` names it.
            RunCancelled, RunTerminated, RunTimedOut: it ended by that; each is a RunFailed.
            NotFound: there is no such instance.
            AnswerTimeout: no result in time.
        """
        message = self._calls.await_result(type, id)
        return self._result(type, message, await self._asker.ask(message, timeout))

    async def cancel(
        self, type: Address, id: str, reason: str = "", *, command_id: str | None = None, timeout: float = 30.0
    ) -> bool:
        """Ask a workflow to cancel: asyncio's cancellation reaches its `run`, whose clean-up may take its time.

        It comes back when the request is durable; `result` tells how the run ended. A run is asked once: further
        requests change nothing. One that does not listen can be terminated.

        Returns:
            True when it was this request that asked, False when another one had asked before.

        Raises:
            NotFound: there is no such workflow instance.
            AlreadyFinished: the run has ended.
            InstanceStuck: the request is kept until the instance goes on.
            AnswerTimeout: no answer in time.
        """
        message = self._calls.cancel(type, id, reason, command_id)
        return decode_requested(result_of(await self._asker.ask(message, timeout))).requested

    async def terminate(
        self,
        type: Address,
        id: str,
        reason: str = "",
        *,
        tree: bool = False,
        command_id: str | None = None,
        timeout: float = 30.0,
    ) -> bool:
        """End a workflow at once, without running its code: no clean-up. Also one that is stuck.

        Args:
            type: workflow class or type name.
            id: the instance's id.
            reason: for people; kept in the history.
            tree: terminate its children and theirs, too, but for those that are to outlive their parents.
            command_id: identifies this very request.
            timeout: seconds to wait for the answer.

        Returns:
            True when it was this request that ended it, False when another one had terminated it before.

        Raises:
            NotFound: there is no such workflow instance.
            AlreadyFinished: the run has ended in another way.
            AnswerTimeout: no answer in time.
        """
        message = self._calls.terminate(type, id, reason, command_id, tree=tree)
        return decode_terminated(result_of(await self._asker.ask(message, timeout))).terminated

    async def fork(
        self,
        type: Address,
        source: str,
        id: str,
        *,
        at: int,
        changes: Mapping[int, Any] | None = None,
        timeout: float = 30.0,
    ) -> bool:
        """Make a new instance that begins with another one's events up to a version, and lives on from there.

        The other one is never changed. What it has open at that version (tasks, timers, children, commands) the new one
        opens anew, under its own keys: its tasks run, so their effects in the world happen again.

        Args:
            type: of both: class or type name.
            source: the other one's id.
            id: the new one's id, and the idempotency key: the same fork again changes nothing.
            at: the last version that is copied.
            changes: by version, fields of that event's data with the values that the new one is to have there.
            timeout: seconds to wait for the answer.

        Returns:
            True when this request made it, False when it was there, forked the same way.

        Raises:
            NotFound: there is no such instance to fork.
            CommandInvalid: no such version, or the code can't live on from there, as after a change that makes it go
                another way than the copied events.
            Conflict: the id belongs to another instance.
            AnswerTimeout: no answer in time.
        """
        message = self._calls.fork(type, source, id, at, changes or {})
        return decode_created(result_of(await self._asker.ask(message, timeout))).created

    async def delete(self, type: Address, id: str, *, timeout: float = 30.0) -> None:
        """Delete an instance with all of its history: an actor at rest, or a workflow that has ended.

        Commands that it has handled are remembered for a while: one that comes again is not run again. What it has told
        others stands. Don't start a workflow under the id of a deleted one within that while: keys are made of ids.

        Raises:
            NotFound: there is none, or not any more.
            Conflict: it still runs, or waits for what it has asked for.
            InstanceStuck: what it waits for is not known; a stuck workflow can be terminated first.
            AnswerTimeout: no answer in time; delete it again to learn it.
        """
        result_of(await self._asker.ask(self._calls.delete(type, id), timeout))

    async def list(
        self,
        type: Address | None = None,
        status: str | None = None,
        *,
        where: Sequence[str] = (),
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[ListedExecution]:
        """List actors, newest start first.

        Args:
            type: only this type.
            status: only this status.
            where: conditions on search attributes, all of which hold: `["customer=ACME", "total>100"]`.
            before: the (started_at, stream) of the last one of the page before.
            limit: at most so many.

        Raises:
            CommandInvalid: a condition is none.
            ConfigurationError: the client has no database.
        """
        if self._store is None:
            raise ConfigurationError("this client has no database to list from; give it a store")
        name = None if type is None else type_name(type)
        met = conditions(tuple(where))
        return await self._store.executions(type=name, status=status, where=met, before=before, limit=limit)

    def _result(self, type: Address, message: Inbound, reply: Reply) -> Any:
        if (failed := _FAILED.get(reply.status)) is not None and (error := reply.error) is not None:
            raise failed(message.stream, error.type, error.message, error.details_value())
        return self._calls.value(result_of(reply), type, "run", "run")
