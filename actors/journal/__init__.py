"""The runtime's own events in a workflow's stream.

There are two sorts. A *fact* came from outside and is fed to the code: the run was started, a command came, a
task ended, a timer fired. A *decision* is what the code asked for in answer. A turn appends one fact and then its
decisions, so replaying means: feed each fact, and compare what the code decides with the decisions that follow.

Tasks, timers, child workflows and other awaited operations share one numbering within a stream, in the order the code
asked.
"""

from actors.journal.caller import Caller, Said
from actors.journal.child import ChildCancelRequested, ChildCompleted, ChildFailed, ChildStarted, OnClose, Stop
from actors.journal.codec import ACTOR_JOURNAL_TYPES, JOURNAL_TYPES, decode_event, encode_event, event_class
from actors.journal.command import (
    CommandAnswered,
    CommandBegan,
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    CommandSent,
    Emitted,
)
from actors.journal.correction import Correction
from actors.journal.event import ErrorInfo, Fact, JournalEvent
from actors.journal.note import AttributesSet, Patched, ValueRecorded
from actors.journal.paused import Paused, Unpaused
from actors.journal.promise import PromiseRejected, PromiseResolved
from actors.journal.retried import RunRetried
from actors.journal.run import (
    CancelRequested,
    InstanceDeleted,
    Origin,
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

__all__ = [
    "ACTOR_JOURNAL_TYPES",
    "JOURNAL_TYPES",
    "AttributesSet",
    "Caller",
    "CancelRequested",
    "ChildCancelRequested",
    "ChildCompleted",
    "ChildFailed",
    "ChildStarted",
    "CommandAnswered",
    "CommandBegan",
    "CommandCompleted",
    "CommandFailed",
    "CommandReceived",
    "CommandSent",
    "Correction",
    "Emitted",
    "ErrorInfo",
    "Fact",
    "InstanceDeleted",
    "JournalEvent",
    "OnClose",
    "Origin",
    "Patched",
    "Paused",
    "PromiseRejected",
    "PromiseResolved",
    "Resumed",
    "RunCancelled",
    "RunCompleted",
    "RunContinued",
    "RunFailed",
    "RunRetried",
    "RunStarted",
    "RunTerminated",
    "RunTimedOut",
    "Said",
    "Stop",
    "Stuck",
    "TaskAttemptFailed",
    "TaskCompleted",
    "TaskFailed",
    "TaskScheduled",
    "TasksScheduled",
    "TimerFired",
    "TimerSet",
    "Unpaused",
    "ValueRecorded",
    "decode_event",
    "encode_event",
    "event_class",
]
