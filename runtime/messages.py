"""The messages that travel through a transport: UTF-8 JSON objects, told apart by their field `op`.

`MESSAGES.md` at the top level describes them for publishers in other languages. Unknown fields are ignored, so that
a newer publisher can talk to an older node.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from actors.attributes import Attribute, checked
from actors.codec import check, decode_any, decoder
from actors.definition import MOST_TIMEOUT
from actors.errors import PayloadRefused
from actors.journal import Caller, ErrorInfo, Stop

T = TypeVar("T")

EMPTY = Raw(b"{}")
ENVELOPE_BYTES = 256 * 1024  # names, ids, and an error's message and trace
ENVELOPE_DEPTH = 2


class Addressed(Struct, gc=False, omit_defaults=True, kw_only=True, tag_field="op"):
    """A message for one actor, `type/id`."""

    type: str
    id: str
    correlation_id: str | None = None

    @property
    def stream(self) -> str:
        """The stream that it is for."""
        return f"{self.type}/{self.id}"


class ReplyWhen(StrEnum):
    """When a start or a command is answered: as soon as it is durable, or when the run has ended, the handler is done."""

    ACCEPTED = "accepted"
    COMPLETED = "completed"


class Reuse(StrEnum):
    """What a start does when its id's instance has ended: attach to that, refuse, or start it again."""

    ATTACH = "attach"
    REFUSE = "refuse"
    RESTART = "restart"


class Start(Addressed, tag="start"):
    """Create a workflow instance. The id is its idempotency key: a second start with the same input attaches.

    `attributes` are its first search attributes, `memo` a JSON value for people; neither counts as input.
    `timeout`: seconds after which the instance is ended, instead of its class's. `reuse`: what to do when it has ended.
    One that a workflow sends for a child of its own says so: `caller`, and since when it asks. With `stop` the child,
    which may or may not have been started before, is not wanted any more.
    """

    input: Raw = EMPTY
    command_id: str | None = None
    reply_when: ReplyWhen = ReplyWhen.ACCEPTED
    attributes: dict[str, Attribute] | None = None
    memo: Raw | UnsetType = UNSET
    caller: Caller | None = None
    asked_at: datetime | None = None
    stop: Stop | None = None
    timeout: float | None = None
    reuse: Reuse = Reuse.ATTACH


class Send(Addressed, tag="command"):
    """Give an actor a command. `command_id` is the idempotency key.

    With `start`, the arguments of a workflow's run, an instance that is not there is started first. With `due_at` it is
    accepted now and handled then; one that comes out of its row at that time says so: `scheduled`.

    One that another actor gives says so: `caller`; `told` when that awaits no answer; and `after`, the number of the
    caller's command that has to be recorded before this one.
    """

    name: str
    command_id: str
    input: Raw = EMPTY
    sent_at: datetime | None = None
    reply_when: ReplyWhen = ReplyWhen.COMPLETED
    start: Raw | UnsetType = UNSET
    caller: Caller | None = None
    told: bool = False
    after: int | None = None
    due_at: datetime | None = None
    scheduled: bool = False


class Ask(Addressed, tag="query"):
    """Ask an actor a query."""

    name: str
    input: Raw = EMPTY


class AwaitResult(Addressed, tag="result"):
    """Ask for a workflow's result; answered when it has one."""


class Cancel(Addressed, tag="cancel"):
    """Ask a workflow's run to cancel. The first such request counts; `command_id` tells it from another."""

    command_id: str
    reason: str = ""
    by: str = ""


class CancelCommand(Addressed, tag="cancel_command"):
    """Cancel a command that was accepted for later, by its id, unless it has been handled."""

    command_id: str


class Terminate(Addressed, tag="terminate"):
    """End a workflow's run at once, without its code; with `tree` its children and theirs, too."""

    command_id: str
    reason: str = ""
    tree: bool = False
    by: str = ""


class Resolve(Addressed, tag="resolve"):
    """Settle a workflow's promise: with a `result`, or with an `error`. The first such request counts."""

    name: str
    command_id: str
    result: Raw | UnsetType = UNSET
    error: ErrorInfo | None = None


class Correct(Addressed, kw_only=True):
    """Base of what somebody does by hand to put a workflow right. `command_id` is the idempotency key, `by` says who did it."""

    command_id: str
    reason: str = ""
    by: str = ""


class Pause(Correct, tag="pause"):
    """Hold a workflow: what comes to it is recorded, and its code does not run until it is resumed."""


class Resume(Correct, tag="resume"):
    """Let a paused workflow go on."""


class Skip(Correct, tag="skip", kw_only=True):
    """Settle what a workflow waits for under a number, `step`: with a `result`, with an `error`, or a timer with neither."""

    step: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    result: Raw | UnsetType = UNSET
    error: ErrorInfo | None = None


class Retry(Correct, tag="retry"):
    """Have a failed workflow go on from its failed step; or a stuck one be tried at once."""


class Restart(Correct, tag="restart", kw_only=True):
    """Have a workflow that has ended begin again, in its own stream: with what its last start recorded, or with other `input`."""

    input: Raw | UnsetType = UNSET


Correction = Pause | Resume | Skip | Retry | Restart


class Fork(Addressed, tag="fork"):
    """Create an instance out of another one of the same type, `source` by its id: with its events up to `version`.

    `changes` gives, by version, fields of an event's data other values. Fork the same twice, and it is done once.
    Said again with one `command_id` it gets one answer.
    """

    source: str
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    changes: dict[int, Raw] = {}
    command_id: str | None = None


class Delete(Addressed, tag="delete"):
    """Delete an instance and all of its history: an actor that is at rest, or a workflow that has ended.

    `command_id` is the idempotency key: what begins anew under the id is not deleted by a repetition.
    """

    command_id: str


class TaskOutcome(Addressed, tag="outcome"):
    """A worker tells how an attempt of a task ended: `result`, or `error`."""

    task: int
    attempt: int
    result: Raw | UnsetType = UNSET
    error: ErrorInfo | None = None
    retryable: bool = True


class TaskWanted(Addressed, tag="wanted"):
    """A worker asks whether anybody still waits for a task that it runs; for long ones, now and then.

    `partition` is where the actor lives, as the task's message told.
    """

    task: int
    partition: int


class ChildOutcome(Addressed, tag="child_outcome"):
    """A child workflow's end, told to its parent: operation `number` of the parent, the child's stream, and what came of it."""

    number: int
    child: str
    result: Raw | UnsetType = UNSET
    error: ErrorInfo | None = None
    ended: Literal["cancelled", "terminated", "timed_out"] | None = None


class CommandOutcome(Addressed, tag="command_outcome"):
    """What became of a command, told to the actor that gave it: operation `number` of it, the other actor's stream.

    The receipt for one that was only `told` says nothing more.
    """

    number: int
    actor: str
    told: bool = False
    result: Raw | UnsetType = UNSET
    error: ErrorInfo | None = None


Inbound = (
    Start
    | Send
    | Ask
    | AwaitResult
    | Cancel
    | CancelCommand
    | Terminate
    | Resolve
    | Correction
    | Fork
    | Delete
    | TaskOutcome
    | TaskWanted
    | ChildOutcome
    | CommandOutcome
)


class TaskMessage(Struct, gc=False, omit_defaults=True, kw_only=True):
    """A task for a worker."""

    stream: str
    partition: int
    task: int
    attempt: int
    name: str
    input: Raw
    correlation_id: str | None = None

    @property
    def key(self) -> str:
        """The idempotency key: the same for every attempt."""
        return f"{self.stream}#{self.task}"


class Status(StrEnum):
    """What a reply says."""

    OK = "ok"
    FAILED = "failed"
    INVALID = "invalid"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    FINISHED = "finished"
    TOO_OLD = "too_old"
    QUARANTINED = "quarantined"
    STUCK = "stuck"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"


class Reply(Struct, gc=False, omit_defaults=True):
    """An answer. `result` with status ok, `error` with every other one."""

    status: Status
    result: Raw | UnsetType = UNSET
    error: ErrorInfo | None = None


_decode_inbound: Callable[[bytes | Raw], Inbound] = decoder(Inbound)
_decode_task: Callable[[bytes | Raw], TaskMessage] = decoder(TaskMessage)
_decode_reply: Callable[[bytes | Raw], Reply] = decoder(Reply)
_encode = msgspec.json.Encoder().encode


def encode_message(message: Inbound | TaskMessage | Reply) -> bytes:
    """Give a message as JSON."""
    return _encode(message)


def decode_inbound(body: bytes) -> Inbound:
    """Read a message for an actor; raises `actors.PayloadRefused` with what is wrong with it.

    Its payloads are JSON values that can be read in full. A handler's own types may skip over what they don't know,
    but idempotency compares whole inputs, and what is stored has to be read again.
    """
    message = _checked(body, _decode_inbound)
    match message:
        case Start() | Send() | Ask() | Restart():
            if isinstance(message.input, Raw) and message.input is not EMPTY:
                decode_any(message.input)
            if isinstance(message, Send):
                _check_send(message)
            if isinstance(message, Start):
                _check_notes(message)
        case TaskOutcome() | ChildOutcome() | CommandOutcome() | Resolve() | Skip():
            if isinstance(message.result, Raw):
                decode_any(message.result)
            if message.error is not None:
                message.error.details_value()
        case Fork():
            list(map(decode_any, message.changes.values()))
        case AwaitResult() | Cancel() | CancelCommand() | Terminate() | Correct() | Delete() | TaskWanted():
            pass
    return message


def _check_notes(start: Start) -> None:
    if start.attributes is not None:
        checked(start.attributes)
    if isinstance(start.memo, Raw):
        decode_any(start.memo)
    if start.timeout is not None and not 0 < start.timeout <= MOST_TIMEOUT:
        raise PayloadRefused(f"timeout must be above 0 and at most {MOST_TIMEOUT} seconds, it is {start.timeout!r}")


def _check_send(message: Send) -> None:
    if isinstance(message.start, Raw):
        decode_any(message.start)
    if (due_at := message.due_at) is not None:
        if due_at.tzinfo is None:
            raise PayloadRefused(f"due_at {due_at.isoformat()} has no offset: add Z, or one such as +01:00")
        try:
            message.due_at = due_at.astimezone(UTC)
        except OverflowError:
            raise PayloadRefused(f"due_at {due_at.isoformat()} is beyond the calendar") from None


def decode_task(body: bytes) -> TaskMessage:
    """Read a task; raises `actors.PayloadRefused`."""
    return _checked(body, _decode_task)


def _checked(body: bytes, decode: Callable[[bytes], T]) -> T:
    """Decode a message. The limits are the payload's own: the largest one that may be stored must fit in, wrapped."""
    try:
        check(body)
    except PayloadRefused:
        check(body, envelope_bytes=ENVELOPE_BYTES, envelope_depth=ENVELOPE_DEPTH)
        message = decode(body)
        for name in ("input", "start", "result"):
            if isinstance(payload := getattr(message, name, None), Raw):
                check(bytes(payload))
        return message
    return decode(body)


def decode_reply(body: bytes) -> Reply:
    """Read a reply; raises `actors.PayloadRefused`."""
    return _decode_reply(body)


def error_reply(status: Status, error: BaseException | ErrorInfo, type: str = "") -> Reply:
    """Make a reply that carries an error."""
    if isinstance(error, ErrorInfo):
        return Reply(status, error=error)
    return Reply(status, error=ErrorInfo(type or error.__class__.__name__, str(error)))
