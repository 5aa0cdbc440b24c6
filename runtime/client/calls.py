"""From a call to a message: types are checked and arguments encoded before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

from actors import Actor, InvalidInput, UnknownName, Workflow
from actors.attributes import Attribute, checked
from actors.codec import decode_any, encode
from actors.definition import ActorType, WorkflowType, checked_timeout
from actors.errors import DefinitionError
from actors.journal import ErrorInfo
from actors.names import stream_name
from actors.signature import Signature
from runtime.errors import CommandInvalid
from runtime.messages import (
    Ask,
    AwaitResult,
    Cancel,
    CancelCommand,
    Delete,
    Fork,
    Inbound,
    Pause,
    ReplyWhen,
    Resolve,
    Restart,
    Resume,
    Retry,
    Reuse,
    Send,
    Skip,
    Start,
    Terminate,
    encode_message,
)

Address = type[Actor] | type[Workflow] | str


class Given(Struct, frozen=True):
    """What a caller gives with a start or a command: to whom, with what arguments, and under which ids."""

    type: Address
    id: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    input: Any
    command_id: str | None
    correlation_id: str | None


class StartOptions(Struct, frozen=True):
    """What else a start may say; `Instances.start` tells what each means."""

    search_attributes: Mapping[str, Any] | None
    memo: Any
    run_timeout: float | None
    reuse: str


class Correcting(Struct, frozen=True):
    """Who puts an instance right, why, and under which id."""

    reason: str
    who: str
    command_id: str | None


class Calls:
    """Makes messages of calls, and values of results. Remembers the types of the classes it was given.

    All that makes a message raise `CommandInvalid` for an unknown name or arguments that do not fit, and `InvalidId`.
    """

    def __init__(self, new_id: Callable[[], str], now: Callable[[], datetime] | None) -> None:
        self._new_id, self._now = new_id, now
        self._types: dict[type, ActorType | WorkflowType] = {}

    def start(self, given: Given, options: StartOptions, when: ReplyWhen) -> Start:
        """Make a start."""
        found_by, note = self._notes(options.search_attributes, options.memo)
        return Start(
            type=_checked(given.type, given.id),
            id=given.id,
            correlation_id=given.correlation_id,
            input=self._input(self.signature(given.type, "run", "run"), given.args, given.kwargs, given.input),
            command_id=given.command_id or self._new_id(),
            reply_when=when,
            attributes=found_by,
            memo=note,
            timeout=self._timeout(options.run_timeout),
            reuse=_reuse(options.reuse),
        )

    def send(
        self,
        given: Given,
        command: str,
        *,
        reply_when: ReplyWhen = ReplyWhen.COMPLETED,
        start: Any = None,
        due_at: datetime | None = None,
    ) -> Send:
        """Make a command; `start` holds all arguments of the run if the instance is to be started with it."""
        signature = self.signature(given.type, "command", command)
        return Send(
            type=_checked(given.type, given.id),
            id=given.id,
            correlation_id=given.correlation_id,
            name=command,
            command_id=given.command_id or self._new_id(),
            input=self._input(signature, given.args, given.kwargs, given.input),
            sent_at=None if self._now is None else self._now(),
            reply_when=reply_when,
            start=UNSET if start is None else self._run_input(given.type, start),
            due_at=due_at,
        )

    def arguments(self, type: Address, args: tuple[Any, ...], kwargs: dict[str, Any], input: Any) -> Raw:
        """Encode the arguments of a workflow's run, as a start would."""
        return self._input(self.signature(type, "run", "run"), args, kwargs, input)

    def now(self) -> datetime:
        """Give this machine's time, or that of a test."""
        return datetime.now(UTC) if self._now is None else self._now()

    def due_at(self, after: float | timedelta | None, at: datetime | None) -> datetime:
        """Say when a delayed command is due; raises `CommandInvalid` unless there is one time, and a whole one."""
        if (after is None) == (at is None):
            raise CommandInvalid("say when: either `after`, or `at`", "InvalidInput")
        if at is not None:
            if at.tzinfo is None:
                raise CommandInvalid(f"`at` needs a time zone; {at.isoformat()} has none", "InvalidInput")
            return at
        now = self.now()
        try:
            return now + (after if isinstance(after, timedelta) else timedelta(seconds=after or 0))
        except (OverflowError, ValueError) as error:
            raise CommandInvalid(f"`after` {after!r} leads to no date: {error}", "InvalidInput") from error

    def ask(self, type: Address, id: str, query: str, args: tuple[Any, ...], kwargs: dict[str, Any], input: Any) -> Ask:
        """Make a query."""
        arguments = self._input(self.signature(type, "query", query), args, kwargs, input)
        return Ask(type=_checked(type, id), id=id, name=query, input=arguments)

    def await_result(self, type: Address, id: str) -> AwaitResult:
        """Make the question for a workflow's result."""
        return AwaitResult(type=_checked(type, id), id=id)

    def cancel(self, type: Address, id: str, by: Correcting) -> Cancel:
        """Make the request for a workflow's cancellation."""
        return Cancel(type=_checked(type, id), id=id, **self._correcting(by))

    def terminate(self, type: Address, id: str, by: Correcting, *, tree: bool) -> Terminate:
        """Make the order that ends a workflow."""
        return Terminate(type=_checked(type, id), id=id, tree=tree, **self._correcting(by))

    def cancel_command(self, type: Address, id: str, command_id: str) -> CancelCommand:
        """Make the request that a delayed command be cancelled."""
        return CancelCommand(type=_checked(type, id), id=id, command_id=command_id)

    def resolve(
        self, type: Address, id: str, promise: str, result: Any, error: ErrorInfo | None, command_id: str | None
    ) -> Resolve:
        """Make what settles a workflow's promise: with an error if there is one."""
        message = Resolve(
            type=_checked(type, id), id=id, name=promise, command_id=command_id or self._new_id(), error=error
        )
        if error is None:
            message.result = self._input(None, (), {}, result) if result is not None else Raw(b"null")
        return message

    def pause(self, type: Address, id: str, by: Correcting) -> Pause:
        """Make the order that holds a workflow."""
        return Pause(type=_checked(type, id), id=id, **self._correcting(by))

    def resume(self, type: Address, id: str, by: Correcting) -> Resume:
        """Make the order that lets a paused workflow go on."""
        return Resume(type=_checked(type, id), id=id, **self._correcting(by))

    def retry(self, type: Address, id: str, by: Correcting) -> Retry:
        """Make the order that has a failed workflow go on."""
        return Retry(type=_checked(type, id), id=id, **self._correcting(by))

    def restart(self, type: Address, id: str, input: Any, by: Correcting) -> Restart:
        """Make the order that has a workflow begin again; `input` None: as it was started last."""
        message = Restart(type=_checked(type, id), id=id, **self._correcting(by))
        if input is not None:
            message.input = self._input(self.signature(type, "run", "run"), (), {}, input)
        return message

    def skip(self, type: Address, id: str, step: int, result: Any, error: ErrorInfo | None, by: Correcting) -> Skip:
        """Make the order that settles what a workflow waits for; `result` UNSET: neither it nor an error."""
        message = Skip(type=_checked(type, id), id=id, step=step, error=error, **self._correcting(by))
        if result is not UNSET:
            message.result = Raw(b"null") if result is None else self._input(None, (), {}, result)
        return message

    def fork(self, type: Address, source: str, id: str, version: int, changes: Mapping[int, Any]) -> Fork:
        """Make the order that forks an instance; raises `CommandInvalid` when a change can't be JSON."""
        _checked(type, source)
        encoded = {at: Raw(encode(fields)) if not isinstance(fields, Raw) else fields for at, fields in changes.items()}
        return Fork(
            type=_checked(type, id),
            id=id,
            source=source,
            version=version,
            changes=encoded,
            command_id=self._new_id(),
        )

    def delete(self, type: Address, id: str) -> Delete:
        """Make the order that deletes an instance."""
        return Delete(type=_checked(type, id), id=id, command_id=self._new_id())

    def _correcting(self, by: Correcting) -> dict[str, Any]:
        return {"command_id": by.command_id or self._new_id(), "reason": by.reason, "by": by.who}

    def signature(self, type: Address, kind: str, name: str) -> Signature | None:
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

    def value(self, raw: Raw, type: Address, kind: str, name: str) -> Any:
        """Read a result as the annotated type, where a class is given; raises `actors.PayloadRefused`."""
        signature = self.signature(type, kind, name)
        return decode_any(raw) if signature is None else signature.decode_result(raw)

    def _timeout(self, timeout: float | None) -> float | None:
        try:
            return checked_timeout(timeout, "run_timeout")
        except DefinitionError as error:
            raise CommandInvalid(str(error), "InvalidInput") from error

    def _notes(
        self, attributes: Mapping[str, Any] | None, memo: Any
    ) -> tuple[dict[str, Attribute] | None, Raw | UnsetType]:
        try:
            found_by = {name: value for name, value in checked(attributes or {}).items() if value is not None}
            return found_by or None, UNSET if memo is None else Raw(encode(memo))
        except InvalidInput as error:
            raise CommandInvalid(str(error), error.__class__.__name__) from error

    def _run_input(self, type: Address, start: Any) -> Raw:
        """Encode all arguments of a run, in the form that `start` gives them where a class is given."""
        signature = self.signature(type, "run", "run")
        if signature is None or not isinstance(start, dict | list | tuple):
            return self._input(signature, (), {}, start)
        return self._input(signature, *(((), start) if isinstance(start, dict) else (tuple(start), {})), None)

    def _input(self, signature: Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any], input: Any) -> Raw:
        try:
            if input is not None:
                data = encode(input)
                if signature is not None:
                    signature.decode(data)
            elif signature is not None:
                data = signature.encode(args, kwargs)
            else:
                data = encode(list(args) if args and not kwargs else kwargs)
        except InvalidInput as error:
            raise CommandInvalid(str(error), error.__class__.__name__) from error
        return Raw(data)


def _reuse(reuse: str) -> Reuse:
    try:
        return Reuse(reuse)
    except ValueError:
        known = ", ".join(Reuse)
        raise CommandInvalid(f"reuse must be one of {known}; it is {reuse!r}", "InvalidInput") from None


def _checked(type: Address, id: str) -> str:
    """Give a type's name, for an id that may be one; raises `InvalidId`."""
    name = type_name(type)
    stream_name(name, id)
    return name


def type_name(type: Address) -> str:
    """Give a type's name, which may have been given in place of the type."""
    return type if isinstance(type, str) else type.type_name


def encoded(content: Inbound) -> bytes:
    """Give a message's body; raises `CommandInvalid`."""
    try:
        return encode_message(content)
    except UnicodeEncodeError as error:
        raise CommandInvalid(f"ids and names are text that UTF-8 can carry: {error}", "InvalidInput") from error
