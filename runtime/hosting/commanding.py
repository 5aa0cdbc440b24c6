"""How a workflow instance takes a command: now or later, with a start, once, or not at all.

The journal is the inbox: a command id that it holds was accepted. Those of former runs have marks.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Raw

from actors import Failure, InvalidInput
from actors.codec import canonical
from actors.failures import error_info
from actors.ledger import TakenCommand
from actors.turn import Turn
from eventstore import InboxMark
from runtime.hosting.delayed import is_early, keep, settle
from runtime.hosting.ground import answers, fingerprint, refusal
from runtime.hosting.instance import WorkflowInstance
from runtime.hosting.item import Item, Step
from runtime.hosting.replies import (
    ACCEPTED,
    conflict,
    ended,
    ended_at_once,
    missing,
    not_judged,
    repeated,
    reply_for,
    stuck,
)
from runtime.messages import Reply, ReplyWhen, Send, Status, error_reply


def command(instance: WorkflowInstance, item: Item, message: Send) -> Step:
    """Take a command, now or for later."""
    if message.due_at is None or message.caller is not None:
        return command_now(instance, item, message)
    known = message.command_id in instance.execution.ledger.commands or message.command_id in instance.marks
    if is_early(message, instance.ground) and not known:
        if (refused := _objection_for_later(instance, message)) is not None:
            return refusal(item, refused)
        return keep(item, message, instance.marks, instance.ground, instance.version)
    if message.scheduled and isinstance(message.start, Raw) and not (known or item.looked):
        return Step(look=True)  # perhaps it was cancelled before there was an instance whose journal could tell
    step = command_now(instance, item, message)
    if not message.scheduled:
        return step
    version = instance.begins_at if instance.dirty else instance.version
    return settle(message, step, instance.ground, version, broken=instance.broken)


def command_now(instance: WorkflowInstance, item: Item, message: Send) -> Step:
    """Take a command whose time has come."""
    ledger = instance.execution.ledger
    if ledger.start is None:
        start, mark = message.start, instance.former_runs.inbox.get(message.command_id)
        if mark is not None:  # of an instance that was deleted, or it was cancelled
            return _handled_before(instance, item, message, mark)
        if instance.has_past and not item.looked:
            return Step(look=True)
        return _start_with(instance, item, message, start) if isinstance(start, Raw) else instance.not_found(item)
    if (taken := ledger.commands.get(message.command_id)) is not None:
        return _repeated(instance, item, message, taken)
    if (mark := instance.former_runs.inbox.get(message.command_id)) is not None:
        return _handled_before(instance, item, message, mark)
    if (refused := _objection(instance, message)) is not None:
        if ledger.run > 1 and not item.looked:
            return Step(look=True)  # a former run may have taken it
        return refusal(item, refused)
    return _take_command(instance, item, message, instance.ground.clock.now())


def _start_with(instance: WorkflowInstance, item: Item, message: Send, start: Raw) -> Step:
    """Start the instance and give it the command, in one commit: first the run, until it waits, then the command.

    Both or nothing: when the command can't be taken, the instance in memory is dropped as if it had never begun.
    """
    execution, now = instance.execution, instance.ground.clock.now()
    try:
        instance.kind.run_signature.decode(start)
        instance.kind.command(message.name).signature.decode(message.input)
    except InvalidInput as error:
        return refusal(item, error_reply(Status.INVALID, error))
    instance.correlation_id, instance.started_at = message.correlation_id or message.command_id, now
    begun = execution.start(start, message.command_id, now.timestamp())
    if (refused := _objection(instance, message)) is not None:
        instance.dirty = True
        return refusal(item, ended_at_once(instance.stream) if instance.finished else refused)
    return _take_command(instance, item, message, now, begun)


def _take_command(
    instance: WorkflowInstance, item: Item, message: Send, now: datetime, before: Turn | None = None
) -> Step:
    """Give the code a command that nothing speaks against; `before`, what becomes durable together with it."""
    accepted = message.reply_when is ReplyWhen.ACCEPTED
    if not accepted:
        instance.ground.waiters.add(instance.stream, message.command_id, item.reply_to)
    turn = instance.execution.command(
        message.command_id, message.name, message.input, now.timestamp(), message.caller, told=message.told
    )
    step = instance.step(turn if before is None else before.followed_by(turn), now, message.command_id, message)
    if accepted:
        step.replies += answers(item, ACCEPTED)
    elif (broken := instance.execution.broken) is not None:
        step.resolved.append((message.command_id, stuck(instance.stream, broken)))
    return step


def _repeated(instance: WorkflowInstance, item: Item, message: Send, taken: TakenCommand) -> Step:
    """Answer a command that the journal has."""
    received = taken.received
    if received.name != message.name or canonical(received.input) != canonical(message.input):
        return refusal(item, conflict(f"command id {message.command_id} was used for other input"))
    if message.reply_when is ReplyWhen.ACCEPTED and not received.cancelled:
        return Step(replies=answers(item, ACCEPTED))
    if taken.outcome is not None:
        return Step(replies=answers(item, reply_for(taken.outcome)))
    if (outcome := instance.execution.outcome) is not None:  # terminated, or its handlers would have ended
        return Step(replies=answers(item, reply_for(outcome)))
    if (broken := instance.execution.broken) is not None:
        return Step(replies=answers(item, stuck(instance.stream, broken)))
    instance.ground.waiters.add(instance.stream, message.command_id, item.reply_to)
    return Step()


def _handled_before(instance: WorkflowInstance, item: Item, message: Send, mark: InboxMark) -> Step:
    """Answer a command that a former run has handled."""
    if mark.digest != fingerprint(message.name, message.input):
        return refusal(item, conflict(f"command id {message.command_id} was used for other input"))
    reply = instance.former_runs.reply(mark)
    return Step() if reply is None else Step(replies=answers(item, repeated(message, reply)))


def _objection(instance: WorkflowInstance, message: Send) -> Reply | None:
    """Say why a command can't be taken at all: then it leaves no trace."""
    if (outcome := instance.execution.outcome) is not None:
        return ended(instance.stream, outcome, "and takes no more commands")
    if instance.parked:
        return instance.ground.too_old(message)  # nobody here can judge it: that is done when the code is back
    try:
        asked = instance.execution.kind.command(message.name)
        asked.signature.decode(message.input)
    except InvalidInput as error:
        return error_reply(Status.INVALID, error)
    if (too_old := instance.ground.too_old(message)) is not None or asked.validator is None:
        return too_old
    if instance.execution.ledger.paused is not None:
        return None  # by the state that it will meet: it is judged when the code hears of it
    if (broken := instance.execution.broken) is not None:
        return not_judged(instance.stream, broken)
    try:
        instance.execution.validate(message.name, message.input, instance.ground.clock.now().timestamp())
    except Failure as refused:
        return Reply(Status.FAILED, error=error_info(refused))
    return None


def _objection_for_later(instance: WorkflowInstance, message: Send) -> Reply | None:
    """Say why a delayed command can't be accepted: what is known today. A validator is asked when it is due."""
    try:
        instance.kind.command(message.name).signature.decode(message.input)
        if instance.execution.ledger.start is None:
            if not isinstance(message.start, Raw):
                return missing(instance.stream)
            instance.kind.run_signature.decode(message.start)
    except InvalidInput as error:
        return error_reply(Status.INVALID, error)
    if (outcome := instance.execution.outcome) is not None:
        return ended(instance.stream, outcome, "and takes no more commands")
    return instance.ground.too_old(message)
