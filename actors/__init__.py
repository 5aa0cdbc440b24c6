"""What an application imports to write actors, workflows and tasks.

A pure model: history in, effects out. Nothing here does I/O, reads a clock, draws random numbers or logs.
"""

from actors.actor import Actor
from actors.app import App
from actors.child import ChildHandle
from actors.errors import (
    ActorsError,
    Bug,
    CallFailed,
    ChildCancelled,
    ChildFailed,
    ChildTerminated,
    ChildTimedOut,
    CompensationFailed,
    DefinitionError,
    Failure,
    HistoryRefused,
    InvalidArguments,
    InvalidId,
    InvalidInput,
    Nondeterminism,
    NotDurable,
    PayloadRefused,
    PromiseFailed,
    Rejected,
    RunCancelled,
    RunFailed,
    RunTerminated,
    RunTimedOut,
    SnapshotRefused,
    TaskError,
    UnknownName,
    UnknownType,
    UpcastFailed,
)
from actors.handlers import command, event, query, validator
from actors.saga import Saga
from actors.snapshot import Snapshots
from actors.task import Retry, Task, TaskContext, task, task_context
from actors.upcasting import Renamed, Retired, Upcast, UpcastInput, UpcastPromise, UpcastResult, UpcastState
from actors.workflow import Workflow

__all__ = [
    "Actor",
    "ActorsError",
    "App",
    "Bug",
    "CallFailed",
    "ChildCancelled",
    "ChildFailed",
    "ChildHandle",
    "ChildTerminated",
    "ChildTimedOut",
    "CompensationFailed",
    "DefinitionError",
    "Failure",
    "HistoryRefused",
    "InvalidArguments",
    "InvalidId",
    "InvalidInput",
    "Nondeterminism",
    "NotDurable",
    "PayloadRefused",
    "PromiseFailed",
    "Rejected",
    "Renamed",
    "Retired",
    "Retry",
    "RunCancelled",
    "RunFailed",
    "RunTerminated",
    "RunTimedOut",
    "Saga",
    "SnapshotRefused",
    "Snapshots",
    "Task",
    "TaskContext",
    "TaskError",
    "UnknownName",
    "UnknownType",
    "Upcast",
    "UpcastFailed",
    "UpcastInput",
    "UpcastPromise",
    "UpcastResult",
    "UpcastState",
    "Workflow",
    "command",
    "event",
    "query",
    "task",
    "task_context",
    "validator",
]
