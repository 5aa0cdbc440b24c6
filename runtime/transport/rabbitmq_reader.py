"""Reads deliveries off a connection's socket before aiormq sees them.

aiormq takes 90 µs of CPU for a delivery: three frames, each read in three steps, unmarshalled field by field and
sent through two queues. This reader stands between the socket and aiormq. It gives every frame on as it came,
except the deliveries of the channels that are tapped: those it parses in place. Of a message it reads what a
`Delivery` has and nothing else.

Layouts are those of the AMQP 0-9-1 specification: a frame is type (octet), channel (short), size (long), payload,
0xCE; the content header has class, weight (shorts), body size (long long), flags (short), and then the properties
that the flags name, in a fixed order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from struct import Struct, error
from typing import Any

import aio_pika
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from aiormq.exceptions import InvalidFrameError
from msgspec import Struct as Record
from pamqp import decode
from yarl import URL

_FRAME = Struct(">BHI")
_TAG = Struct(">QB")
_CONTENT = Struct(">HHQH")
_METHOD, _HEADER, _BODY = 1, 2, 3
_DELIVER = b"\x00\x3c\x00\x3c"
_HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _DELIVERY_MODE = 0x8000, 0x4000, 0x2000, 0x1000
_PRIORITY, _CORRELATION_ID, _REPLY_TO = 0x0800, 0x0400, 0x0200
_BUNDLE = b"application/x-ndjson"
_CHUNK = 262_144
_QUIET_SECONDS = 2.0
_END = 0xCE
_MOST_FRAME = 16 * 1024 * 1024  # RabbitMQ negotiates 128 KiB; a damaged length must not gather gigabytes
_MOST_BODY = 512 * 1024 * 1024  # RabbitMQ's own highest `max_message_size`


class Arrival(Record, gc=False):
    """A message as it is read: the method first, then the properties, then the body."""

    tag: int
    redelivered: bool
    key: str
    missing: int = 0  # bytes of the body still to come
    body: bytes = b""
    headers: dict[str, Any] | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    is_bundle: bool = False


OnArrival = Callable[[Arrival], None]


class _Tap:
    """One channel's consumer, and the message that is on its way to it."""

    __slots__ = ("arriving", "on_arrival", "pieces")

    def __init__(self, on_arrival: OnArrival) -> None:
        self.on_arrival = on_arrival
        self.arriving: Arrival | None = None
        self.pieces: list[bytes] = []

    def method(self, arrival: Arrival) -> None:
        if self.arriving is not None:
            raise InvalidFrameError("a delivery began before the one ahead of it was complete")
        self.arriving = arrival

    def header(self, arrival: Arrival) -> None:
        if arrival.missing == 0:
            self._arrived(arrival)

    def piece(self, arrival: Arrival, piece: bytes) -> None:
        arrival.missing -= len(piece)
        if arrival.missing < 0:
            raise InvalidFrameError("a message is longer than its header says")
        self.pieces.append(piece)
        if arrival.missing == 0:
            arrival.body = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
            self.pieces.clear()
            self._arrived(arrival)

    def _arrived(self, arrival: Arrival) -> None:
        self.arriving = None
        self.on_arrival(arrival)


class DeliveryReader:
    """What aiormq takes for its `StreamReader`. It reads each frame as 1 byte, 6 bytes and the rest."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._data = b""
        self._at = 0
        self._step = 0
        self._taps: dict[int, _Tap] = {}
        self._given_at = 0.0

    def tap(self, channel: int, on_arrival: OnArrival) -> Callable[[], None]:
        """Take the channel's deliveries from now on, until what this returns is called.

        Channel numbers are used again: the end of an old channel must not end the tap of its successor.
        """
        tap = self._taps[channel] = _Tap(on_arrival)

        def untap() -> None:
            if self._taps.get(channel) is tap:
                del self._taps[channel]

        return untap

    def at_eof(self) -> bool:
        """Whether nothing more will come."""
        return self._at >= len(self._data) and self._reader.at_eof()

    async def readexactly(self, count: int) -> bytes:
        """Give the next bytes that are not a tapped delivery.

        Raises `IncompleteReadError` as a stream does, and `InvalidFrameError` for what no broker sends. Both end the
        connection, and what was not acked comes again over the next one.
        """
        if count > _MOST_FRAME:
            raise InvalidFrameError(f"a frame of {count} bytes; expected at most {_MOST_FRAME}")
        if self._step == 0:
            await self._take_deliveries()
        self._step = (self._step + 1) % 3
        while len(self._data) - self._at < count:
            await self._fill(count)
        piece = self._data[self._at : self._at + count]
        self._at += count
        return piece

    async def _take_deliveries(self) -> None:
        """Stop at the first frame that is aiormq's. While deliveries keep coming the broker sends no heartbeats,
        and aiormq would take the connection for stuck: it gets one of ours.
        """
        if not self._taps:
            return
        loop = asyncio.get_running_loop()
        while not self._parse():
            now = loop.time()
            if now - self._given_at > _QUIET_SECONDS:
                self._given_at = now
                # Only between whole frames, which is where `_parse` leaves the position.
                self._data, self._at = _HEARTBEAT + self._data[self._at :], 0
                return
            await self._fill(1)
        self._given_at = loop.time()

    async def _fill(self, count: int) -> None:
        chunk = await self._reader.read(_CHUNK)
        if not chunk:
            raise asyncio.IncompleteReadError(self._data[self._at :], count)
        self._data, self._at = self._data[self._at :] + chunk, 0

    def _parse(self) -> bool:
        """Take whole delivery frames; True when the next frame is aiormq's, False when more bytes are needed."""
        data, at, size = self._data, self._at, len(self._data)
        try:
            while size - at >= 8:  # the shortest frame, a heartbeat
                kind, channel, length = _FRAME.unpack_from(data, at)
                tap = self._taps.get(channel)
                if tap is None or kind > _BODY:
                    return True
                start, end = at + 7, at + 7 + length
                if end >= size:
                    if length > _MOST_FRAME:
                        raise InvalidFrameError(f"a frame of {length} bytes; expected at most {_MOST_FRAME}")
                    return False
                if data[end] != _END:
                    raise InvalidFrameError(f"a frame ends with 0x{data[end]:02x}, not with 0x{_END:02x}")
                if kind == _METHOD:
                    if data[start : start + 4] != _DELIVER:
                        return True
                    tap.method(_read_deliver(data, start + 4, end))
                elif tap.arriving is None:
                    return True  # the content of something else, such as a basic.get
                elif kind == _HEADER:
                    _read_properties(tap.arriving, data, start, end)
                    tap.header(tap.arriving)
                else:
                    tap.piece(tap.arriving, data[start:end])
                at = end + 1
            return False
        finally:
            self._at = at


def _read_deliver(data: bytes, at: int, end: int) -> Arrival:
    try:
        at += 1 + data[at]  # consumer tag
        tag, redelivered = _TAG.unpack_from(data, at)
        at += 9
        at += 1 + data[at]  # exchange
        key = _text(data, at)
    except (IndexError, error) as damage:
        raise InvalidFrameError(f"a delivery can't be read: {damage}") from damage
    if at + 1 + data[at] > end:
        raise InvalidFrameError("a delivery is longer than its frame")
    return Arrival(tag, bool(redelivered), key)


def _read_properties(arrival: Arrival, data: bytes, at: int, end: int) -> None:
    if arrival.missing:
        raise InvalidFrameError("a message has two headers")
    try:
        at = _properties(arrival, data, at)
    except (IndexError, error) as damage:
        raise InvalidFrameError(f"a message's properties can't be read: {damage}") from damage
    if at > end:
        raise InvalidFrameError("a message's properties are longer than their frame")
    if arrival.missing > _MOST_BODY:
        raise InvalidFrameError(f"a message of {arrival.missing} bytes; expected at most {_MOST_BODY}")


def _properties(arrival: Arrival, data: bytes, at: int) -> int:
    _, _, arrival.missing, flags = _CONTENT.unpack_from(data, at)
    at += 14
    if flags & _CONTENT_TYPE:
        arrival.is_bundle = data.startswith(_BUNDLE, at + 1, at + 1 + data[at]) and data[at] == len(_BUNDLE)
        at += 1 + data[at]
    if flags & _CONTENT_ENCODING:
        at += 1 + data[at]
    if flags & _HEADERS:
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        arrival.headers = _headers(data[at:end])
        at = end
    if flags & _DELIVERY_MODE:
        at += 1
    if flags & _PRIORITY:
        at += 1
    if flags & _CORRELATION_ID:
        arrival.correlation_id = _text(data, at)
        at += 1 + data[at]
    if flags & _REPLY_TO:
        arrival.reply_to = _text(data, at)
        at += 1 + data[at]
    return at


def _text(data: bytes, at: int) -> str:
    """Read a short string. AMQP names no encoding for it, so bytes that are not UTF-8 go through as they are."""
    return data[at + 1 : at + 1 + data[at]].decode("utf-8", "surrogateescape")


def _headers(table: bytes) -> dict[str, Any] | None:
    """Read a publisher's headers. Nothing that matters stands in one that can't be read: a date beyond the calendar,
    tables nested deeper than Python goes. An error here would end the connection, again and again.
    """
    try:
        return decode.field_table(table)[1]
    except (ValueError, LookupError, ArithmeticError, TypeError, OSError, RecursionError, error):
        return None


class _TappedTransports(TransportFactory):
    """Opens sockets as aiormq does, and puts a `DeliveryReader` before each."""

    def __init__(self) -> None:
        self.reader: DeliveryReader | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        plain = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await plain.create(url, **kwargs)
        self.reader = DeliveryReader(reader)
        return self.reader, writer  # type: ignore[return-value]  # aiormq calls at_eof and readexactly alone


class TappedConnection(aio_pika.Connection):
    """An aio-pika connection whose deliveries can be tapped."""

    def __init__(self, url: URL, **options: Any) -> None:
        super().__init__(url, **options)
        self._transports = _TappedTransports()
        self.kwargs["transport_factory"] = self._transports

    @property
    def reader(self) -> DeliveryReader:
        """The reader on the connected socket."""
        assert self._transports.reader is not None  # noqa: S101  only a connected connection is handed out
        return self._transports.reader
