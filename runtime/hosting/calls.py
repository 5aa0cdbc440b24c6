"""Commands between actors: how one instance gives another a command, wherever that lives, and hears of its end.

       the caller's partition                            the other's partition
    CommandSent, and a row ─────── Send, caller ───────► its record: CommandReceived, or an inbox mark;
    the row stays                                             ⋮       a refusal is an inbox mark, too
    CommandAnswered, row closed ◄── CommandOutcome ───── the commit that holds the end has a row with it,
                                                         which goes when the broker has confirmed it

A command that was only told needs no answer: the outcome is a receipt, sent as soon as the command is recorded, and
closes the row without an event.

Invariants, and who keeps them:
* a command that was given is recorded by the other side, whatever becomes of its giver: the decision and its row are one
  commit, and until an outcome came the giver's `Outbox` publishes the row again, ever more rarely;
* it is recorded once: its id is `stream#number`, unique for ever. A workflow's journal and an inbox mark hold it; the mark's
  unique key has the last word, also over a refusal: what was told as refused never has an effect later;
* every outcome that is told was durable before, in the commit of the record or after it, so all that are told agree;
* an outcome is told at least once, and at once (its row goes only after the broker's confirm); the giver's row asks again;
* commands of one instance to another are recorded in the order in which they were given: each names the one before it
  (`after`), and is passed over until that one is recorded. Passed over means acked without effect: its row is still there
  to come again. After `ORDER_WITHIN` it waits no more. The order of rows, lanes and queues only makes this rarely needed;
* nobody waits for ever: whatever can't be taken (unknown type, name or instance, bad arguments, finished, too old, put into
  quarantine) is an outcome with an error.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import UNSET
from msgspec.structs import replace

from actors.journal import Caller, CommandSent, ErrorInfo
from actors.names import split_stream
from actors.sending import ORDER_WITHIN
from actors.turn import CANCELLED, TERMINATED, TIMED_OUT, LogLine, Outcome
from eventstore import Commit, InboxMark, OutboxMessage, Quarantined
from runtime.hosting.children import row_of_outcome
from runtime.hosting.ground import Ground, fingerprint, storable
from runtime.hosting.item import Step
from runtime.hosting.replies import NULL
from runtime.messages import CommandOutcome, Reply, Send, Status, encode_message
from runtime.routing import partition_of
from runtime.transport.port import Destination

_ENDS: dict[Status, Literal["cancelled", "terminated", "timed_out"]] = {
    Status.CANCELLED: CANCELLED,
    Status.TERMINATED: TERMINATED,
    Status.TIMED_OUT: TIMED_OUT,
}
_PATIENCE = timedelta(seconds=ORDER_WITHIN)


def command_message(
    stream: str, sent: CommandSent, partitions: int, correlation_id: str | None, now: datetime
) -> OutboxMessage:
    """Make the message that gives another actor a command; its row has the same sort of id as a task's."""
    caller = Caller(stream, sent.command)
    message = Send(
        type=sent.type,
        id=sent.id,
        correlation_id=correlation_id,
        name=sent.name,
        command_id=caller.key,
        input=sent.input,
        sent_at=now,
        caller=caller,
        told=sent.told,
        after=sent.after,
    )
    partition = partition_of(sent.stream, partitions)
    return OutboxMessage(caller.key, Destination.COMMANDS, str(partition), encode_message(message), correlation_id)


def answer_message(message: Send, caller: Caller, outcome: Outcome, partitions: int) -> OutboxMessage:
    """Make the message that answers a caller's command: with its outcome, or with the receipt for what was told."""
    return outcome_of_command(message.stream, caller, outcome, partitions, message.correlation_id, told=message.told)


def outcome_of_command(
    stream: str, caller: Caller, outcome: Outcome, partitions: int, correlation_id: str | None, *, told: bool = False
) -> OutboxMessage:
    """Make the message that tells a caller what became of its command to a stream."""
    type_, id_ = split_stream(caller.stream)
    told_of = CommandOutcome(
        type=type_,
        id=id_,
        correlation_id=correlation_id,
        number=caller.number,
        actor=stream,
        told=told,
        result=UNSET if told or outcome.error is not None else outcome.result or NULL,
        error=None if told else outcome.error,
    )
    partition = partition_of(caller.stream, partitions)
    row = row_of_outcome(stream, caller)
    return OutboxMessage(row, Destination.COMMANDS, str(partition), encode_message(told_of), correlation_id)


def outcome_of(reply: Reply) -> Outcome:
    """Give the outcome that a stored reply stands for."""
    if reply.error is not None:
        error = reply.error
        if reply.status is Status.QUARANTINED:
            error = ErrorInfo("Quarantined", error.message)
        return Outcome(error=error, ended=_ENDS.get(reply.status))
    return Outcome(reply.result if reply.result is not UNSET else NULL)


def mark_of(message: Send, reply: Reply) -> InboxMark:
    """Make the inbox mark of a command: what came of it, or why it was refused."""
    return InboxMark(message.command_id, fingerprint(message.name, message.input), encode_message(reply))


def wanted_before(message: Send, ground: Ground) -> str | None:
    """Give the id of the command that has to be recorded before this one; None when there is none, or no more."""
    if message.caller is None or message.after is None:
        return None
    if message.sent_at is not None:
        sent_at = message.sent_at if message.sent_at.tzinfo else message.sent_at.replace(tzinfo=UTC)
        if ground.clock.now() - sent_at >= _PATIENCE:
            return None
    return Caller(message.caller.stream, message.after).key


def denial(message: Send, caller: Caller, reply: Reply, ground: Ground, version: int) -> Step:
    """Make the step that refuses a caller's command for ever: its mark, and the outcome or receipt, in one commit.

    A told command has nobody who hears of it, so it is put aside, too; under another id, with which it can be sent again.
    """
    commit = Commit(ground.partition, ground.epoch, message.stream, version, inbox=[mark_of(message, reply)])
    commit.outbox = [answer_message(message, caller, outcome_of(reply), ground.partitions)]
    step = Step(commit)
    if message.told and reply.error is not None:
        error = f"{reply.error.type}: {reply.error.message}"
        commit.quarantine = [_put_aside(message, storable(error, 2000), ground)]
        fields = {"command": message.name, "caller": caller.key, "error": error}
        step.logs = [LogLine("error", "told command put aside", fields)]
    return step


def _put_aside(message: Send, reason: str, ground: Ground) -> Quarantined:
    id = f"{message.command_id}~again"
    again = replace(message, command_id=id, caller=None, told=False, after=None, sent_at=None)
    return Quarantined(
        id=id,
        source=f"{Destination.COMMANDS}:{ground.partition}",
        body=encode_message(again),
        reason=reason,
        attempts=0,
        at=ground.clock.now(),
    )
