"""Settling by hand what the code waits for: a task, a timer, a child, a command to another actor.

The fact is the one that the operation's own outcome would be, with who did it and why. So the code can't tell one from the other,
the first outcome wins as ever, and what comes later is no news. What was asked of others stands: a worker is told that nobody
waits for the task any more, a child is left alone, a command is delivered all the same.
"""

from __future__ import annotations

from msgspec import Raw

from actors.definition import ActorType, WorkflowType
from actors.errors import InvalidInput
from actors.journal import (
    ChildCompleted,
    ChildFailed,
    CommandAnswered,
    Correction,
    ErrorInfo,
    Fact,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from actors.ledger import Ledger
from actors.signature import Signature
from actors.turn import LocalCall


def by_hand(
    kind: WorkflowType,
    ledger: Ledger,
    local_calls: dict[int, LocalCall],
    number: int,
    correction: Correction,
    outcome: Raw | ErrorInfo | None,
) -> Fact:
    """Make the fact that settles an operation.

    Args:
        kind: the instance's code, whose types a result is checked against.
        ledger: what is open by the journal.
        local_calls: local tasks that are under way, of which a journal knows nothing.
        number: the operation's.
        correction: who does it.
        outcome: a result, a failure, or nothing for a timer.

    Raises:
        InvalidInput: it is not open; the result does not fit; or it can't be settled that way.
    """
    if number in ledger.timers:
        if outcome is not None:
            raise InvalidInput(f"#{number} is a timer: it has no result and can't fail; skip it with neither")
        return TimerFired(number, correction)
    if (task := ledger.tasks.get(number)) is not None:
        scheduled = task.scheduled
        checked = _checked(_task(kind, scheduled.name), outcome, number)
        return _task_ended(number, checked, task.attempt, None, correction)
    if (call := local_calls.get(number)) is not None:
        return _task_ended(number, _checked(_task(kind, call.name), outcome, number), 1, call.name, correction)
    if number > ledger.before:  # those of former runs nobody waits for
        if (child := ledger.children.get(number)) is not None:
            return _child_ended(number, _checked(_run(kind, child.type), outcome, number), correction)
        if (sent := ledger.sent.get(number)) is not None:
            return _answered(number, _checked(_command(kind, sent.type, sent.name), outcome, number), correction)
    raise InvalidInput(f"#{number} is not open; {_what_is(ledger, local_calls)}")


def _task_ended(
    number: int, outcome: Raw | ErrorInfo, attempts: int, local: str | None, correction: Correction
) -> Fact:
    if isinstance(outcome, ErrorInfo):
        return TaskFailed(number, outcome, attempts, local, correction)
    return TaskCompleted(number, outcome, local, correction)


def _child_ended(number: int, outcome: Raw | ErrorInfo, correction: Correction) -> Fact:
    if isinstance(outcome, ErrorInfo):
        return ChildFailed(number, outcome, correction=correction)
    return ChildCompleted(number, outcome, correction)


def _answered(number: int, outcome: Raw | ErrorInfo, correction: Correction) -> Fact:
    if isinstance(outcome, ErrorInfo):
        return CommandAnswered(number, error=outcome, correction=correction)
    return CommandAnswered(number, outcome, correction=correction)


def _checked(signature: Signature | None, outcome: Raw | ErrorInfo | None, number: int) -> Raw | ErrorInfo:
    if outcome is None:
        raise InvalidInput(f"#{number} needs what it is to give: a result (null is one), or a failure")
    if signature is not None and not isinstance(outcome, ErrorInfo):
        try:
            signature.decode_result(outcome)
        except InvalidInput as error:
            raise InvalidInput(f"the result does not fit what #{number}, {signature.owner}, gives: {error}") from error
    return outcome


def _task(kind: WorkflowType, name: str) -> Signature | None:
    task = kind.tasks.get(name)
    return None if task is None else task.signature


def _run(kind: WorkflowType, name: str) -> Signature | None:
    child = kind.siblings.get(name)
    return child.run_signature if isinstance(child, WorkflowType) else None


def _command(kind: WorkflowType, name: str, command: str) -> Signature | None:
    actor = kind.siblings.get(name)
    handler = actor.commands.get(command) if isinstance(actor, ActorType | WorkflowType) else None
    return None if handler is None else handler.signature


def _what_is(ledger: Ledger, local_calls: dict[int, LocalCall]) -> str:
    found = (
        [f"task #{number} {task.scheduled.name}" for number, task in ledger.tasks.items()]
        + [f"local task #{number} {call.name}" for number, call in local_calls.items()]
        + [f"timer #{number}" for number in ledger.timers]
        + [f"child #{number} {child.stream}" for number, child in ledger.children.items() if number > ledger.before]
        + [
            f"command #{number} {sent.stream} {sent.name}"
            for number, sent in ledger.sent.items()
            if number > ledger.before
        ]
    )
    return f"open are {', '.join(found[:_MOST])}{' …' * (len(found) > _MOST)}" if found else "nothing is"


_MOST = 20
