"""What an event of a journal means for the turn that appends it: messages to send, timers to keep, callers to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.failures import cancelled, terminated, timed_out
from actors.journal import (
    AttributesSet,
    ChildCancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    CommandAnswered,
    CommandCompleted,
    CommandFailed,
    CommandSent,
    JournalEvent,
    RunCancelled,
    RunCompleted,
    RunContinued,
    RunFailed,
    RunStarted,
    RunTerminated,
    RunTimedOut,
    Stop,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TasksScheduled,
    TimerFired,
    TimerSet,
)
from actors.ledger import Ledger
from actors.turn import CANCELLED, TERMINATED, TIMED_OUT, Answer, Outcome, StoppedChild, TimerRow, Turn

DEADLINE = 0  # the number of the timer that ends an instance; the code's begin with 1


def _run_started(turn: Turn, event: RunStarted, ledger: Ledger) -> None:
    if event.again:
        _leave_commands(turn, ledger)
    if event.deadline is not None:
        turn.timers_set.append(TimerRow(DEADLINE, event.deadline))


def _task_scheduled(turn: Turn, event: TaskScheduled, _: Ledger) -> None:
    turn.tasks.append(event)


def _tasks_scheduled(turn: Turn, event: TasksScheduled, _: Ledger) -> None:
    turn.tasks.extend(event.each())


def _task_ended(turn: Turn, event: TaskCompleted | TaskFailed, _: Ledger) -> None:
    if event.name is None:  # a local task has no message that is to be closed
        turn.tasks_closed.append(event.task)


def _child_started(turn: Turn, event: ChildStarted, _: Ledger) -> None:
    if turn.children is None:
        turn.children = []
    turn.children.append(event)


def _child_ended(turn: Turn, event: ChildCompleted | ChildFailed, _: Ledger) -> None:
    turn.tasks_closed.append(event.child)


def _command_sent(turn: Turn, event: CommandSent, _: Ledger) -> None:
    if turn.sent is None:
        turn.sent = []
    turn.sent.append(event)


def _command_answered(turn: Turn, event: CommandAnswered, _: Ledger) -> None:
    if event.correction is None:  # else its row stays until it is answered: those after it wait for its being there
        turn.tasks_closed.append(event.command)


def _child_cancel_requested(turn: Turn, event: ChildCancelRequested, ledger: Ledger) -> None:
    if (started := ledger.children.get(event.child)) is not None:  # else it has ended
        _stop(turn, started, Stop(event.how, event.reason))


def _stop(turn: Turn, started: ChildStarted, stop: Stop) -> None:
    if turn.stopped is None:
        turn.stopped = []
    turn.stopped.append(StoppedChild(started, stop))


def _attributes_set(turn: Turn, _event: AttributesSet, _ledger: Ledger) -> None:
    turn.relisted = True


def _timer_set(turn: Turn, event: TimerSet, _: Ledger) -> None:
    turn.timers_set.append(TimerRow(event.timer, event.due))


def _timer_fired(turn: Turn, event: TimerFired, ledger: Ledger) -> None:
    turn.timers_cleared.append(TimerRow(event.timer, ledger.timers[event.timer]))


def _command_completed(turn: Turn, event: CommandCompleted, _: Ledger) -> None:
    turn.answers.append(Answer(event.id, Outcome(result=event.result)))


def _command_failed(turn: Turn, event: CommandFailed, _: Ledger) -> None:
    turn.answers.append(Answer(event.id, Outcome(error=event.error)))


def _run_continued(turn: Turn, _: RunContinued, ledger: Ledger) -> None:
    _leave_commands(turn, ledger)
    turn.local_calls = []
    _no_more_of(turn, ledger)


def _leave_commands(turn: Turn, ledger: Ledger) -> None:
    turn.left = [*(turn.left or ()), *ledger.commands.values()]
    turn.first_run_left = turn.first_run_left or ledger.run == 1


def _run_completed(turn: Turn, event: RunCompleted, ledger: Ledger) -> None:
    _run_ended(turn, Outcome(result=event.result), ledger)


def _run_failed(turn: Turn, event: RunFailed, ledger: Ledger) -> None:
    _run_ended(turn, Outcome(error=event.error), ledger)


def _run_cancelled(turn: Turn, event: RunCancelled, ledger: Ledger) -> None:
    _run_ended(turn, Outcome(error=cancelled(event.reason), ended=CANCELLED), ledger)


def _run_terminated(turn: Turn, event: RunTerminated, ledger: Ledger) -> None:
    _run_broken_off(turn, Outcome(error=terminated(event.reason), ended=TERMINATED), ledger, tree=event.tree)


def _run_timed_out(turn: Turn, event: RunTimedOut, ledger: Ledger) -> None:
    _run_broken_off(turn, Outcome(error=timed_out(event.deadline), ended=TIMED_OUT), ledger)


def _run_broken_off(turn: Turn, outcome: Outcome, ledger: Ledger, *, tree: bool = False) -> None:
    # Every other end waits for the handlers; this one takes them along, and their callers must not wait for ever.
    turn.answers.extend(Answer(id, outcome) for id, taken in ledger.commands.items() if taken.outcome is None)
    _run_ended(turn, outcome, ledger, tree=tree)


def _run_ended(turn: Turn, outcome: Outcome, ledger: Ledger, *, tree: bool = False) -> None:
    turn.finished = outcome
    _no_more_of(turn, ledger, tree=tree)
    if ledger.deadline is not None:
        turn.timers_cleared.append(TimerRow(DEADLINE, ledger.deadline))


def _no_more_of(turn: Turn, ledger: Ledger, *, tree: bool = False) -> None:
    if ledger.tasks:
        turn.tasks_closed.extend(ledger.tasks)
    if turn.tasks:
        turn.tasks = []  # asked for in this very turn, and never to be sent
    for started in ledger.children.values():
        if started.on_close == "abandon" or (started.child <= ledger.before and not tree):
            continue  # it goes on, and must be started if it is not yet; or a former run's end has stopped it
        _stop(turn, started, Stop("terminate" if tree else started.on_close, "its parent has ended", tree))
    if ledger.timers:
        turn.timers_cleared.extend(TimerRow(number, due) for number, due in ledger.timers.items())


# By the event's type; called before the ledger knows of the event.
CONSEQUENCES: dict[type[JournalEvent], Callable[[Turn, Any, Ledger], None]] = {
    RunStarted: _run_started,
    TaskScheduled: _task_scheduled,
    TasksScheduled: _tasks_scheduled,
    TaskCompleted: _task_ended,
    TaskFailed: _task_ended,
    ChildStarted: _child_started,
    ChildCompleted: _child_ended,
    ChildFailed: _child_ended,
    CommandSent: _command_sent,
    CommandAnswered: _command_answered,
    ChildCancelRequested: _child_cancel_requested,
    AttributesSet: _attributes_set,
    TimerSet: _timer_set,
    TimerFired: _timer_fired,
    CommandCompleted: _command_completed,
    CommandFailed: _command_failed,
    RunCompleted: _run_completed,
    RunContinued: _run_continued,
    RunFailed: _run_failed,
    RunCancelled: _run_cancelled,
    RunTerminated: _run_terminated,
    RunTimedOut: _run_timed_out,
}
