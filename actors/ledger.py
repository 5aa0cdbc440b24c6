"""What a workflow's journal says by itself, without running any user code.

A stuck instance goes on recording what comes to it; the ledger is what tells news from repetition there, too.
"""

from __future__ import annotations

from typing import assert_never

from actors.journal import (
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    JournalEvent,
    Resumed,
    RunCompleted,
    RunFailed,
    RunStarted,
    Stuck,
    TaskAttemptFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
    TimerSet,
)
from actors.turn import Outcome


class OpenTask:
    """A task that a worker still owes an outcome for."""

    __slots__ = ("attempt", "scheduled")

    def __init__(self, scheduled: TaskScheduled) -> None:
        self.scheduled = scheduled
        self.attempt = 1


class TakenCommand:
    """A command that was accepted, and its outcome once it has one."""

    __slots__ = ("outcome", "received")

    def __init__(self, received: CommandReceived) -> None:
        self.received = received
        self.outcome: Outcome | None = None


class Ledger:
    """A fold over journal events. `version` counts all of them."""

    __slots__ = ("commands", "ended", "outcome", "start", "stuck", "tasks", "timers", "version")

    def __init__(self) -> None:
        self.version = 0
        self.start: RunStarted | None = None
        self.tasks: dict[int, OpenTask] = {}
        self.ended: set[int] = set()  # local tasks with a recorded outcome; they have no TaskScheduled
        self.timers: dict[int, float] = {}  # number -> due
        self.commands: dict[str, TakenCommand] = {}  # by command id
        self.outcome: Outcome | None = None
        self.stuck = False

    def is_new_outcome(self, task: int, *, local: bool) -> bool:
        """Say whether nobody recorded an outcome for this task yet: the first one wins."""
        if self.outcome is not None:
            return False
        return task not in self.ended if local else task in self.tasks

    def apply(self, event: JournalEvent) -> None:  # noqa: C901, PLR0912 - a table of one-line cases
        """Take the next event of the journal into account."""
        self.version += 1
        match event:
            case RunStarted():
                self.start = event
            case TaskScheduled():
                self.tasks[event.task] = OpenTask(event)
            case TaskCompleted() | TaskFailed():
                if self.tasks.pop(event.task, None) is None:
                    self.ended.add(event.task)
            case TaskAttemptFailed():
                if (task := self.tasks.get(event.task)) is not None:
                    task.attempt = event.attempt + 1
            case TimerSet():
                self.timers[event.timer] = event.due
            case TimerFired():
                self.timers.pop(event.timer, None)
            case CommandReceived():
                self.commands[event.id] = TakenCommand(event)
            case CommandCompleted():
                self.commands[event.id].outcome = Outcome(result=event.result)
            case CommandFailed():
                self.commands[event.id].outcome = Outcome(error=event.error)
            case RunCompleted():
                self.outcome = Outcome(result=event.result)
            case RunFailed():
                self.outcome = Outcome(error=event.error)
            case Stuck():
                self.stuck = True
            case Resumed():
                self.stuck = False
            case JournalEvent():
                raise TypeError(f"{type(event).__name__} is not an event that the ledger knows")
            case _:
                assert_never(event)
