"""Child workflows: how one workflow starts another, wherever that lives, and hears of its end.

       the parent's partition                            the child's partition
    ChildStarted, and a row ────── Start, caller ──────► RunStarted, which journals the caller
    the row stays                                             ⋮
    ChildCompleted, row closed ◄─── ChildOutcome ─────── RunCompleted, and a row,
                                                         which goes when the broker has confirmed it

Invariants, and who keeps them:
* a child that was asked for is started, and its end is told, whatever becomes of the parent: the decision and its row are
  one commit, and until the outcome was taken the parent's `Outbox` publishes the row again, ever more rarely;
* it is started once: a stream begins once (its unique version 1), and its `RunStarted` names the caller. The same call
  said again attaches, and is answered again if the child has ended; every other caller is told of the conflict;
* its end is told at least once, and at once: the outcome's row is in the commit that ends the run, and is removed only
  after the broker's confirm (`Outbox`). If the broker loses it then, the parent's row is still there to ask again;
* its end is taken once: the parent's `Ledger` knows which children are open, and by which names;
* nothing is refused into the quarantine: a Start or an outcome that can't be taken here and now comes again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import UNSET

from actors import InvalidInput
from actors.journal import Caller, ChildStarted
from actors.names import split_stream
from actors.turn import Outcome
from eventstore import OutboxMessage
from runtime.hosting.replies import NULL
from runtime.messages import ChildOutcome, Inbound, Start, decode_inbound, encode_message
from runtime.routing import partition_of
from runtime.transport.port import Destination

MOST_BETWEEN = timedelta(hours=1)  # two publications of a Start whose child runs and runs
_OUTCOME = "="  # begins the id of an outcome's row: no type's name begins so, and other rows begin with one
_MOST_OPERATIONS = 2**31


def start_message(
    parent: str, started: ChildStarted, partitions: int, correlation_id: str | None, now: datetime
) -> OutboxMessage:
    """Make the message that starts a child; its row has the same sort of id as a task's."""
    caller = Caller(parent, started.child)
    start = Start(
        type=started.type,
        id=started.id,
        correlation_id=correlation_id,
        input=started.input,
        command_id=caller.key,
        caller=caller,
        asked_at=now,
    )
    partition = partition_of(started.stream, partitions)
    return OutboxMessage(caller.key, Destination.COMMANDS, str(partition), encode_message(start), correlation_id)


def outcome_message(
    child: str, caller: Caller, outcome: Outcome, partitions: int, correlation_id: str | None
) -> OutboxMessage:
    """Make the message that tells a child's caller of its end."""
    type_, id_ = split_stream(caller.stream)
    told = ChildOutcome(
        type=type_,
        id=id_,
        correlation_id=correlation_id,
        number=caller.number,
        child=child,
        result=(outcome.result or NULL) if outcome.error is None else UNSET,
        error=outcome.error,
    )
    row = f"{_OUTCOME}{child}={caller.key}"
    partition = partition_of(caller.stream, partitions)
    return OutboxMessage(row, Destination.COMMANDS, str(partition), encode_message(told), correlation_id)


def is_done_when_confirmed(message: OutboxMessage) -> bool:
    """Say whether a row has done its duty when the broker has confirmed its message: outcomes have, nothing else."""
    return message.id.startswith(_OUTCOME)


def restart_after(message: OutboxMessage, now: datetime, least: timedelta) -> timedelta:
    """Say how long to wait for a child's outcome before its Start is published again: as long as it has been asked for.

    So the pauses double, from `least` up to `MOST_BETWEEN`, and no count of attempts needs to be kept.
    """
    start = decode_inbound(message.body)
    asked_at = start.asked_at if isinstance(start, Start) else None
    return least if asked_at is None else max(least, min(now - asked_at, MOST_BETWEEN))


def check_caller(start: Start, caller: Caller) -> None:
    """See that a Start is what a workflow sends; raises `InvalidInput`."""
    split_stream(caller.stream)
    if not 1 <= caller.number <= _MOST_OPERATIONS or start.command_id != caller.key:
        raise InvalidInput(
            f"caller {caller.key} and command_id {start.command_id!r} do not belong together; "
            "leave `caller` out: only workflows that start others have one"
        )


def comes_again(content: Inbound) -> bool:
    """Say whether a message that can't be taken is published again by who is responsible: then it need not be kept."""
    return isinstance(content, ChildOutcome) or (isinstance(content, Start) and content.caller is not None)
