"""What a workflow's journal says by itself, without running any user code.

A stuck instance goes on recording what comes to it; the ledger is what tells news from repetition there, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from actors.attributes import Attribute
from actors.failures import cancelled, terminated, timed_out
from actors.journal import (
    AttributesSet,
    CancelRequested,
    ChildCancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    CommandAnswered,
    CommandBegan,
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    CommandSent,
    Correction,
    Emitted,
    InstanceDeleted,
    JournalEvent,
    Patched,
    Paused,
    PromiseRejected,
    PromiseResolved,
    Resumed,
    RunCancelled,
    RunCompleted,
    RunContinued,
    RunFailed,
    RunRetried,
    RunStarted,
    RunTerminated,
    RunTimedOut,
    Stuck,
    TaskAttemptFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TasksScheduled,
    TimerFired,
    TimerSet,
    Unpaused,
    ValueRecorded,
)
from actors.turn import CANCELLED, TERMINATED, TIMED_OUT, Outcome

PROMISE = "\v"  # begins the name of a promise among the schemas; no command id has one


class OpenTask:
    """A task that a worker still owes an outcome for. One that nobody awaits has no message, nor another attempt."""

    __slots__ = ("attempt", "awaited", "former", "scheduled")

    def __init__(self, scheduled: TaskScheduled) -> None:
        self.scheduled = scheduled
        self.attempt = 1
        self.former = 0  # attempts before it was tried again by hand: they count no more
        self.awaited = True  # as far as the code was run: no event says otherwise


class TakenCommand:
    """A command that was accepted, and its outcome once it has one."""

    __slots__ = ("outcome", "received")

    def __init__(self, received: CommandReceived) -> None:
        self.received = received
        self.outcome: Outcome | None = None


class Ledger:
    """A fold over journal events. `version` counts all of them."""

    __slots__ = (
        "attributes",
        "before",
        "cancel",
        "cancel_id",
        "children",
        "commands",
        "corrections",
        "ended",
        "outcome",
        "paused",
        "promises",
        "retried",
        "run",
        "schemas",
        "sent",
        "start",
        "start_schema",
        "stuck",
        "stuck_by",
        "tasks",
        "terminated",
        "timers",
        "unheard",
        "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.version = 0
        self.run = 1  # which one this is
        self.before = 0  # operations of former runs: nobody waits for them
        self.start: RunStarted | None = None
        self.start_schema = 1  # in which form its arguments were recorded
        self.tasks: dict[int, OpenTask] = {}
        self.ended: set[int] = set()  # local tasks with a recorded outcome; they have no TaskScheduled
        self.timers: dict[int, float] = {}  # number -> due
        self.children: dict[int, ChildStarted] = {}  # whose outcome is still to come, also when the run has ended
        self.sent: dict[int, CommandSent] = {}  # to others, whose answer is still to come, as with children
        self.unheard: dict[int, CommandSent] = {}  # those that somebody settled by hand: their answers close rows
        self.commands: dict[str, TakenCommand] = {}  # by command id
        self.attributes: dict[str, Attribute] | None = None  # None: never had any
        self.promises: dict[str, PromiseResolved | PromiseRejected] = {}  # the first that settled each, by name
        self.cancel: CancelRequested | None = None  # the run's first, and the only one that counts
        self.cancel_id: str | None = None  # of the last one since the start, also when it was a former run's
        self.terminated: RunTerminated | None = None
        self.schemas: dict[str, int] = {}  # of commands and promises that were recorded in another form than the first
        self.outcome: Outcome | None = None
        self.paused: Paused | None = None
        self.corrections: dict[str, str] = {}  # what was done by hand, by the id of the request, in all runs
        self.retried = False  # and what was open is not open again yet
        self.stuck = False
        self.stuck_by: str | None = None  # the type of the error that the journal names

    @property
    def deadline(self) -> float | None:
        """By when the instance must have ended, in seconds since the epoch; its timer has the number 0."""
        return None if self.start is None else self.start.deadline

    def is_new_outcome(self, task: int, *, local: bool) -> bool:
        """Say whether nobody recorded an outcome for this task yet: the first one wins."""
        if self.outcome is not None:
            return False
        return (task > self.before and task not in self.ended) if local else task in self.tasks

    def skipped(self, correction: Correction, number: int) -> None:
        """Note that an operation was settled by hand."""
        self.corrections[correction.id] = f"skip #{number}"

    def apply(self, event: JournalEvent) -> None:
        """Take the next event of the journal into account."""
        if (take := _TAKE.get(type(event))) is None:
            raise TypeError(f"{type(event).__name__} is not an event that the ledger knows")
        self.version += 1
        take(self, event)


def _run_started(ledger: Ledger, event: RunStarted) -> None:
    if event.again:
        _start_again(ledger, event)
    ledger.start = event
    ledger.attributes = event.attributes
    if event.correction is not None:
        ledger.corrections[event.correction.id] = "restart"


def _instance_deleted(ledger: Ledger, event: InstanceDeleted) -> None:
    ledger.run, ledger.before = event.run, event.asked


def _attributes_set(ledger: Ledger, event: AttributesSet) -> None:
    merged = {**(ledger.attributes or {}), **event.values}
    ledger.attributes = {name: value for name, value in merged.items() if value is not None}


def _task_scheduled(ledger: Ledger, event: TaskScheduled) -> None:
    ledger.tasks[event.task] = OpenTask(event)


def _tasks_scheduled(ledger: Ledger, event: TasksScheduled) -> None:
    for scheduled in event.each():
        ledger.tasks[scheduled.task] = OpenTask(scheduled)


def _task_ended(ledger: Ledger, event: TaskCompleted | TaskFailed) -> None:
    if ledger.tasks.pop(event.task, None) is None:
        ledger.ended.add(event.task)
    if event.correction is not None:
        ledger.skipped(event.correction, event.task)


def _attempt_failed(ledger: Ledger, event: TaskAttemptFailed) -> None:
    if (task := ledger.tasks.get(event.task)) is not None:
        task.attempt = event.attempt + 1


def _timer_set(ledger: Ledger, event: TimerSet) -> None:
    ledger.timers[event.timer] = event.due


def _timer_fired(ledger: Ledger, event: TimerFired) -> None:
    ledger.timers.pop(event.timer, None)
    if event.correction is not None:
        ledger.skipped(event.correction, event.timer)


def _child_started(ledger: Ledger, event: ChildStarted) -> None:
    ledger.children[event.child] = event


def _child_ended(ledger: Ledger, event: ChildCompleted | ChildFailed) -> None:
    ledger.children.pop(event.child, None)
    if event.correction is not None:
        ledger.skipped(event.correction, event.child)


def _no_news(_: Ledger, event: JournalEvent) -> None:
    """Take what only an actor's stream has: which of its commands is under way is known from elsewhere."""


def _command_sent(ledger: Ledger, event: CommandSent) -> None:
    if not event.told:
        ledger.sent[event.command] = event


def _command_answered(ledger: Ledger, event: CommandAnswered) -> None:
    sent = ledger.sent.pop(event.command, None)
    if event.correction is not None:
        ledger.skipped(event.correction, event.command)
        if sent is not None:
            ledger.unheard[event.command] = sent


def _command_received(ledger: Ledger, event: CommandReceived) -> None:
    ledger.commands[event.id] = TakenCommand(event)


def _command_completed(ledger: Ledger, event: CommandCompleted) -> None:
    # Unknown in a journal that was damaged only. Replay says so; the ledger goes on, as with every other event.
    if (taken := ledger.commands.get(event.id)) is not None:
        taken.outcome = Outcome(result=event.result)


def _command_failed(ledger: Ledger, event: CommandFailed) -> None:
    if (taken := ledger.commands.get(event.id)) is not None:
        taken.outcome = Outcome(error=event.error)


def _start_again(ledger: Ledger, event: RunStarted) -> None:
    ledger.run += 1
    ledger.before = event.asked
    ledger.tasks, ledger.timers, ledger.ended = {}, {}, set()
    ledger.commands, ledger.schemas, ledger.promises = {}, {}, {}
    ledger.outcome = ledger.cancel = ledger.cancel_id = ledger.terminated = ledger.stuck_by = None
    ledger.paused = None
    ledger.stuck = ledger.retried = False


def _run_continued(ledger: Ledger, event: RunContinued) -> None:
    ledger.run += 1
    ledger.before = event.asked
    ledger.cancel = ledger.cancel if event.cancelled else None
    ledger.tasks, ledger.timers, ledger.ended = {}, {}, set()
    # The ends of children, and of commands to others, close rows. Commands without an outcome are the new run's.
    ledger.commands = {id: taken for id, taken in ledger.commands.items() if taken.outcome is None}
    ledger.schemas = {id: schema for id, schema in ledger.schemas.items() if id in ledger.commands or id[:1] == PROMISE}


def _run_completed(ledger: Ledger, event: RunCompleted) -> None:
    ledger.outcome = Outcome(result=event.result)


def _run_failed(ledger: Ledger, event: RunFailed) -> None:
    ledger.outcome = Outcome(error=event.error)


def _of_no_account(ledger: Ledger, _: Patched | ValueRecorded | ChildCancelRequested) -> None:
    """Only the code that asked is concerned."""


def _cancel_requested(ledger: Ledger, event: CancelRequested) -> None:
    ledger.cancel, ledger.cancel_id = event, event.id


def _run_cancelled(ledger: Ledger, event: RunCancelled) -> None:
    ledger.outcome = Outcome(error=cancelled(event.reason), ended=CANCELLED)


def _run_terminated(ledger: Ledger, event: RunTerminated) -> None:
    ledger.terminated = event
    _break_off(ledger, Outcome(error=terminated(event.reason), ended=TERMINATED))


def _break_off(ledger: Ledger, outcome: Outcome) -> None:
    """End the run with the commands that are under way: their outcome is the run's."""
    ledger.outcome = outcome
    for taken in ledger.commands.values():
        if taken.outcome is None:
            taken.outcome = outcome


def _promise_settled(ledger: Ledger, event: PromiseResolved | PromiseRejected) -> None:
    ledger.promises.setdefault(event.name, event)


def _run_timed_out(ledger: Ledger, event: RunTimedOut) -> None:
    _break_off(ledger, Outcome(error=timed_out(event.deadline), ended=TIMED_OUT))


def _stuck(ledger: Ledger, event: Stuck) -> None:
    ledger.stuck, ledger.stuck_by = True, event.error.type


def _paused(ledger: Ledger, event: Paused) -> None:
    ledger.paused = event
    ledger.corrections[event.id] = "pause"


def _unpaused(ledger: Ledger, event: Unpaused) -> None:
    ledger.paused = None
    ledger.corrections[event.id] = "resume"


def _resumed(ledger: Ledger, _: Resumed) -> None:
    ledger.stuck, ledger.stuck_by = False, None
    ledger.retried = False


def _run_retried(ledger: Ledger, event: RunRetried) -> None:
    # The turn that is taken back this ledger has never heard of, or it is of no use any more.
    ledger.outcome, ledger.retried = None, True
    ledger.corrections[event.id] = "retry"
    ledger.timers = {number: due + event.idle for number, due in ledger.timers.items()}
    if ledger.start is not None and ledger.start.deadline is not None:
        ledger.start = replace(ledger.start, deadline=ledger.start.deadline + event.idle)
    if (task := ledger.tasks.get(event.step)) is not None:
        task.former, task.attempt = task.attempt, task.attempt + 1


# A table, because every event of every replay comes by here, and `match` tries one class after another.
_TAKE: dict[type[JournalEvent], Callable[[Ledger, Any], None]] = {
    RunStarted: _run_started,
    InstanceDeleted: _instance_deleted,
    TaskScheduled: _task_scheduled,
    TasksScheduled: _tasks_scheduled,
    TaskCompleted: _task_ended,
    TaskFailed: _task_ended,
    TaskAttemptFailed: _attempt_failed,
    TimerSet: _timer_set,
    TimerFired: _timer_fired,
    ChildStarted: _child_started,
    ChildCompleted: _child_ended,
    ChildFailed: _child_ended,
    CommandSent: _command_sent,
    CommandBegan: _no_news,
    Emitted: _no_news,
    CommandAnswered: _command_answered,
    CommandReceived: _command_received,
    CommandCompleted: _command_completed,
    CommandFailed: _command_failed,
    RunCompleted: _run_completed,
    RunContinued: _run_continued,
    RunFailed: _run_failed,
    CancelRequested: _cancel_requested,
    RunCancelled: _run_cancelled,
    RunTerminated: _run_terminated,
    PromiseResolved: _promise_settled,
    PromiseRejected: _promise_settled,
    RunTimedOut: _run_timed_out,
    Stuck: _stuck,
    Resumed: _resumed,
    RunRetried: _run_retried,
    Paused: _paused,
    Unpaused: _unpaused,
    AttributesSet: _attributes_set,
    Patched: _of_no_account,
    ChildCancelRequested: _of_no_account,
    ValueRecorded: _of_no_account,
}
