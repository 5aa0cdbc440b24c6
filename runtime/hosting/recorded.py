"""What a workflow's journal says of a message whose nodes died again and again: has it taken effect, and what is its answer?

Only asked before such a message is put aside, so the whole stream may be read: who is told that it was put aside must not
find later that it was carried out.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from actors.journal import (
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    JournalEvent,
    RunStarted,
    decode_event,
)
from eventstore import RecordedEvent
from runtime.hosting.ground import fingerprint
from runtime.hosting.replies import ACCEPTED, CREATED
from runtime.messages import Reply, ReplyWhen, Send, Start, Status


class Recorded(Struct, frozen=True):
    """That it has taken effect. Without an answer it is under way, and its sender asks again."""

    answer: Reply | None = None


def recorded(message: Start | Send, events: Iterable[RecordedEvent]) -> Recorded | None:
    """Look for a message in a workflow's stream; None: it is not there. Raises `PayloadRefused`: an event can't be read."""
    found: Recorded | None = None
    for event in events:
        if (fact := decode_event(event.type, event.data)) is not None:
            found = _heard(message, fact, found)
    return found


def _heard(message: Start | Send, event: JournalEvent, found: Recorded | None) -> Recorded | None:
    match event, message:
        case RunStarted(), Start() if _is_this_start(message, event):
            return Recorded(CREATED if message.reply_when is ReplyWhen.ACCEPTED else None)
        case CommandReceived(), Send() if event.id == message.command_id:
            same = fingerprint(event.name, event.input) == fingerprint(message.name, message.input)
            accepted = ACCEPTED if message.reply_when is ReplyWhen.ACCEPTED else None
            return Recorded(accepted) if same else None
        case CommandCompleted(), Send() if event.id == message.command_id and found == Recorded():
            return Recorded(Reply(Status.OK, event.result))
        case CommandFailed(), Send() if event.id == message.command_id and found == Recorded():
            return Recorded(Reply(Status.FAILED, error=event.error))
        case _:
            return found


def _is_this_start(message: Start, event: RunStarted) -> bool:
    if message.caller is not None or message.command_id is None:
        return message.caller is not None and message.caller == event.caller and message.stop is None
    return message.command_id == event.command_id
