"""What comes back to running code: the ends of tasks, timers, children, and of commands to others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw

from actors.execution import Execution
from actors.testing.mail import ChildEnded, CommandEnded, LocalEnded, TaskEnded, TimerDue
from actors.turn import Turn

_NULL = Raw(b"null")


def _task_ended(execution: Execution, mail: TaskEnded, at: float) -> Turn:
    if mail.error is None:
        return execution.task_completed(mail.task, mail.result or _NULL, at)
    open_task = execution.ledger.tasks.get(mail.task)
    if open_task is None or open_task.attempt != mail.attempt:
        return Turn()
    retry = execution.kind.tasks[open_task.scheduled.name].retry
    delay = retry.delay_after(mail.attempt, 0.0) if mail.retryable and open_task.awaited else None
    if delay is None:
        return execution.task_failed(mail.task, mail.error, mail.attempt, at)
    return execution.task_attempt_failed(mail.task, mail.attempt, mail.error, at + delay, at)


def _local_ended(execution: Execution, mail: LocalEnded, at: float) -> Turn:
    call = mail.call
    if mail.error is None:
        return execution.task_completed(call.task, mail.result or _NULL, at, local=call.name)
    return execution.task_failed(call.task, mail.error, mail.attempts, at, local=call.name)


def _timer_due(execution: Execution, mail: TimerDue, at: float) -> Turn:
    return execution.timer_fired(mail.timer, at)


def _child_ended(execution: Execution, mail: ChildEnded, at: float) -> Turn:
    return execution.child_ended(mail.number, mail.child, mail.outcome, at)


def _command_ended(execution: Execution, mail: CommandEnded, at: float) -> Turn:
    return execution.command_answered(mail.number, mail.actor, mail.outcome, at)


# A new kind of outcome adds a function and its line here.
OUTCOMES: dict[type, Callable[[Execution, Any, float], Turn]] = {
    TaskEnded: _task_ended,
    LocalEnded: _local_ended,
    TimerDue: _timer_due,
    ChildEnded: _child_ended,
    CommandEnded: _command_ended,
}
