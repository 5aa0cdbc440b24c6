"""Small replies as notifications: a reply promises nothing, so it needs no row that is written, read and deleted.

The payload is the correlation id, a line feed, the body. An empty payload only says that there are rows to take.
"""

from __future__ import annotations

from typing import Final

from runtime.transport.port import Delivery, Destination, Message

HANDED_BACK: Final = "*"  # the payload that says so: messages that were claimed are free again, see the migrations
_MOST_BYTES: Final = 7_500  # Postgres carries less than 8,000


def as_notification(message: Message) -> str | None:
    """Give the payload that carries a reply, or None for a message that needs a row.

    ASCII alone, for it is the same in every encoding that a database may have.
    """
    id, body = message.correlation_id, message.body
    if (
        message.destination is not Destination.REPLIES
        or message.reply_to is not None
        or not id
        or len(id) + len(body) > _MOST_BYTES
        or not (id.isascii() and body.isascii())
        or "\n" in id
        or "\0" in id
        or b"\0" in body
    ):
        return None
    return f"{id}\n{body.decode()}"


def from_notification(address: str, payload: str) -> Delivery:
    """Read a payload."""
    id, _, body = payload.partition("\n")
    return Delivery(Destination.REPLIES, address, body.encode(), correlation_id=id)
