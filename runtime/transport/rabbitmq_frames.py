"""The few AMQP 0-9-1 frames of the hot paths, as bytes.

Publishing through a client's frame objects costs ten times the CPU of these templates. Layouts are those of the
AMQP 0-9-1 specification: a frame is type (octet), channel (short), size (long), payload, 0xCE; integers are
big-endian; a short string is a length octet and at most 255 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct

from runtime.transport.port import Message, TransportError
from runtime.transport.rabbitmq_bundle import CORRELATION_IDS, joined

_FRAME = Struct(">BHI")
_SETTLE = Struct(">BHIHHQBB")  # a whole basic.ack or basic.reject
_CONTENT = Struct(">BHIHHQH")  # a content header up to its property flags
_METHOD, _HEADER, _BODY = 1, 2, 3
_END = b"\xce"
_BASIC = 60
_PUBLISH, _ACK, _REJECT = 40, 80, 90
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE = 0x8000, 0x2000, 0x1000
_CORRELATION_ID, _REPLY_TO, _MESSAGE_ID = 0x0400, 0x0200, 0x0080
_JSON = b"\x10application/json"
_JSON_LINES = b"\x14application/x-ndjson"
_PERSISTENT = b"\x02"
_LENGTH = Struct(">I")
_ID_FIELD = b"%c%bS" % (len(CORRELATION_IDS), CORRELATION_IDS.encode())


def publish_frames(
    channel: int, exchange: str, messages: Sequence[Message], *, message_id: str, mandatory: bool, body_limit: int
) -> list[bytes]:
    """Give the frames of one persistent publish: method, header, body in pieces of at most `body_limit` bytes.

    Several messages make a bundle. They have the same key and reply address.

    Raises:
        TransportError: a key, reply address or correlation id is longer than AMQP can carry.
    """
    message = messages[0]
    flags = _CONTENT_TYPE | _DELIVERY_MODE | _MESSAGE_ID
    if len(messages) == 1:
        body = message.body
        properties = _JSON + _PERSISTENT
        if message.correlation_id is not None:
            flags |= _CORRELATION_ID
            properties += short_string(message.correlation_id)
    else:
        body, ids = joined(messages)
        properties = _JSON_LINES
        if ids is not None:
            flags |= _HEADERS
            properties += _id_table(ids)
        properties += _PERSISTENT
    if message.reply_to is not None:
        flags |= _REPLY_TO
        properties += short_string(message.reply_to)
    properties += b"%c%b" % (len(message_id), message_id.encode())
    size = len(body)
    frames = [
        _publish_method(channel, exchange, message.key, mandatory),
        _CONTENT.pack(_HEADER, channel, 14 + len(properties), _BASIC, 0, size, flags),
        properties,
        _END,
    ]
    for start in range(0, size, body_limit):
        piece = body[start : start + body_limit]
        frames += (_FRAME.pack(_BODY, channel, len(piece)), piece, _END)
    return frames


def _id_table(ids: str) -> bytes:
    """Encode a header table with one long string, the correlation ids of a bundle."""
    value = ids.encode()
    return _LENGTH.pack(len(_ID_FIELD) + 4 + len(value)) + _ID_FIELD + _LENGTH.pack(len(value)) + value


def ack_frame(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Give a basic.ack; with `multiple` of every unacked delivery up to the tag."""
    return _SETTLE.pack(_METHOD, channel, 13, _BASIC, _ACK, tag, multiple, 0xCE)


def reject_frame(channel: int, tag: int) -> bytes:
    """Give a basic.reject without requeue, which dead-letters one delivery."""
    return _SETTLE.pack(_METHOD, channel, 13, _BASIC, _REJECT, tag, 0, 0xCE)


@lru_cache(maxsize=4096)
def _publish_method(channel: int, exchange: str, key: str, mandatory: bool) -> bytes:
    payload = b"\x00\x3c\x00\x28\x00\x00" + short_string(exchange) + short_string(key) + bytes([mandatory])
    return _FRAME.pack(_METHOD, channel, len(payload)) + payload + _END


@lru_cache(maxsize=4096)
def short_string(text: str) -> bytes:
    """Encode a short string; raises `TransportError` beyond 255 bytes."""
    try:
        data = text.encode("utf-8", "surrogateescape")  # what came as other bytes goes back as those
    except UnicodeEncodeError as error:
        raise TransportError(f"keys, addresses and correlation ids are UTF-8: {error}") from error
    if len(data) > 255:
        raise TransportError(f"AMQP carries keys, addresses and correlation ids of at most 255 bytes, not {len(data)}")
    return bytes([len(data)]) + data
