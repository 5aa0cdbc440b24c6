"""What is told of a message that crashed its handler again and again: the reply, and the marks that have it stand."""

from __future__ import annotations

from typing import NamedTuple

from actors.journal import ErrorInfo
from eventstore import InboxMark, OutboxMessage
from runtime.hosting.calls import answer_message, mark_of, outcome_of
from runtime.hosting.entity import EntityBehaviour
from runtime.hosting.ground import Ground
from runtime.hosting.item import Item
from runtime.hosting.parked import ParkedActor
from runtime.hosting.workflow import WorkflowBehaviour
from runtime.messages import Reply, Send, Status

MAX_ATTEMPTS = 3  # handlings of one item that may raise something undeclared, before it is quarantined


class Verdict(NamedTuple):
    """What goes with a message that is put aside."""

    reply: Reply
    marks: list[InboxMark]  # which give its repetitions the same answer
    outbox: list[OutboxMessage]  # which tell the actor that gave it


def verdict(
    ground: Ground, behaviour: WorkflowBehaviour | EntityBehaviour | ParkedActor, item: Item, error: ErrorInfo
) -> Verdict | None:
    """Say what goes with a message that is put aside; None when it comes again by itself, and need not be kept."""
    note = f"the handler crashed {item.attempts} times and the message was put aside: {error.type}: {error.message}"
    reply = Reply(Status.QUARANTINED, error=ErrorInfo(error.type, note))
    if not isinstance(item.content, Send):
        return Verdict(reply, [], [])
    marks = behaviour.quarantined(item.content, reply) if isinstance(behaviour, EntityBehaviour) else []
    if (caller := item.content.caller) is None:
        return Verdict(reply, marks, [])
    if isinstance(behaviour, EntityBehaviour) and not marks:
        return None  # an actor that can't be rebuilt
    told = answer_message(item.content, caller, outcome_of(reply), ground.partitions)
    return Verdict(reply, marks or [mark_of(item.content, reply)], [told])
