"""A stream's events in words, for any sort of actor and without its code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from actors.codec import decode_any
from actors.errors import PayloadRefused
from actors.journal import (
    ChildCancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    CommandAnswered,
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    CommandSent,
    ErrorInfo,
    JournalEvent,
    Paused,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunRetried,
    RunStarted,
    RunTerminated,
    RunTimedOut,
    TaskAttemptFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TasksScheduled,
    Unpaused,
    decode_event,
)
from actors.ledger import Ledger
from actors.retrying import undone
from eventstore.records import RecordedEvent
from runtime.cli.output import json_text


class Titles:
    """Names a stream's events, in order, and what each is about: the end of a task or child with its name, too."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}  # of tasks and children, which share one numbering
        self._commands: dict[str, str] = {}
        self._of_workflow = False

    def of(self, event: RecordedEvent) -> str:
        """Name the stream's next event."""
        self._of_workflow = self._of_workflow or event.type == RunStarted.__name__
        try:
            return self._of(event, decode_event(event.type, event.data))
        except PayloadRefused as refused:  # an actor's own events may have any names
            return f"{event.type} can't be read: {refused}" if self._of_workflow else event.type

    def _of(self, event: RecordedEvent, journal: JournalEvent | None) -> str:
        match journal:
            case None:
                return event.type
            case TaskScheduled() | TasksScheduled() | ChildStarted():
                self._names.update(_named(journal))
            case CommandSent(command=number):
                self._names[number] = f"{journal.stream} {journal.name}"
            case CommandReceived():
                self._commands[journal.id] = journal.name
            case (
                TaskCompleted(name=None, task=number)
                | ChildCompleted(child=number)
                | ChildCancelRequested(child=number)
                | CommandAnswered(command=number, error=None)
            ):
                return f"{event.type}(#{number} {self._names.get(number, '')})"
            case (
                TaskFailed(name=None, task=number, error=ErrorInfo() as error)
                | ChildFailed(child=number, error=ErrorInfo() as error)
                | CommandAnswered(command=number, error=ErrorInfo() as error)
            ):
                return f"{event.type}(#{number} {self._names.get(number, '')}: {error.type})"
            case TaskAttemptFailed():
                name = self._names.get(journal.task, "")
                return f"TaskAttemptFailed(#{journal.task} {name}, attempt {journal.attempt}: {journal.error.type})"
            case CommandCompleted():
                return f"CommandCompleted({self._commands.get(journal.id, journal.id)})"
            case CommandFailed():
                return f"CommandFailed({self._commands.get(journal.id, journal.id)}: {journal.error.type})"
            case _:
                pass
        return journal.title()


def _named(begun: TaskScheduled | TasksScheduled | ChildStarted) -> dict[int, str]:
    match begun:
        case TaskScheduled():
            return {begun.task: begun.name}
        case TasksScheduled():
            return {task.task: task.name for task in begun.each()}
        case ChildStarted():
            return {begun.child: begun.stream}


def payload(event: RecordedEvent) -> Any:
    """Give an event's data as builtin values; what is no JSON (encrypted, damaged) as text."""
    try:
        return decode_any(event.data)
    except PayloadRefused:
        return event.data.decode(errors="backslashreplace")


def brief(event: RecordedEvent) -> str:
    """Give the part of an event's data that its title does not say."""
    data = payload(event)
    if not isinstance(data, dict) or readable(event) is None:
        return json_text(data)
    by = _by(event, data)
    for field in ("error", "result", "input", "reason"):
        if field in data:
            return json_text(data[field]) + by
    if by:
        return by.strip()
    for field in ("due", "retry_at"):
        if field in data:
            return f"{field.removesuffix('_at')} {_time(data[field])}"
    return ""


def _by(event: RecordedEvent, data: dict[str, Any]) -> str:
    """Say who did it by hand; nothing if nobody did."""
    correction = data.get("correction") or ({} if event.type.startswith("Promise") else data)
    if not isinstance(correction, dict) or not correction.get("by"):
        return ""
    why = correction.get("reason") if correction is not data else None  # else it stands before
    return f" (by {correction['by']}: {why})" if why else f" (by {correction['by']})"


def _time(timestamp: float) -> str:
    try:
        return f"{datetime.fromtimestamp(timestamp, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return json_text(timestamp)  # beyond the calendar


def readable(event: RecordedEvent) -> JournalEvent | None:
    """Give one of the runtime's own events; None for another one, and for one that can't be read: its title says so."""
    try:
        return decode_event(event.type, event.data)
    except PayloadRefused:
        return None


def memo(events: Sequence[RecordedEvent]) -> Any:
    """Give what the starter of a workflow noted, None if nothing."""
    data = payload(events[0]) if events[0].type == RunStarted.__name__ else None
    return data.get("memo") if isinstance(data, dict) else None


def ending(events: Sequence[RecordedEvent]) -> dict[str, Any]:
    """Give a workflow's `result` or `error`; nothing while it runs, or when it is an entity."""
    for event in reversed(events):
        if event.type in {RunRetried.__name__, RunStarted.__name__}:
            return {}  # it goes on, or has begun again
        match readable(event):
            case RunCompleted():
                return {"result": payload(event)["result"]}
            case RunFailed():
                return {"error": payload(event)["error"]}
            case RunCancelled() | RunTerminated() | RunTimedOut():
                return {"reason": payload(event).get("reason", "")}
            case _:
                continue
    return {}


def held(events: Sequence[RecordedEvent]) -> list[str]:
    """Say who paused a workflow that is paused now, and why; nothing for any other."""
    for event in reversed(events):
        match journal := readable(event):
            case Paused():
                by, why = (f" by {journal.by}" if journal.by else ""), (f": {journal.reason}" if journal.reason else "")
                return [f"paused{by}{why}"]
            case Unpaused() | RunCompleted() | RunFailed() | RunCancelled() | RunTerminated() | RunTimedOut():
                return []
            case _:
                continue
    return []


def open_work(events: Sequence[RecordedEvent]) -> list[str]:
    """Say what a workflow waits for, by its journal."""
    ledger, taken_back = Ledger(), undone(events)
    for event in events:
        if (journal := readable(event)) is None:
            return []
        if event.version not in taken_back:
            ledger.apply(journal)
    if ledger.outcome is not None:
        return []
    tasks = [
        f"task #{number} {task.scheduled.name}" + (f", attempt {task.attempt}" if task.attempt > 1 else "")
        for number, task in ledger.tasks.items()
    ]
    children = [f"child #{number} {child.stream}" for number, child in ledger.children.items()]
    timers = [
        f"timer #{number}, due {datetime.fromtimestamp(due, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
        for number, due in ledger.timers.items()
    ]
    calls = [f"command #{number} {sent.stream} {sent.name}" for number, sent in ledger.sent.items()]
    return tasks + children + calls + timers
