"""Errors of the model.

ActorsError
├── DefinitionError        an actor, workflow or task is written in a way that can't work; said at registration
├── InvalidInput           what a caller sent can't be taken; nothing was stored
│   ├── UnknownName        no such actor type, command, query or task
│   ├── InvalidArguments   the arguments do not fit the signature
│   ├── InvalidId          the id is not allowed
│   └── PayloadRefused     malformed, too large, nested too deep, or not JSON (NaN)
├── SnapshotRefused        a state can't be kept as a snapshot, or a snapshot can't be read; the events can
├── HistoryRefused         a history, such as a file of `perdure export`, is not whole or can't be read
├── NotDurable             workflow code asked the event loop for something that can't be replayed
├── Nondeterminism         the code does not do what the journal says it did
│   └── UnknownType        there is no code here for an instance's type, or for its version of it: it is parked
├── UpcastFailed           an upcaster raised; what was recorded is as it was
└── Bug                    user code raised something that it did not declare; the instance is stuck, not failed

Failure                    base of an application's own declared failures
├── Rejected               a command or a start is refused for a business reason
├── TaskError              a task failed for good and was not declared in `raises=`
├── CompensationFailed     a saga could not undo all of its steps
├── ChildFailed            a workflow that another workflow awaited has failed, or its id is taken
│   ├── ChildCancelled     it was cancelled
│   ├── ChildTerminated    it was terminated
│   └── ChildTimedOut      it had not ended within its timeout
├── CallFailed             a command that one actor gave another has failed, or was refused
├── PromiseFailed          a promise was rejected, or resolved with a value that does not fit
└── RunFailed              a workflow that a client awaited has failed
    ├── RunCancelled       it was cancelled
    ├── RunTerminated      it was terminated
    └── RunTimedOut        it had not ended within its timeout
"""

from __future__ import annotations

from typing import Any


class ActorsError(Exception):
    """Base of the errors that Perdure's model raises."""


class DefinitionError(ActorsError):
    """An actor, workflow or task is written in a way that can't work."""


class InvalidInput(ActorsError):
    """What a caller sent can't be taken. Nothing was stored; the same message will never be taken."""


class UnknownName(InvalidInput):
    """There is no actor type, command, query or task of that name here."""


class InvalidArguments(InvalidInput):
    """The arguments do not fit the signature."""


class InvalidId(InvalidInput):
    """The id is not allowed in a stream name."""


class PayloadRefused(InvalidInput):
    """The payload is malformed, too large, nested too deep, or holds what JSON can't."""


class SnapshotRefused(ActorsError):
    """A state can't be kept as a snapshot, or a snapshot can't be read. Nothing is lost: the events have it all."""


class HistoryRefused(ActorsError):
    """A history is not whole, or can't be read. `name` is the file's, `line` counts from 1, `reason` says what to do."""

    def __init__(self, name: str, line: int | None, reason: str) -> None:
        super().__init__(f"{name}{'' if line is None else f', line {line}'}: {reason}")
        self.name, self.line, self.reason = name, line, reason


class NotDurable(ActorsError):
    """Workflow code asked the event loop for something that can't be replayed."""


class Nondeterminism(ActorsError):
    """The code does not do what the journal says it did.

    `version` is the place in the stream, `recorded` what the journal has there, `wanted` what the code does now.
    """

    def __init__(self, stream: str, version: int, recorded: str, wanted: str) -> None:
        super().__init__(
            f"{stream}: at version {version} the journal has {recorded}, but the code now {wanted}. "
            "Deploy code that does what was recorded; the instance goes on by itself"
        )
        self.stream, self.version, self.recorded, self.wanted = stream, version, recorded, wanted


class UpcastFailed(ActorsError):
    """An upcaster raised. What it was to bring into today's form is as it was recorded."""


class UnknownType(Nondeterminism):
    """There is no code here for an instance's type, or for the version of it that the instance was started with.

    The instance is parked: it goes on where there is such code.
    """


class Bug(ActorsError):
    """User code raised something that it did not declare. `__cause__` is what it raised."""


class Failure(Exception):
    """Base of an application's declared failures: raising one fails the task, command or run it is raised in.

    Any other exception counts as a mistake in the code: a task retries it, an instance waits for a fix.

    Args:
        message: for people.
        details: for programs; anything that JSON can hold.
    """

    def __init__(self, message: str = "", details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Rejected(Failure):
    """A command is refused for a business reason. It leaves no event behind."""


class TaskError(Failure):
    """A task failed for good, with an error that it does not declare in `raises=`.

    `type` names the error as the worker saw it (`ValueError`, `TaskTimeout`, …).
    """

    def __init__(self, task: str, type: str, message: str, details: Any = None) -> None:
        super().__init__(f"task {task} failed: {type}: {message}", details)
        self.task, self.type = task, type


class CompensationFailed(Failure):
    """A saga could not undo all of its steps: `details` has the name of each that failed, and why."""

    def __init__(self, failed: list[tuple[str, Failure]]) -> None:
        told = [
            {"compensation": name, "type": type(error).__name__, "message": error.message} for name, error in failed
        ]
        names = ", ".join(name for name, _ in failed)
        super().__init__(f"could not be undone: {names}; the other steps were", told)


class ChildFailed(Failure):
    """A child workflow failed; `type` names the declared failure that ended it, `child` its stream.

    With the type `Conflict` there was no such child: its id belongs to an instance that somebody else started.
    """

    def __init__(self, child: str, type: str, message: str, details: Any = None) -> None:
        super().__init__(f"child {child} failed: {type}: {message}", details)
        self.child, self.type = child, type


class ChildCancelled(ChildFailed):
    """A child workflow was cancelled, by its parent or by somebody else."""


class ChildTerminated(ChildFailed):
    """A child workflow was ended from outside, without its code."""


class ChildTimedOut(ChildFailed):
    """A child workflow had not ended within its timeout."""


class CallFailed(Failure):
    """A command that was given to another actor failed; `type` names the declared failure, `actor` the other's stream.

    Or it was refused: `NotFound`, `AlreadyFinished`, `UnknownName`, `InvalidArguments`, `Conflict`, `CommandTooOld`, or
    `Quarantined` when its handler kept crashing. A refused command has changed nothing.
    """

    def __init__(self, actor: str, command: str, type: str, message: str, details: Any = None) -> None:
        super().__init__(f"{command} of {actor} failed: {type}: {message}", details)
        self.actor, self.command, self.type = actor, command, type


class PromiseFailed(Failure):
    """A promise was rejected; `type` names the failure, `promise` the promise.

    With the type `InvalidValue` it was resolved, before the code waited for it, with a value that does not fit.
    """

    def __init__(self, promise: str, type: str, message: str, details: Any = None) -> None:
        super().__init__(f"promise {promise} failed: {type}: {message}", details)
        self.promise, self.type = promise, type


class RunFailed(Failure):
    """A workflow failed; `type` names the declared failure that ended it."""

    def __init__(self, stream: str, type: str, message: str, details: Any = None) -> None:
        super().__init__(f"{stream} failed: {type}: {message}", details)
        self.stream, self.type = stream, type


class RunCancelled(RunFailed):
    """A workflow was asked to cancel, and ended by that."""


class RunTerminated(RunFailed):
    """A workflow was ended from outside, without its code."""


class RunTimedOut(RunFailed):
    """A workflow had not ended within its timeout."""
