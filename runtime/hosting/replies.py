"""What a workflow's callers are told: outcomes, conflicts, and that it is stuck."""

from __future__ import annotations

from msgspec import Raw

from actors.failures import command_cancelled
from actors.journal import ErrorInfo
from actors.turn import Outcome
from runtime.messages import Reply, ReplyWhen, Send, Status, decode_reply

NULL = Raw(b"null")
COMMAND_CANCELLED = command_cancelled()
ACCEPTED = Reply(Status.OK, Raw(b'{"accepted":true}'))
CREATED = Reply(Status.OK, Raw(b'{"created":true}'))
THERE = Reply(Status.OK, Raw(b'{"created":false}'))  # it was there already
REQUESTED = Reply(Status.OK, Raw(b'{"requested":true}'))
TERMINATED = Reply(Status.OK, Raw(b'{"terminated":true}'))
CORRECTED = Reply(Status.OK, Raw(b'{"corrected":true}'))
RESOLVED = Reply(Status.OK, Raw(b'{"resolved":true}'))
CORRECTED = Reply(Status.OK, Raw(b'{"corrected":true}'))


def reply_for(outcome: Outcome) -> Reply:
    """Make the reply that tells an outcome."""
    if outcome.ended is not None:
        return Reply(Status(outcome.ended), error=outcome.error)
    if outcome.error is not None:
        return Reply(Status.FAILED, error=outcome.error)
    return Reply(Status.OK, outcome.result or NULL)


def conflict(what: str) -> Reply:
    """Make the reply to what comes under an id that was used for something else."""
    return Reply(Status.CONFLICT, error=ErrorInfo("Conflict", f"{what}; use another id, or repeat the same input"))


def ended(stream: str, outcome: Outcome, consequence: str) -> Reply:
    """Make the reply to what comes too late for a run that has ended."""
    return Reply(
        Status.FINISHED, error=ErrorInfo("AlreadyFinished", f"{stream} has ended ({outcome.status}) {consequence}")
    )


def missing(stream: str) -> Reply:
    """Make the reply to what is for a workflow that is not there."""
    return Reply(Status.NOT_FOUND, error=ErrorInfo("NotFound", f"there is no {stream}; start it first"))


def no_run(type: str) -> Reply:
    """Make the reply to a correction of an actor, which has no run."""
    note = f"{type} is an actor: it has no run to put right, only commands, each of which is handled or refused"
    return Reply(Status.INVALID, error=ErrorInfo("InvalidInput", note))


def stuck(stream: str, error: ErrorInfo, what: str = "the command", advice: str = "") -> Reply:
    """Make the reply to a command that waits for mended code."""
    note = f"{stream} is stuck ({error.type}: {error.message}); {what} is kept and handled when that is fixed"
    note += f"; {advice}" * bool(advice)
    return Reply(Status.STUCK, error=ErrorInfo("InstanceStuck", note))


def not_judged(stream: str, error: ErrorInfo) -> Reply:
    """Make the reply to a command that has a validator, which knows no state of a stuck instance to judge it by."""
    note = f"{stream} is stuck ({error.type}: {error.message}), so the command can't be judged and was not taken"
    return Reply(Status.STUCK, error=ErrorInfo("InstanceStuck", note))


def repeated(message: Send, first: bytes) -> Reply | bytes:
    """Give what a command's repetition hears: the first reply, or that it was accepted, if that is all it asks."""
    if message.reply_when is ReplyWhen.COMPLETED or _was_given_up(first):
        return first
    return ACCEPTED


def is_cancelled_command(reply: bytes) -> bool:
    """Say whether a command's reply tells that it was cancelled before it was due; an empty one tells nothing yet."""
    return bool(reply) and decode_reply(reply).error == COMMAND_CANCELLED


def _was_given_up(reply: bytes) -> bool:
    first = decode_reply(reply)
    return first.status is Status.QUARANTINED or first.error == COMMAND_CANCELLED


def ended_at_once(stream: str) -> Reply:
    """Make the reply to a command that came with the start of a run that did not wait for anything."""
    note = f"the run of {stream} would end before it could take the command; neither was done. Start it alone"
    return Reply(Status.FINISHED, error=ErrorInfo("AlreadyFinished", note))
