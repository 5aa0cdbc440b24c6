"""Sending a quarantined message again, once whatever it failed of was mended.

A command that was given up has an inbox mark that answers its repetitions, so it goes out with an id of its own: made
from the quarantined record, so that it counts once however often it is sent. Its row is deleted after the broker
confirmed it: who dies in between sends it again, which changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from actors import InvalidInput
from eventstore import EventStore, InboxMark, Quarantined
from runtime.errors import PerdureError
from runtime.messages import Inbound, Send, Status, decode_inbound, decode_reply, encode_message
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message, Transport


class RedriveRefused(PerdureError):
    """A quarantined message can't be sent again; it stays where it is."""


async def redrive(store: EventStore, transport: Transport, record: Quarantined, now: datetime) -> Inbound | None:
    """Send a message again and take it out of the quarantine.

    Args:
        store: open.
        transport: open.
        record: what to send.
        now: the time that the message gets as its own.

    Returns:
        What was sent; None when there was nothing to do, because the command was handled after all.

    Raises:
        RedriveRefused: it can't be read, so that no node can handle it either.
        StoreError, TransportError: it may be sent already; doing it again does no harm.
    """
    message = _readable(record)
    mark: InboxMark | None = None
    if isinstance(message, Send):
        key = (message.stream, message.command_id)
        mark = (await store.replies([key])).get(key)
    if mark is not None and decode_reply(mark.reply).status is not Status.QUARANTINED:
        await store.forget_quarantined([record.id])
        return None
    message = _renewed(message, record, now, given_up=mark is not None)
    partition = partition_of(message.stream, store.partitions)
    await transport.publish([Message(Destination.COMMANDS, str(partition), encode_message(message))])
    await store.forget_quarantined([record.id])
    return message


def _readable(record: Quarantined) -> Inbound:
    try:
        return decode_inbound(record.body)
    except InvalidInput as error:
        raise RedriveRefused(
            f"quarantined message {record.id} can't be read, so no node could handle it: {error}. "
            f"Send what was meant, and `perdure quarantine discard {record.id}`"
        ) from None


def _renewed(message: Inbound, record: Quarantined, now: datetime, *, given_up: bool) -> Inbound:
    if not isinstance(message, Send):
        return message
    if not given_up:  # nothing was stored for its id, and its sender may still send it again
        return replace(message, sent_at=now)
    flow = message.correlation_id or message.command_id
    return replace(message, command_id=f"redriven-{record.id}", correlation_id=flow, sent_at=now)
