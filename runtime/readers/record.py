"""An event as JSON, for readers outside: on the topic exchange, and from `perdure follow`."""

from __future__ import annotations

import msgspec

from actors.codec import decode_any
from actors.errors import PayloadRefused
from eventstore import RecordedEvent

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")  # in JSON a line ends only between two values
_ENCODE = msgspec.json.Encoder().encode


def event_id(event: RecordedEvent) -> str:
    """Name an event: the same however often it is sent, and no other's."""
    return f"{event.stream}@{event.version}"


def event_json(event: RecordedEvent) -> bytes:
    """Give an event as JSON on one line; data that is no JSON (it is encrypted, say) as a string."""
    data: object
    try:
        decode_any(event.data)
        data = msgspec.Raw(event.data.translate(_ONE_LINE))  # as it was written, digit for digit
    except PayloadRefused:
        data = event.data.decode(errors="backslashreplace")
    return _ENCODE(
        {
            "id": event_id(event),
            "stream": event.stream,
            "version": event.version,
            "type": event.type,
            "data": data,
            "recorded_at": event.recorded_at,
            "partition": event.partition,
            "offset": event.offset,
            "epoch": event.epoch,
            "schema": event.schema,
            "causation_id": event.causation_id,
            "correlation_id": event.correlation_id,
        }
    )
