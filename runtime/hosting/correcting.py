"""Putting a workflow right by hand, without a new start (see `restarting`): what such a request does to an instance, and what answers it.

Invariants, and who keeps them:
* every correction is an event of the instance's own journal, with who did it, why, and the id of the request; nothing that was
  recorded before is changed;
* a request is carried out once: the `Ledger` knows the ids of all of the stream's corrections, those of former runs included.
  A repetition (its answer was lost, a node died after the commit) finds its id there and gets the first answer;
* what can't be done leaves no event, and its sender is told what to do instead. What came too late leaves a mark: see `requests`;
* while an instance is paused, everything that comes is recorded and nothing is lost, but its code hears of none of it, on
  no node and after no restart; it hears of all of it in the turn of `Unpaused`, as if it had come at that moment, in order;
* a failed run is retried by one event that takes back its last turn, and only if nothing but the news of the failure has left with it.
  What was open then is opened again in the turn of `Resumed`, by whoever loads it next: the listing's `busy` sees to that;
* what is settled by hand is settled once, and what comes of it later is no news: it is the same fact that its own outcome is.
"""

from __future__ import annotations

from typing import assert_never

from msgspec import Raw

from actors import InvalidInput
from actors.journal import Correction, ErrorInfo
from actors.turn import LogLine, Turn
from runtime.hosting.ground import answers, refusal
from runtime.hosting.instance import WorkflowInstance
from runtime.hosting.item import Item, Step
from runtime.hosting.replies import CORRECTED, conflict, ended, stuck
from runtime.hosting.requests import heard_before, in_words, lost
from runtime.messages import Pause, Reply, Resume, Retry, Skip, Status, error_reply

NOTHING_TO_DO = Reply(Status.OK, Raw(b'{"corrected":false}'))

Message = Pause | Resume | Skip | Retry


def correct(instance: WorkflowInstance, item: Item, message: Message) -> Step:
    """Do what the message asks of an instance."""
    ledger, what = instance.execution.ledger, in_words(message)
    if (done := ledger.corrections.get(message.command_id)) is not None:
        if done != what:
            return refusal(item, conflict(f"request {message.command_id} was carried out on {instance.stream}: {done}"))
        return Step(replies=answers(item, CORRECTED))
    # A retry hits nothing that has not failed.
    if not isinstance(message, Retry) and (before := heard_before(instance, item, message)) is not None:
        return before
    if ledger.start is None:
        return instance.not_found(item)
    if isinstance(message, Retry):
        return _retry(instance, item, message)
    now = instance.ground.clock.now()
    turn, reply = _corrected(instance, message, now.timestamp())
    if reply.error is not None and item.reply_to is None:
        return refusal(item, reply)
    if not turn.events and reply != CORRECTED:
        return lost(instance, item, message, reply)
    if turn.events:
        turn.logs.append(LogLine("warning", what, {"reason": message.reason, "by": message.by}))
    step = instance.step(turn, now, message.command_id)
    step.replies += answers(item, reply)
    return step


def _retry(instance: WorkflowInstance, item: Item, message: Retry) -> Step:
    """Take back the turn in which a run failed; or, if it is stuck, see at once whether it goes on."""
    execution, outcome = instance.execution, instance.execution.outcome
    failed = outcome is not None and outcome.status == "failed"
    if (failed and execution.last_turn is None) or (outcome is None and instance.broken and not item.looked):
        item.looked = True
        return Step(look=True)  # a load shows the turn, or tries what is stuck
    if outcome is None or (item.looked and not failed):
        return _tried(instance, item)
    if not failed:
        return refusal(item, ended(instance.stream, outcome, "and has no failed step"))
    now = instance.ground.clock.now()
    correction = Correction(message.command_id, message.reason, message.by)
    try:
        turn = execution.retry(correction, now.timestamp())
    except InvalidInput as error:
        return refusal(item, error_reply(Status.INVALID, InvalidInput(f"{instance.stream} can't be retried: {error}")))
    turn.logs.append(LogLine("warning", "retry", {"reason": message.reason, "by": message.by}))
    step = instance.step(turn, now, message.command_id)
    step.replies += answers(item, CORRECTED)
    instance.dirty = True  # it is loaded again, without the turn
    return step


def _tried(instance: WorkflowInstance, item: Item) -> Step:
    """Answer a retry of a run that has not ended."""
    if instance.paused:
        note = f"{instance.stream} is paused, and goes on when it is resumed"
    elif (broken := instance.execution.broken) is not None:
        return refusal(item, stuck(instance.stream, broken, "what it was sent", "it was tried just now"))
    else:
        return Step(replies=answers(item, CORRECTED if item.looked else NOTHING_TO_DO))
    return refusal(item, error_reply(Status.INVALID, InvalidInput(note)))


def _corrected(instance: WorkflowInstance, message: Pause | Resume | Skip, at: float) -> tuple[Turn, Reply]:
    if (outcome := instance.execution.outcome) is not None:
        return Turn(), ended(instance.stream, outcome, "and waits for nothing any more")
    match message:
        case Pause():
            turn = instance.execution.pause(message.command_id, message.reason, message.by)
            return turn, CORRECTED if turn.events else NOTHING_TO_DO
        case Resume():
            return _resume(instance, message, at)
        case Skip():
            return _skip(instance, message, at)
        case _:
            assert_never(message)


def _skip(instance: WorkflowInstance, message: Skip, at: float) -> tuple[Turn, Reply]:
    execution = instance.execution
    if instance.parked and (trouble := execution.broken) is not None:  # nobody here knows what would fit
        note = (
            f"{instance.stream} is parked ({trouble.message}), so it can't be judged what fits: ask where its code is"
        )
        return Turn(), Reply(Status.STUCK, error=ErrorInfo("InstanceStuck", note))
    outcome = message.error or (message.result if isinstance(message.result, Raw) else None)
    if message.error is not None and isinstance(message.result, Raw):
        return Turn(), error_reply(
            Status.INVALID, InvalidInput("a step is settled with `result` or with `error`: not both")
        )
    correction = Correction(message.command_id, message.reason, message.by)
    try:
        return execution.skip(message.step, correction, outcome, at), CORRECTED
    except InvalidInput as error:
        return Turn(), error_reply(Status.INVALID, error)


def _resume(instance: WorkflowInstance, message: Resume, at: float) -> tuple[Turn, Reply]:
    execution = instance.execution
    broken = execution.broken
    if execution.ledger.paused is None and broken is not None:
        note = (
            f"{instance.stream} is not paused: it is stuck ({broken.type}: {broken.message}), and goes on by itself when that is "
            "mended"
        )
        return Turn(), Reply(Status.STUCK, error=ErrorInfo("InstanceStuck", note))
    turn = execution.unpause(message.command_id, message.reason, message.by, at)
    return turn, CORRECTED if turn.events else NOTHING_TO_DO
