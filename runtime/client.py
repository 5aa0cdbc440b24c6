"""The client: publishes commands and queries, and waits for their answers without polling.

Each request goes out with a correlation id; the answer comes into this client's own reply queue. What is lost on the
way (a publish without confirm, an answer, a node that was killed while somebody waited) is made good by asking again
with the same command id, which changes nothing twice.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog
from msgspec import Raw

from actors import Actor, InvalidInput, PayloadRefused, RunFailed, UnknownName, Workflow
from actors.codec import decode_any, decoder, encode
from actors.definition import ActorType, WorkflowType
from actors.journal import ErrorInfo
from actors.names import stream_name
from actors.signature import Signature
from eventstore import EventStore, ListedExecution
from runtime.clock import monotonic
from runtime.consuming import pause
from runtime.errors import AnswerTimeout, CommandInvalid, ConfigurationError, NotFound, command_error
from runtime.messages import (
    Ask,
    AwaitResult,
    Inbound,
    Reply,
    ReplyWhen,
    Send,
    Start,
    Status,
    decode_reply,
    encode_message,
)
from runtime.publisher import Publisher
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message, Subscription, SubscriptionLost, Transport, TransportError

FIRST_PATIENCE, MOST_PATIENCE = 3.0, 20.0  # seconds without an answer before asking again

Address = type[Actor] | type[Workflow] | str

log = structlog.get_logger("perdure.client")


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
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        now: Callable[[], datetime] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport, self._partitions, self._store = transport, partitions, store
        self._new_id, self._now, self._jitter = new_id, now, jitter
        self._publisher = Publisher(transport)
        self._types: dict[type, ActorType | WorkflowType] = {}
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._inbox: Subscription | None = None
        self._address = ""
        self._duties: list[asyncio.Task[None]] = []

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
        self._address, self._inbox = await self._transport.reply_inbox()
        self._duties = [
            asyncio.create_task(self._publisher.run(), name="client publisher"),
            asyncio.create_task(self._receive(), name="client replies"),
        ]

    async def close(self) -> None:
        """Close everything; safe to call twice."""
        duties, self._duties = self._duties, []
        for duty in duties:
            duty.cancel()
        if duties:
            await asyncio.wait(duties)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(
                    AnswerTimeout("the client was closed before the answer came; ask again with another")
                )
        if self._inbox is not None:
            await self._inbox.close()
            self._inbox = None
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
            kwargs: arguments of `run`.

        Returns:
            True when this request created the instance, False when it was there.

        Raises:
            CommandInvalid: unknown type, or arguments that do not fit.
            Conflict: the id was used before with other input.
            AnswerTimeout: no answer in time.
        """
        message = self._start(type, id, args, kwargs, input, command_id, correlation_id, ReplyWhen.ACCEPTED)
        reply = await self._request(message, timeout)
        return _created(_raw(reply)).created

    async def execute(
        self,
        type: Address,
        id: str,
        *args: Any,
        command_id: str | None = None,
        correlation_id: str | None = None,
        timeout: float | None = None,
        input: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Start a workflow and wait for its result: one message there, one back. Raises like `start` and `result`."""
        message = self._start(type, id, args, kwargs, input, command_id, correlation_id, ReplyWhen.COMPLETED)
        return self._result(type, message, await self._request(message, timeout))

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
        message = self._send(type, id, command, args, kwargs, input, command_id, correlation_id)
        end = monotonic() + timeout
        failures = 0
        while True:
            try:
                await self._publish(message, None, None, end)
            except TransportError as error:
                failures += 1
                await self._pause(failures, end, f"{message.stream} {command}", error)
            else:
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
        message = self._send(type, id, command, args, kwargs, input, command_id, correlation_id)
        reply = await self._request(message, timeout)
        return self._typed(_raw(reply), self._signature(type, "command", command))

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
        signature = self._signature(type, "query", name)
        content = Ask(type=_name(type), id=id, name=name, input=self._input(signature, args, kwargs, input))
        stream_name(content.type, id)
        return self._typed(_raw(await self._request(content, timeout)), signature)

    async def result(self, type: Address, id: str, *, timeout: float | None = None) -> Any:
        """Wait for a workflow's result, for ever if need be.

        Raises:
            RunFailed: the run ended with a declared failure; `.type` names it.
            NotFound: there is no such instance.
            AnswerTimeout: no result in time.
        """
        message = AwaitResult(type=_name(type), id=id)
        stream_name(message.type, id)
        return self._result(type, message, await self._request(message, timeout))

    async def list(
        self,
        type: Address | None = None,
        status: str | None = None,
        *,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[ListedExecution]:
        """List actors, newest start first; `before` is the (started_at, stream) of the last one of the page before.

        Raises:
            ConfigurationError: the client has no database.
        """
        if self._store is None:
            raise ConfigurationError("this client has no database to list from; give it a store")
        name = None if type is None else _name(type)
        return await self._store.executions(type=name, status=status, before=before, limit=limit)

    # -- messages -------------------------------------------------------------------------------------------------

    def _start(
        self,
        type: Address,
        id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        input: Any,
        command_id: str | None,
        correlation_id: str | None,
        when: ReplyWhen,
    ) -> Start:
        stream_name(_name(type), id)
        return Start(
            type=_name(type),
            id=id,
            correlation_id=correlation_id,
            input=self._input(self._signature(type, "run", "run"), args, kwargs, input),
            command_id=command_id or self._new_id(),
            reply_when=when,
        )

    def _send(
        self,
        type: Address,
        id: str,
        command: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        input: Any,
        command_id: str | None,
        correlation_id: str | None,
    ) -> Send:
        stream_name(_name(type), id)
        return Send(
            type=_name(type),
            id=id,
            correlation_id=correlation_id,
            name=command,
            command_id=command_id or self._new_id(),
            input=self._input(self._signature(type, "command", command), args, kwargs, input),
            sent_at=None if self._now is None else self._now(),
        )

    def _input(self, signature: Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any], input: Any) -> Raw:
        try:
            if input is not None:
                data = encode(input)
            elif signature is not None:
                data = signature.encode(args, kwargs)
            else:
                data = encode(list(args) if args and not kwargs else kwargs)
            if signature is not None:
                signature.decode(data)
        except InvalidInput as error:
            raise CommandInvalid(str(error), error.__class__.__name__) from error
        return Raw(data)

    def _signature(self, type: Address, kind: str, name: str) -> Signature | None:
        """Find a handler's types, where a class is given; raises `CommandInvalid` for an unknown one."""
        if isinstance(type, str):
            return None
        definition = self._types.get(type)
        if definition is None:
            definition = WorkflowType(type) if issubclass(type, Workflow) else ActorType(type)
            self._types[type] = definition
        try:
            if kind == "run":
                return definition.run_signature if isinstance(definition, WorkflowType) else None
            return (definition.command(name) if kind == "command" else definition.query(name)).signature
        except UnknownName as error:
            raise CommandInvalid(str(error), "UnknownName") from error

    # -- asking, and asking again -----------------------------------------------------------------------------------

    async def _request(self, content: Inbound, timeout: float | None) -> Reply:
        """Publish, and wait for the answer; whatever is lost on the way, ask again until the time is up."""
        end = None if timeout is None else monotonic() + timeout
        correlation_id = self._new_id()
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = answer
        patience, failures = FIRST_PATIENCE, 0
        try:
            while True:
                try:
                    await self._publish(content, self._address, correlation_id, end)
                    failures = 0
                except TransportError as error:
                    failures += 1
                    await self._pause(failures, end, content.stream, error)
                    continue
                wait = patience if end is None else min(patience, end - monotonic())
                await asyncio.wait([answer], timeout=max(0.0, wait))
                if answer.done():
                    return answer.result()
                if end is not None and monotonic() >= end:
                    raise AnswerTimeout(
                        f"no answer from {content.stream} within {timeout:g} s: it may or may not have been handled. "
                        "Ask again with the same id, and check that a node is up (`perdure doctor`)"
                    )
                patience = min(MOST_PATIENCE, patience * 2)
        finally:
            del self._waiting[correlation_id]

    async def _publish(
        self, content: Inbound, reply_to: str | None, correlation_id: str | None, end: float | None
    ) -> None:
        if self._partitions is None:
            destination, key = Destination.INGRESS, f"{content.type}.{content.id}"
        else:
            destination, key = Destination.COMMANDS, str(partition_of(content.stream, self._partitions))
        message = Message(destination, key, _encoded(content), reply_to, correlation_id)
        try:
            async with asyncio.timeout(None if end is None else max(0.0, end - monotonic())):
                await self._publisher.publish(message)
        except TimeoutError:
            raise AnswerTimeout(f"the broker did not confirm the message for {content.stream} in time") from None

    async def _pause(self, failures: int, end: float | None, what: str, error: TransportError) -> None:
        wait = pause(failures, self._jitter())
        if end is not None and monotonic() + wait >= end:
            raise AnswerTimeout(f"{what} could not be published: {error}") from error
        await asyncio.sleep(wait)

    async def _receive(self) -> None:
        failures = 0
        while True:
            inbox = self._inbox
            try:
                if inbox is None:
                    self._address, self._inbox = await self._transport.reply_inbox()
                    failures = 0
                    continue
                for delivery in await inbox.receive():
                    self._answered(delivery.correlation_id, delivery.body)
                    inbox.ack(delivery)
            except (SubscriptionLost, TransportError) as error:
                log.info("replies interrupted", reason=str(error))
                self._inbox = None
                failures += 1
                await asyncio.sleep(pause(failures, self._jitter()))

    def _answered(self, correlation_id: str | None, body: bytes) -> None:
        waiting = self._waiting.get(correlation_id or "")
        if waiting is None or waiting.done():
            return  # a second answer, to a question that was asked again
        try:
            waiting.set_result(decode_reply(body))
        except PayloadRefused as error:
            waiting.set_exception(error)

    # -- answers ----------------------------------------------------------------------------------------------------

    def _result(self, type: Address, message: Inbound, reply: Reply) -> Any:
        if reply.status is Status.FAILED and reply.error is not None:
            error = reply.error
            raise RunFailed(message.stream, error.type, error.message, error.details_value())
        return self._typed(_raw(reply), self._signature(type, "run", "run"))

    def _typed(self, raw: Raw, signature: Signature | None) -> Any:
        return decode_any(raw) if signature is None else signature.decode_result(raw)


def _encoded(content: Inbound) -> bytes:
    try:
        return encode_message(content)
    except UnicodeEncodeError as error:
        raise CommandInvalid(f"ids and names are text that UTF-8 can carry: {error}", "InvalidInput") from error


def _name(type: Address) -> str:
    return type if isinstance(type, str) else type.type_name


def _raw(reply: Reply) -> Raw:
    if reply.error is not None:
        raise command_error(reply.status, reply.error)
    if reply.status is not Status.OK:
        raise command_error(reply.status, ErrorInfo("", "the answer tells no reason"))
    return reply.result if isinstance(reply.result, Raw) else Raw(b"null")


class _Created(msgspec.Struct):
    """What answers a start."""

    created: bool


_created: Callable[[Raw], _Created] = decoder(_Created)


__all__ = ["Address", "Client", "NotFound"]
