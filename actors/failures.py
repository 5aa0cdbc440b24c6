"""Exceptions as values, and back."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET, Raw, UnsetType

from actors.codec import encode
from actors.errors import (
    CallFailed,
    ChildCancelled,
    ChildFailed,
    ChildTerminated,
    ChildTimedOut,
    Failure,
    PayloadRefused,
    PromiseFailed,
    TaskError,
)
from actors.journal import ErrorInfo

MAX_MESSAGE = 10_000
MAX_FRAMES = 30


def error_info(error: BaseException) -> ErrorInfo:
    """Describe an exception. A declared failure carries its details; any other one says where it was raised."""
    if isinstance(error, Failure):
        of_others = isinstance(error, TaskError | ChildFailed | CallFailed | PromiseFailed)
        type_name = str(getattr(error, "type", "")) if of_others else type(error).__name__
        return ErrorInfo(type_name, _message(error), _details(error.details))
    return ErrorInfo(type(error).__name__, _message(error), trace=_trace(error))


def failure(declared: dict[str, type[Failure]], task: str, info: ErrorInfo) -> Failure:
    """Make the exception that workflow code sees for a failed task: of the declared class, else a `TaskError`."""
    details = info.details_value()
    if (declared_class := declared.get(info.type)) is None:
        return TaskError(task, info.type, info.message, details)
    error = Failure.__new__(declared_class)  # its constructors may ask for what did not travel
    Failure.__init__(error, info.message, details)
    return error


def child_failure(stream: str, info: ErrorInfo, ended: str | None = None) -> ChildFailed:
    """Make the exception that workflow code sees for a child workflow that failed, or was cancelled or terminated."""
    if (kind := _CHILD_ENDS.get(ended)) is None:
        return ChildFailed(stream, info.type, info.message, info.details_value())
    return kind(stream, kind.__name__, info.message)


_CHILD_ENDS: dict[str | None, type[ChildFailed]] = {
    "cancelled": ChildCancelled, "terminated": ChildTerminated, "timed_out": ChildTimedOut,
}  # fmt: skip


def command_cancelled() -> ErrorInfo:
    """Describe what became of a delayed command that somebody cancelled."""
    return ErrorInfo("CommandCancelled", "the command was cancelled before it was due")


def cancelled(reason: str) -> ErrorInfo:
    """Describe the end of a run that was cancelled."""
    return ErrorInfo("RunCancelled", f"the run was cancelled: {reason or 'no reason was given'}")


def terminated(reason: str) -> ErrorInfo:
    """Describe the end of a run that was terminated."""
    return ErrorInfo("RunTerminated", f"the run was terminated: {reason or 'no reason was given'}")


def call_failure(stream: str, command: str, info: ErrorInfo) -> CallFailed:
    """Make the exception that code sees for a command of another actor that failed."""
    return CallFailed(stream, command, info.type, info.message, info.details_value())


def timed_out(deadline: float) -> ErrorInfo:
    """Describe the end of a run that did not end in time."""
    by = datetime.fromtimestamp(deadline, UTC).isoformat(sep=" ", timespec="seconds")
    return ErrorInfo("RunTimedOut", f"the run had not ended by {by}, its timeout")


def describe(error: BaseException) -> str:
    """Give an exception's type and message, whatever its own `__str__` does."""
    return f"{type(error).__name__}: {_message(error)}"


def _message(error: BaseException) -> str:
    try:
        return _encodable(str(error)[:MAX_MESSAGE])
    except Exception:  # noqa: BLE001 - a user's own __str__ must not hide the error that it describes
        return f"<a {type(error).__name__} that can't be shown>"


def _details(details: Any) -> Raw | UnsetType:
    if details is None:
        return UNSET
    try:
        return Raw(encode(details))
    except PayloadRefused as refused:
        return Raw(encode(f"<details that can't be kept: {refused}>"))


def _trace(error: BaseException) -> str:
    # Without source lines: reading files is I/O, and the place is enough to find them.
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(error.__traceback__), limit=-MAX_FRAMES, lookup_lines=False
    )
    return _encodable("\n".join(f'File "{frame.filename}", line {frame.lineno}, in {frame.name}' for frame in frames))


def _encodable(text: str) -> str:
    # Lone surrogates (file names hold some) have no UTF-8 form, and an error that can't be recorded loses the event.
    return text.encode("utf-8", "replace").decode()
