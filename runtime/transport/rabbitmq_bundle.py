"""Bundles: several small messages to one queue in one AMQP message, because a broker's work is per AMQP message.

The body of a bundle is JSON Lines, a message a line. What waits for one queue at the same moment goes together;
nothing waits for a bundle to fill. A message alone is written as it always was. `MESSAGES.md` describes the format.

Only commands are bundled, and replies to those who can read them. A worker would get more tasks at once than it has
room to run, and the next worker none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeVar

from runtime.transport.port import Delivery, Destination, Message
from runtime.transport.rabbitmq_reader import Arrival

CORRELATION_IDS: Final = "perdure-correlation-ids"  # a header: an id a line, in the order of the messages
REPLY_PREFIX: Final = "perdure.reply."  # who listens at such an address reads bundles
PART_BITS: Final = 6
MOST_PARTS: Final = 1 << PART_BITS
MOST_BYTES: Final = 65_536

_LINE = b"\n"
_MOST_ID = 255  # characters; what a message alone can carry


class Entry(Protocol):
    """A message that waits to be written."""

    message: Message


E = TypeVar("E", bound=Entry)


class _Bundle:
    """What is gathered for one queue. Order within a queue is kept, so only its newest bundle takes more."""

    __slots__ = ("count", "message", "size")

    def __init__(self, message: Message, size: int) -> None:
        self.message, self.size, self.count = message, size, 1

    def takes(self, message: Message, size: int, most: int) -> bool:
        first = self.message
        if (
            first.destination is not message.destination
            or first.reply_to != message.reply_to
            or self.count == MOST_PARTS
            or self.size + size > most
        ):
            return False
        self.count += 1
        self.size += size
        return True


def bundled(entries: Iterable[E], frame_bytes: int) -> list[list[E]]:
    """Share messages out to AMQP messages, in an order that keeps the one of each queue.

    Args:
        entries: what waits, in order.
        frame_bytes: the largest frame; a bundle's header has to fit in one.
    """
    most = min(MOST_BYTES, frame_bytes // 2)
    groups: list[list[E]] = []
    newest: dict[str, tuple[_Bundle, list[E]]] = {}
    for entry in entries:
        message = entry.message
        size = _size(message)
        known = newest.get(message.key)
        if size and known is not None and known[0].takes(message, size, most):
            known[1].append(entry)
            continue
        group = [entry]
        groups.append(group)
        if size:
            newest[message.key] = (_Bundle(message, size), group)
        else:
            newest.pop(message.key, None)
    return groups


def _size(message: Message) -> int:
    """Give how much a message adds to a bundle; 0 for one that has to go alone."""
    destination, body, id = message.destination, message.body, message.correlation_id
    if destination is not Destination.COMMANDS and (
        destination is not Destination.REPLIES or not message.key.startswith(REPLY_PREFIX)
    ):
        return 0
    if not body or _LINE in body:
        return 0
    if id is None:
        return len(body) + 2
    # An id that can't be encoded must fail its own message and no other.
    return len(body) + len(id) + 2 if 0 < len(id) <= _MOST_ID and id.isascii() and "\n" not in id else 0


def joined(messages: Sequence[Message]) -> tuple[bytes, str | None]:
    """Give the body of a bundle, and its header of correlation ids where a message has one."""
    ids = [message.correlation_id or "" for message in messages]
    return _LINE.join([message.body for message in messages]), "\n".join(ids) if any(ids) else None


def parts(arrival: Arrival, source: Destination, redeliveries: int) -> list[Delivery]:
    """Take a bundle apart. Each part is tagged with the AMQP message's tag and its own place.

    What is no bundle in spite of what it says, with no line or too many, comes as the one message that it is.
    """
    lines = arrival.body.split(_LINE, MOST_PARTS + 1)
    if not lines[-1]:  # a foreign publisher's last line may be ended, too
        del lines[-1]
    if not lines or len(lines) > MOST_PARTS:
        lines = [arrival.body]
    header = arrival.headers.get(CORRELATION_IDS) if arrival.headers else None
    ids: Sequence[str | None] = [arrival.correlation_id] * len(lines)
    if isinstance(header, str) and header.count("\n") + 1 == len(lines):
        ids = [id or None for id in header.split("\n")]
    key, reply_to, tag = arrival.key, arrival.reply_to, arrival.tag << PART_BITS
    return [
        Delivery(source, key, line, reply_to, id, redeliveries, tag + place)
        for place, (line, id) in enumerate(zip(lines, ids, strict=True))
    ]
