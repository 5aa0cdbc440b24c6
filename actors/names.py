"""What an actor may be called. A stream is named `type/id`, and both parts also travel as an AMQP routing key."""

from __future__ import annotations

import re

from actors.errors import InvalidId

TYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
MAX_ID_BYTES = 180  # type, id and the dot between them must fit in AMQP's short string of 255 bytes


def stream_name(type: str, id: str) -> str:
    """Join an actor's type and id.

    Raises:
        InvalidId: the type or the id is not allowed.
    """
    if TYPE_NAME.fullmatch(type) is None:
        raise InvalidId(f"actor type {type!r} is not allowed: expected letters, digits, _ or -, at most 64 of them")
    if (why := _objection(id)) is not None:
        raise InvalidId(f"id {id!r} of {type} is not allowed: {why}")
    return f"{type}/{id}"


def split_stream(stream: str) -> tuple[str, str]:
    """Split `type/id`; raises `InvalidId` when it is not of that form."""
    type, slash, id = stream.partition("/")
    if not slash:
        raise InvalidId(f"{stream!r} is not a stream name: expected type/id, for example ProcessOrder/10248")
    stream_name(type, id)
    return type, id


def _objection(id: str) -> str | None:
    if not id:
        return "it is empty"
    if len(id) > MAX_ID_BYTES or len(id.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        return f"it is longer than {MAX_ID_BYTES} bytes"
    if "/" in id:
        return "it holds a slash, which separates type and id"
    if not id.isprintable() or " " in id:  # every other white space counts as unprintable
        return "it holds white space or an unprintable character"
    return None
