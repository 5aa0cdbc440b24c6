"""The runtime's own events in a workflow's stream.

There are two sorts. A *fact* came from outside and is fed to the code: the run was started, a command came, a
task ended, a timer fired. A *decision* is what the code asked for in answer. A turn appends one fact and then its
decisions, so replaying means: feed each fact, and compare what the code decides with the decisions that follow.

Tasks, timers, child workflows and other awaited operations share one numbering within a stream, in the order the code
asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from actors.attributes import Attribute
from actors.codec import UNREADABLE, decode_any, plain_decoder
from actors.errors import PayloadRefused


class ErrorInfo(Struct, gc=False, omit_defaults=True, frozen=True):
    """An error as it travels: its type's name, a message for people, details for programs, a traceback."""

    type: str
    message: str
    details: Raw | UnsetType = UNSET  # unset, not None: null is a value of its own
    trace: str | None = None

    def details_value(self) -> Any:
        """Give the details as builtin values, None when there are none."""
        return decode_any(self.details) if isinstance(self.details, Raw) else None


class Caller(Struct, gc=False, frozen=True):
    """Who started a workflow, or gave a command, from inside another instance: its stream, and the call's number there."""

    stream: str
    number: int

    @property
    def key(self) -> str:
        """The call's idempotency key: the same however often it is made."""
        return f"{self.stream}#{self.number}"


OnClose = Literal["abandon", "cancel", "terminate"]


class Stop(Struct, gc=False, omit_defaults=True, frozen=True):
    """How a child is to end that its parent does not want any more; with `tree` its own children as well."""

    how: Literal["cancel", "terminate"]
    reason: str = ""
    tree: bool = False


class Origin(Struct, gc=False, omit_defaults=True, frozen=True):
    """What an instance was forked from: the other one's stream, its events up to `version`, and what of them was changed.

    `changes` holds, by version, the fields of an event's data that were given other values. `sent` is the
    number of the last command in the copied events that was given to another actor, `seed` what random numbers come from.
    """

    stream: str
    version: int
    changes: dict[int, Raw] = {}
    sent: int = 0
    seed: str = ""


class JournalEvent(Struct, gc=False, omit_defaults=True):
    """Base of journal events. The class name is the event's type in the log."""

    is_fact: ClassVar[bool] = False

    def title(self) -> str:
        """Name the event and what it is about, for messages and listings."""
        return type(self).__name__


class Fact(JournalEvent):
    """Came from outside; is fed to the code."""

    is_fact: ClassVar[bool] = True


class RunStarted(Fact):
    """The instance was created with these arguments; by `caller`, if another workflow did; by a fork, if there is an `origin`.

    With `stop` it was not wanted any more when it came to be, and none of its code ever runs. `again`: the instance had ended,
    and its runs had numbered `asked` operations.
    `attributes` are its first search attributes, `memo` is what its starter noted for people.
    """

    input: Raw
    command_id: str | None = None
    caller: Caller | None = None
    type_version: int = 1  # of the workflow's code, which the instance keeps to
    stop: Stop | None = None
    attributes: dict[str, Attribute] | None = None
    memo: Raw | UnsetType = UNSET
    origin: Origin | None = None  # of an instance that was not started, but forked
    deadline: float | None = None  # in seconds since the epoch: the instance must have ended by then
    asked: int = 0
    again: bool = False


class CommandReceived(Fact):
    """A command was accepted; unchecked, if there was no code to say what it should be.

    From `caller`, if another instance gave it, which awaits no answer when it `told` it.
    """

    id: str
    name: str
    input: Raw
    unchecked: bool = False
    caller: Caller | None = None
    told: bool = False

    def title(self) -> str:
        return f"CommandReceived({self.name})"


class CancelRequested(Fact):
    """Somebody asked for the run's cancellation: a client with this command id, or the parent with its call's key."""

    id: str
    reason: str = ""


class RunTerminated(Fact):
    """The run was ended from outside, at once and without its code: the instance is finished.

    With `tree` its children, and theirs, were to be terminated as well.
    """

    id: str
    reason: str = ""
    tree: bool = False


class RunTimedOut(Fact):
    """The instance had not ended by its deadline, in seconds since the epoch: it was ended at once and without its code."""

    deadline: float


class CommandBegan(Fact):
    """An actor goes on with a command that had to wait until those before it were done."""

    id: str

    def title(self) -> str:
        return f"CommandBegan({self.id})"


class TaskCompleted(Fact):
    """A task gave its result. `name` is kept for local tasks, which have no `TaskScheduled`."""

    task: int
    result: Raw
    name: str | None = None

    def title(self) -> str:
        return f"TaskCompleted(#{self.task}{_of(self.name)})"


class TaskFailed(Fact):
    """A task failed for good."""

    task: int
    error: ErrorInfo
    attempts: int = 1
    name: str | None = None

    def title(self) -> str:
        return f"TaskFailed(#{self.task}{_of(self.name)}: {self.error.type})"


class TaskAttemptFailed(Fact):
    """One attempt of a task failed and another follows. The code does not see it."""

    task: int
    attempt: int
    error: ErrorInfo
    retry_at: float  # seconds since the epoch

    def title(self) -> str:
        return f"TaskAttemptFailed(#{self.task}, attempt {self.attempt}: {self.error.type})"


class TimerFired(Fact):
    """A durable timer came due."""

    timer: int

    def title(self) -> str:
        return f"TimerFired(#{self.timer})"


class ChildCompleted(Fact):
    """A child workflow's run returned."""

    child: int
    result: Raw

    def title(self) -> str:
        return f"ChildCompleted(#{self.child})"


class ChildFailed(Fact):
    """A child workflow's run failed, or its id belongs to an instance that somebody else started.

    `ended` is "cancelled" or "terminated" where that was the child's end.
    """

    child: int
    error: ErrorInfo
    ended: str | None = None

    def title(self) -> str:
        return f"ChildFailed(#{self.child}: {self.error.type})"


class CommandAnswered(Fact):
    """Another actor has handled a command that this one awaits: it gave a result, or an error."""

    command: int
    result: Raw = Raw(b"null")
    error: ErrorInfo | None = None

    def title(self) -> str:
        return f"CommandAnswered(#{self.command}{'' if self.error is None else f': {self.error.type}'})"


class PromiseResolved(Fact):
    """Somebody outside gave a promise its value: the request with the id `by`."""

    name: str
    result: Raw
    by: str

    def title(self) -> str:
        return f"PromiseResolved({self.name})"


class PromiseRejected(Fact):
    """Somebody outside settled a promise with a failure: the request with the id `by`."""

    name: str
    error: ErrorInfo
    by: str

    def title(self) -> str:
        return f"PromiseRejected({self.name}: {self.error.type})"


class Stuck(Fact):
    """The code could not go on because of a mistake in it. Facts are still recorded; no decisions are."""

    error: ErrorInfo

    @property
    def between_turns(self) -> bool:
        """Whether the turn of the fact before is whole. A mistake may have ended it, and left out its decisions."""
        return self.error.type in _FOUND_BY_REPLAY

    def title(self) -> str:
        return f"Stuck({self.error.type})"


class Resumed(Fact):
    """The code went on after it was stuck; the decisions that it owed follow."""


class TaskScheduled(JournalEvent):
    """The code wants a task done by a worker."""

    task: int
    name: str
    input: Raw

    def title(self) -> str:
        return f"TaskScheduled(#{self.task} {self.name})"


class TasksScheduled(JournalEvent):
    """The code wants a task done by a worker for each of many items: tasks `first`, `first` + 1 and so on."""

    first: int
    name: str
    inputs: list[Raw]

    def each(self) -> Iterator[TaskScheduled]:
        """Give what each of them would be by itself."""
        for number, input in enumerate(self.inputs, self.first):
            yield TaskScheduled(number, self.name, input)

    def title(self) -> str:
        return f"TasksScheduled(#{self.first} to #{self.first + len(self.inputs) - 1} {self.name})"


class TimerSet(JournalEvent):
    """The code waits for a time, given in seconds since the epoch."""

    timer: int
    due: float

    def title(self) -> str:
        return f"TimerSet(#{self.timer})"


class ChildStarted(JournalEvent):
    """The code wants another workflow to run, `type/id`, and its result.

    `on_close` says what becomes of it when this run ends first; journals of before know only children that go on.
    """

    child: int
    type: str
    id: str
    input: Raw
    on_close: OnClose = "abandon"

    @property
    def stream(self) -> str:
        """The child's stream."""
        return f"{self.type}/{self.id}"

    def title(self) -> str:
        return f"ChildStarted(#{self.child} {self.stream})"


class AttributesSet(JournalEvent):
    """The code set search attributes; null takes one away."""

    values: dict[str, Attribute | None]

    def title(self) -> str:
        return f"AttributesSet({', '.join(self.values)})"


class Patched(JournalEvent):
    """The code asked for a patch for the first time, and takes the new way from here on."""

    name: str

    def title(self) -> str:
        return f"Patched({self.name})"


class ValueRecorded(JournalEvent):
    """The code had a value worked out that no replay could repeat; it is given this one for ever."""

    number: int  # in the numbering of tasks, timers and children
    value: Raw

    def title(self) -> str:
        return f"ValueRecorded(#{self.number})"


class CommandSent(JournalEvent):
    """The code gave another actor, `type/id`, a command; `told`: it awaits no answer.

    `after` is the number of the last one to the same actor: that has to be there first.
    """

    command: int
    type: str
    id: str
    name: str
    input: Raw
    told: bool = False
    after: int | None = None
    copied: bool = False  # by a fork: it was the other instance's to give, and no later one of this stream waits for it

    @property
    def stream(self) -> str:
        """The other actor's stream."""
        return f"{self.type}/{self.id}"

    def title(self) -> str:
        return f"CommandSent(#{self.command} {self.stream} {self.name})"


class ChildCancelRequested(JournalEvent):
    """The code asks a child to cancel, or has stopped waiting for it."""

    child: int
    reason: str = ""

    def title(self) -> str:
        return f"ChildCancelRequested(#{self.child})"


class CommandCompleted(JournalEvent):
    """A command's handler returned."""

    id: str
    result: Raw
    asked: int = 0  # in an actor's stream: the highest number that its commands have used

    def title(self) -> str:
        return f"CommandCompleted({self.id})"


class CommandFailed(JournalEvent):
    """A command's handler raised a declared failure."""

    id: str
    error: ErrorInfo
    asked: int = 0  # as in `CommandCompleted`

    def title(self) -> str:
        return f"CommandFailed({self.id}: {self.error.type})"


class RunContinued(JournalEvent):
    """The run asked to start over with these arguments: it has ended, and a new one has begun in the same stream.

    `asked` operations were numbered by then. The new run counts on from there, as numbers are idempotency keys.
    `cancelled`: the cancellation that was asked for is the new run's, because the old one had asked for its own end before.
    """

    input: Raw
    asked: int = 0
    cancelled: bool = False
    type_version: int = 1  # of the new run's code: the newest that takes the arguments


class Emitted(JournalEvent):
    """An actor's own event, as a decision of the command that emits it; in the log it is just that event."""

    type: str
    data: Raw
    schema: int = 1

    def title(self) -> str:
        return self.type


class RunCompleted(JournalEvent):
    """The run returned: the instance is finished."""

    result: Raw


class RunFailed(JournalEvent):
    """The run raised a declared failure: the instance is finished."""

    error: ErrorInfo

    def title(self) -> str:
        return f"RunFailed({self.error.type})"


class RunCancelled(JournalEvent):
    """The run let out the cancellation that was asked for: the instance is finished."""

    reason: str = ""


# A journal that a replay takes exception to ends with a whole turn.
_FOUND_BY_REPLAY = frozenset({"Nondeterminism", "UnknownType"})


def _of(name: str | None) -> str:
    return f" {name}" if name else ""


_EVENTS: tuple[type[JournalEvent], ...] = (
    RunStarted, CommandReceived, TaskCompleted, TaskFailed, TaskAttemptFailed, TimerFired, Stuck, Resumed,
    TaskScheduled, TimerSet, CommandCompleted, CommandFailed, RunCompleted, RunFailed,
    ChildStarted, ChildCompleted, ChildFailed, Patched, ValueRecorded,
    CancelRequested, RunTerminated, RunCancelled, RunContinued, CommandSent, CommandAnswered,
    ChildCancelRequested,
    AttributesSet,
    PromiseResolved, PromiseRejected,
    RunTimedOut, CommandBegan, TasksScheduled,
)  # fmt: skip
_DECODERS: dict[str, Callable[[bytes | Raw], JournalEvent]] = {
    event.__name__: plain_decoder(event) for event in _EVENTS
}
_CLASSES = {event.__name__: event for event in _EVENTS}
JOURNAL_TYPES = frozenset(_DECODERS)
# Gives a journal event as JSON.
encode_event: Callable[[JournalEvent], bytes] = msgspec.json.Encoder().encode


def event_class(name: str) -> type[JournalEvent] | None:
    """Find the class of a journal event; None when the type is not one of the journal's."""
    return _CLASSES.get(name)


def decode_event(type: str, data: bytes) -> JournalEvent | None:
    """Read a journal event; None when the type is not one of the journal's. Raises `PayloadRefused`."""
    if (decode := _DECODERS.get(type)) is None:
        return None
    try:
        return decode(data)
    except UNREADABLE as error:
        raise PayloadRefused(str(error)) from error
