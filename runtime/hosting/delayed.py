"""Delayed commands: a command that is accepted now, and given to its actor at a later time.

    Send, due_at ──► a row in the outbox of its own partition, and a mark in the actor's inbox: accepted
                     the row waits; far-off ones are only in the database
    due          ──► the row's message, `scheduled`, goes to the partition's own queue like any other
    handled      ──► the commit that records the command removes the row

Invariants, and who keeps them:
* what was accepted is delivered, also by the next owner: the row is durable before the answer, and the `Outbox` publishes it
  again until the commit that handled it has removed it;
* it counts once: it is handled under its command id, as if it had just been sent;
* the first one wins: the mark, under an id that no command can have, tells a repetition from another command;
* it never comes early: the row is published by the database's clock;
* one that can't be taken when it is due is put aside with the reason, and its row goes before or with that.
"""

from __future__ import annotations

import hashlib

from msgspec import Raw
from msgspec.structs import replace

from actors import InvalidInput
from eventstore import Commit, InboxMark, OutboxMessage
from runtime.hosting.ground import Ground, answers, fingerprint, refusal
from runtime.hosting.item import Item, Step
from runtime.hosting.replies import conflict
from runtime.messages import Reply, ReplyWhen, Send, Status, decode_inbound, encode_message
from runtime.transport.port import Destination

_ROW = "@"  # begins the id of a delayed command's row: no type's name begins so
_MARK = "\xa0"  # a no-break space begins the id of its mark: no command id holds one


def mark_id(command_id: str) -> str:
    """Name the mark that says that a command of this id was accepted for later."""
    return _MARK + command_id


def row_id(stream: str, command_id: str) -> str:
    """Name a delayed command's row."""
    return f"{rows_under(stream)}{hashlib.blake2b(command_id.encode(), digest_size=16).hexdigest()}"


def rows_under(stream: str) -> str:
    """Give what the names of all delayed commands of an actor begin with; of an empty name: of all actors."""
    return f"{_ROW}{stream}@" if stream else _ROW


def rows_of(body: bytes) -> list[str]:
    """Give the row that a message came out of, if it did: when it is put aside, it need not be said again."""
    try:
        content = decode_inbound(body)
    except InvalidInput:
        return []
    return [row_id(content.stream, content.command_id)] if isinstance(content, Send) and content.scheduled else []


def is_early(message: Send, ground: Ground) -> bool:
    """Say whether a command is to be kept for later."""
    return message.due_at is not None and not message.scheduled and message.due_at > ground.clock.now()


def keep(item: Item, message: Send, known: dict[str, InboxMark], ground: Ground, version: int) -> Step:
    """Accept a command for later.

    Args:
        item: the message's item, and
        message: the command; its name and arguments were checked.
        known: the actor's marks, as far as they are in memory. For others the inbox's unique key has the last word.
        ground: its partition.
        version: of its stream.
    """
    due_at = message.due_at
    assert due_at is not None  # noqa: S101 - `is_early` was asked
    digest = fingerprint(f"{message.name} {due_at.isoformat()}", message.input)
    id = mark_id(message.command_id)
    if (first := known.get(id)) is not None:
        if first.digest == digest:
            return Step(replies=answers(item, first.reply))
        return refusal(item, conflict(f"command id {message.command_id} was used for another delayed command"))
    reply = encode_message(Reply(Status.OK, Raw(b'{"accepted":true}')))
    mark = InboxMark(id, digest, reply)
    later = replace(message, scheduled=True, sent_at=due_at, reply_when=ReplyWhen.COMPLETED)
    row = OutboxMessage(
        row_id(message.stream, message.command_id),
        Destination.COMMANDS,
        str(ground.partition),
        encode_message(later),
        message.correlation_id,
        due_at,
    )
    commit = Commit(ground.partition, ground.epoch, message.stream, version, inbox=[mark], outbox=[row])
    return Step(commit, replies=answers(item, reply))


def settle(message: Send, step: Step, ground: Ground, version: int, *, broken: bool) -> Step:
    """Let the row of a command that has come due go with what its handling gave.

    Args:
        message: the command.
        step: what came of it.
        ground: its partition.
        version: of its stream in the log, as far as this step changes nothing.
        broken: a mistake in the code keeps the actor from taking it: then the row stays, and says it again.
    """
    if step.look:
        return step  # not handled yet
    if broken and step.commit is None and step.refused is not None:
        return Step()
    if step.commit is None:
        step.commit = Commit(ground.partition, ground.epoch, message.stream, version)
    step.commit.outbox_remove.append(row_id(message.stream, message.command_id))
    return step
