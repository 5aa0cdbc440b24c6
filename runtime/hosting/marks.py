"""Which marks of the inbox tell whether a message came before: an activation asks the log for them when it is loaded."""

from __future__ import annotations

from actors.journal import Caller
from runtime.hosting.delayed import mark_id
from runtime.hosting.forgetting import mark_id as mark_id_of_deletion
from runtime.hosting.former_runs import start_id
from runtime.hosting.handling import done_key
from runtime.hosting.item import CancelDelayed, Content
from runtime.hosting.requests import request_ids
from runtime.messages import Cancel, Delete, Pause, Resolve, Restart, Resume, Send, Skip, Start, Terminate


def marks_of(content: Content, *, waits: bool) -> list[str]:
    """Give the ids of the inbox marks that tell whether this came before; `waits`: to an actor whose commands may wait."""
    match content:
        case Send(command_id=id, caller=caller):
            ids = [id, done_key(id)] if waits else [id]
            if content.due_at is not None:
                ids.append(mark_id(id))
            if caller is not None and content.after is not None:
                ids.append(Caller(caller.stream, content.after).key)
            return ids
        case Start(command_id=str(id)):
            return [start_id(id)]
        case Delete():
            return [mark_id_of_deletion(content)]
        case Cancel() | Terminate() | Resolve() | Pause() | Resume() | Skip() | Restart():
            return request_ids(content)
        case CancelDelayed(command_id=id):
            return [id]
    return []
