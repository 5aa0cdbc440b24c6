"""The table of the journal's events, and how they are read and written."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw

from actors.codec import UNREADABLE, plain_decoder
from actors.errors import PayloadRefused
from actors.journal.child import ChildCancelRequested, ChildCompleted, ChildFailed, ChildStarted
from actors.journal.command import (
    CommandAnswered,
    CommandBegan,
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    CommandSent,
)
from actors.journal.event import JournalEvent
from actors.journal.note import AttributesSet, Patched, ValueRecorded
from actors.journal.paused import Paused, Unpaused
from actors.journal.promise import PromiseRejected, PromiseResolved
from actors.journal.retried import RunRetried
from actors.journal.run import (
    CancelRequested,
    InstanceDeleted,
    RunCancelled,
    RunCompleted,
    RunContinued,
    RunFailed,
    RunStarted,
    RunTerminated,
    RunTimedOut,
)
from actors.journal.stuck import Resumed, Stuck
from actors.journal.task import TaskAttemptFailed, TaskCompleted, TaskFailed, TaskScheduled, TasksScheduled
from actors.journal.timer import TimerFired, TimerSet

_EVENTS: tuple[type[JournalEvent], ...] = (
    RunStarted, CancelRequested, RunTerminated, RunTimedOut, RunContinued, RunCompleted, RunFailed, RunCancelled,
    InstanceDeleted,
    TaskScheduled, TasksScheduled, TaskCompleted, TaskFailed, TaskAttemptFailed,
    TimerSet, TimerFired,
    ChildStarted, ChildCancelRequested, ChildCompleted, ChildFailed,
    CommandReceived, CommandBegan, CommandCompleted, CommandFailed, CommandSent, CommandAnswered,
    PromiseResolved, PromiseRejected,
    ValueRecorded, Patched, AttributesSet,
    Stuck, Resumed, Paused, Unpaused, RunRetried,
)  # fmt: skip
_DECODERS: dict[str, Callable[[bytes | Raw], JournalEvent]] = {
    event.__name__: plain_decoder(event) for event in _EVENTS
}
_CLASSES = {event.__name__: event for event in _EVENTS}
JOURNAL_TYPES = frozenset(_DECODERS)
# What an actor's stream can hold: nobody holds an actor by hand, so its own events may be named so.
ACTOR_JOURNAL_TYPES = JOURNAL_TYPES - {Paused.__name__, Unpaused.__name__}
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
