"""What the ids in a message may be."""

from __future__ import annotations

from actors import InvalidInput
from runtime.hosting.children import check_caller
from runtime.messages import (
    Cancel,
    CancelCommand,
    ChildOutcome,
    CommandOutcome,
    Correct,
    Delete,
    Fork,
    Inbound,
    Resolve,
    Send,
    Start,
    TaskOutcome,
    Terminate,
)

MAX_ID = 200  # characters of a command id or correlation id


def check_ids(content: Inbound) -> None:
    """See that a message's ids are allowed; raises `InvalidInput`."""
    if isinstance(content, Start | Send) and content.caller is not None:
        check_caller(content, content.caller)
        return  # what a stream's name is made into may be longer than what people choose
    if isinstance(content, TaskOutcome | ChildOutcome | CommandOutcome):
        return
    if isinstance(content, Send | Start | Cancel | CancelCommand | Terminate | Resolve | Correct | Delete | Fork):
        _check_id("command_id", content.command_id)
    _check_id("correlation_id", content.correlation_id)


def _check_id(what: str, value: str | None) -> None:
    if value is not None and (not value or len(value) > MAX_ID or not value.isprintable()):
        raise InvalidInput(f"{what} {value!r} is not allowed: expected 1 to {MAX_ID} printable characters")
