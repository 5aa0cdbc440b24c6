"""Requests to end a workflow, to settle its promises and to put it right: each is heard once, by the run that it was said to.

Invariants, and who keeps them:
* a request that does something is in the journal, with its id. It leaves a mark in the inbox when another run takes its
  instance's place, or when the instance is deleted (`request_marks`, `correction_marks`);
* one that came too late, or after another one, does nothing, and the journal does not know it. It leaves its mark at once
  (`lost`), for what it was answered must stay true: said again it is not to cancel, hold or settle what has begun since;
* so an id has one mark at most. Whoever could take a repetition for something new asks the log for it first
  (`heard_before`); if the mark was not known here, the inbox's unique key refuses the commit, and the instance is loaded with it.

A retry leaves no mark: the ledger knows those that did something, in all runs. A restart leaves one at once (`restarting`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, assert_never

from msgspec import Raw

from actors.ledger import Ledger
from eventstore import InboxMark
from runtime.hosting.ground import answers, fingerprint, refusal
from runtime.hosting.item import Item, Step
from runtime.hosting.replies import CORRECTED, NULL, REQUESTED, RESOLVED, TERMINATED, conflict
from runtime.messages import (
    Cancel,
    Correct,
    Correction,
    Pause,
    Reply,
    Resolve,
    Restart,
    Resume,
    Retry,
    Skip,
    Status,
    Terminate,
    encode_message,
)

if TYPE_CHECKING:
    from runtime.hosting.instance import WorkflowInstance

Request = Cancel | Terminate | Resolve | Pause | Resume | Skip | Restart

_REQUEST = "\f"  # begins the mark of a request; no command id has one


def in_words(message: Correction) -> str:
    """Name a correction as the ledger does."""
    match message:
        case Pause():
            return "pause"
        case Resume():
            return "resume"
        case Skip():
            return f"skip #{message.step}"
        case Retry():
            return "retry"
        case Restart():
            return "restart"
        case _:
            assert_never(message)


def request_ids(request: Request) -> list[str]:
    """Give the ids of the marks of a request that another run is not to hear: did it something, or nothing?"""
    match request:
        case Cancel() | Terminate():
            return [_id(type(request).__name__, request.command_id)]
        case Resolve():
            return [_id(Resolve.__name__, request.command_id, request.name)]
        case _:
            # Two: an id that was used for several of them, by mistake, can have both.
            return [_id(Correct.__name__, request.command_id), _id(in_words(request), request.command_id)]


def _id(kind: str, command_id: str, name: str = "") -> str:
    digest = hashlib.blake2b(f"{kind}\n{name}\n{command_id}".encode(), digest_size=16)
    return _REQUEST + digest.hexdigest()


def request_marks(ledger: Ledger) -> list[InboxMark]:
    """Make the marks of what has cancelled or terminated a run that is over, and settled its promises."""
    marks: list[InboxMark] = []
    if ledger.cancel_id is not None:
        marks.append(_mark(_id(Cancel.__name__, ledger.cancel_id), REQUESTED))
    if ledger.terminated is not None:
        marks.append(_mark(_id(Terminate.__name__, ledger.terminated.id), TERMINATED))
    marks += [_mark(_id(Resolve.__name__, won.by, won.name), RESOLVED) for won in ledger.promises.values()]
    return marks


def correction_marks(ledger: Ledger) -> list[InboxMark]:
    """Make the marks of what was done by hand to an instance that is deleted: with it the ledger's memory goes."""
    done = ledger.corrections.items()
    return [_mark(_id(Correct.__name__, id), CORRECTED, _fingerprint(what)) for id, what in done]


def restart_mark(request: Restart, input: Raw) -> InboxMark:
    """Make the mark of a restart, which remembers its arguments."""
    return _mark(request_ids(request)[-1], CORRECTED, fingerprint("", input))


def heard_before(instance: WorkflowInstance, item: Item, message: Request) -> Step | None:
    """Answer a request that has its mark; None when this run is to hear it."""
    for mark in [mark for id in request_ids(message) if (mark := instance.marks.get(id)) is not None]:
        if mark.digest != _digest(message):
            return refusal(
                item, conflict(f"request {message.command_id} was another one to a former {instance.stream}")
            )
        return Step(replies=answers(item, mark.reply))
    return Step(look=True) if instance.has_past and not item.looked else None


def lost(instance: WorkflowInstance, item: Item, message: Request, reply: Reply) -> Step:
    """Answer a request that did nothing, for good. Without a mark, where the same request may do something yet."""
    if reply.status not in (Status.OK, Status.FINISHED):
        return Step(replies=answers(item, reply))
    mark = _mark(request_ids(message)[-1], reply, _digest(message))
    instance.marks[mark.command_id] = mark
    commit = instance.no_events()
    commit.inbox = [mark]
    return Step(commit, answers(item, reply))


def _digest(request: Request) -> int:
    return _fingerprint(in_words(request)) if isinstance(request, Correct) else 0


def _fingerprint(what: str) -> int:
    return fingerprint(what, NULL)


def _mark(id: str, reply: Reply, digest: int = 0) -> InboxMark:
    return InboxMark(id, digest, encode_message(reply))
