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
* a child that is not wanted any more hears of it: the decision, or its parent's end, makes the row's message a Start with
  `stop`, in one commit. So it is said until the child's end is told; a child that had not been started yet is created
  and ended in one turn, none of its code runs, and a Start of before finds it there;
* its end is taken once: the parent's `Ledger` knows which children are open, and by which names;
* nothing is refused into the quarantine: a Start or an outcome that can't be taken here and now comes again.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

from msgspec import UNSET

from actors import InvalidInput
from actors.journal import Caller, ChildStarted, Stop
from actors.names import split_stream
from actors.turn import Outcome
from eventstore import OutboxMessage
from runtime.hosting.replies import NULL
from runtime.messages import ChildOutcome, CommandOutcome, Inbound, Send, Start, decode_inbound, encode_message
from runtime.routing import partition_of
from runtime.transport.port import Destination

MOST_BETWEEN = timedelta(hours=1)  # two publications of a Start whose child runs and runs
_OUTCOME = "="  # begins the id of an outcome's row: no type's name begins so, and other rows begin with one
_SOME_TIME = datetime(2020, 1, 1, tzinfo=UTC)
_MOST_OPERATIONS = 2**31


def start_message(
    parent: str,
    started: ChildStarted,
    partitions: int,
    correlation_id: str | None,
    now: datetime,
    stop: Stop | None = None,
) -> OutboxMessage:
    """Make the message that starts a child, or stops it; its row has the same sort of id as a task's."""
    caller = Caller(parent, started.child)
    start = Start(
        type=started.type,
        id=started.id,
        correlation_id=correlation_id,
        input=started.input,
        command_id=caller.key,
        caller=caller,
        asked_at=now,
        stop=stop,
        timeout=started.timeout,
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
        ended=outcome.ended,
    )
    row = row_of_outcome(child, caller)
    partition = partition_of(caller.stream, partitions)
    return OutboxMessage(row, Destination.COMMANDS, str(partition), encode_message(told), correlation_id)


def row_of_outcome(stream: str, caller: Caller) -> str:
    """Give the id of the row that tells a caller what became of its call, to a child or with a command."""
    return f"{_OUTCOME}{stream}={caller.key}"


def is_done_when_confirmed(message: OutboxMessage) -> bool:
    """Say whether a row has done its duty when the broker has confirmed its message: outcomes have, nothing else."""
    return message.id.startswith(_OUTCOME)


def restart_after(message: OutboxMessage, now: datetime, least: timedelta) -> timedelta:
    """Say how long to wait for an outcome before a child's Start, or a command, is published again: as long as before.

    So the pauses double, from `least` up to `MOST_BETWEEN`, and no count of attempts needs to be kept.
    """
    match decode_inbound(message.body):
        case Send(caller=Caller() as caller, sent_at=datetime() as sent_at) as send:
            return together_after(f"{caller.stream} {send.stream}", now - sent_at, now, least)
        case Start(asked_at=asked_at) | Send(sent_at=asked_at):
            pass
        case _:
            asked_at = None
    return least if asked_at is None else max(least, min(now - asked_at, MOST_BETWEEN))


def together_after(whose: str, age: timedelta, now: datetime, least: timedelta) -> timedelta:
    """Say how long to wait before a command is published again that must not arrive before those that were given earlier.

    One that comes early is passed over. With pauses of their own, the later ones would come first, time after time, as they
    are younger, and one command would get through each time. So what one instance gave another goes out at common times,
    in order: at multiples of a pause that is `least` doubled again and again, so that the times of the older are among those of the
    younger. The first pause is `least`, as ever.

    Args:
        whose: names both instances; other pairs have other times, so that not all come at once.
        age: since it was given.
        now: the database's time.
        least: the shortest pause.
    """
    if age < 2 * least:
        return least
    pause = 2 * least
    while pause * 2 <= min(age, MOST_BETWEEN):
        pause *= 2
    shift = zlib.crc32(whose.encode()) / 2**32 * MOST_BETWEEN
    # Not sooner than half a pause from now: a message that is just out has not had its time yet.
    since = (now - _SOME_TIME + shift + pause / 2) % pause
    return pause * 1.5 - since


def check_caller(message: Start | Send, caller: Caller) -> None:
    """See that a Start or a command is what an instance sends; raises `InvalidInput`."""
    split_stream(caller.stream)
    if not 1 <= caller.number <= _MOST_OPERATIONS or message.command_id != caller.key:
        raise InvalidInput(
            f"caller {caller.key} and command_id {message.command_id!r} do not belong together; "
            "leave `caller` out: only instances that turn to others have one"
        )


def comes_again(content: Inbound) -> bool:
    """Say whether a message that can't be taken is published again by who is responsible: then it need not be kept."""
    if isinstance(content, ChildOutcome | CommandOutcome):
        return True
    if isinstance(content, Send) and content.scheduled:
        return True
    return isinstance(content, Start | Send) and content.caller is not None
