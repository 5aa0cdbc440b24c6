from __future__ import annotations

import asyncio
import random
from struct import pack

import pytest
from aiormq.exceptions import InvalidFrameError
from hypothesis import given
from hypothesis import strategies as st

from runtime.transport.rabbitmq_connection import BROKER_LOST
from runtime.transport.rabbitmq_reader import Arrival, DeliveryReader
from tests.fuzz.effort import effort
from tests.fuzz.mutation import in_bytes

CHANNEL, OTHER = 3, 4
HEADERS = b"\x0fx-delivery-count" + b"l" + pack(">q", 3) + b"\x01nS" + pack(">I", 2) + b"hi"


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def _short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _message(chance: random.Random, tag: int, channel: int = CHANNEL) -> list[bytes]:
    deliver = (
        pack(">HH", 60, 60) + _short(b"ctag") + pack(">QB", tag, tag % 2) + _short(b"perdure.commands") + _short(b"3")
    )
    body = chance.randbytes(chance.choice((0, 1, 50, 5000)))
    flags, properties = 0, b""
    for flag, value in (
        (0x8000, _short(b"application/json")),
        (0x2000, pack(">I", len(HEADERS)) + HEADERS),
        (0x1000, b"\x02"),
        (0x0400, _short(b"corr-\xff")),
        (0x0200, _short(b"amq.gen-1")),
    ):
        if chance.random() < 0.6:
            flags, properties = flags | flag, properties + value
    frames = [_frame(1, channel, deliver), _frame(2, channel, pack(">HHQH", 60, 0, len(body), flags) + properties)]
    size = chance.choice((7, 1000, 100_000))
    return frames + [_frame(3, channel, body[at : at + size]) for at in range(0, len(body), size)]


def _stream(chance: random.Random) -> bytes:
    frames: list[bytes] = []
    for tag in range(1, 8):
        frames += _message(chance, tag)
        if chance.random() < 0.4:
            frames.append(_frame(8, 0, b""))
        if chance.random() < 0.3:
            frames.append(_frame(1, OTHER, pack(">HHQB", 60, 80, tag, 0)))
        if chance.random() < 0.2:
            frames += _message(chance, tag, OTHER)
    return b"".join(frames)


async def _read(pieces: list[bytes]) -> tuple[list[Arrival], list[bytes], BaseException | None]:
    """Read as aiormq does, until the end; every step must be made without waiting for more than was given."""
    source = asyncio.StreamReader()
    reader = DeliveryReader(source)
    arrivals: list[Arrival] = []
    reader.tap(CHANNEL, arrivals.append)
    frames: list[bytes] = []

    async def feed() -> None:
        for piece in pieces:
            source.feed_data(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        source.feed_eof()

    feeding = asyncio.create_task(feed())
    error: BaseException | None = None
    try:
        async with asyncio.timeout(10):
            while not reader.at_eof():
                head = await reader.readexactly(1)
                head += await reader.readexactly(6)
                frames.append(head + await reader.readexactly(int.from_bytes(head[3:], "big") + 1))
    except asyncio.IncompleteReadError as cut:
        error = cut
    except BROKER_LOST as lost:
        error = lost
    await feeding
    return arrivals, [frame for frame in frames if frame != _frame(8, 0, b"")], error


def _split(data: bytes, chance: random.Random) -> list[bytes]:
    most = chance.choice((1, 3, 20, 1000, 100_000)) if len(data) < 20_000 else chance.choice((200, 5000, 100_000))
    pieces, at = [], 0
    while at < len(data):
        end = at + chance.randint(1, most)
        pieces.append(data[at:end])
        at = end
    return pieces


@effort(25)
@given(st.integers(0, 2**32))
def test_splits_do_not_matter(seed: int) -> None:
    """The same frames give the same deliveries, wherever the reads cut them."""
    chance = random.Random(seed)
    data = _stream(chance)
    whole = asyncio.run(_read([data]))
    pieces = asyncio.run(_read(_split(data, chance)))
    assert len(whole[0]) == 7
    assert pieces[:2] == whole[:2]


@effort(60)
@given(st.integers(0, 2**32))
def test_damaged_frames_end_the_connection_in_order(seed: int) -> None:
    """Damaged bytes are a message, somebody else's frame, or a connection error: no hang and no other exception."""
    chance = random.Random(seed)
    data = _stream(chance)
    for _ in range(chance.choice((1, 1, 3))):
        data = in_bytes(data, chance)
    arrivals, _, _ = asyncio.run(_read(_split(data, chance)))
    assert all(isinstance(arrival.body, bytes) for arrival in arrivals)


def test_frame_of_any_size_is_not_waited_for() -> None:
    """A damaged length must not gather gigabytes: no frame is larger than what was negotiated."""

    async def story() -> None:
        for kind in (1, 2, 3):
            data = pack(">BHI", kind, CHANNEL, 2**31) + b"x" * 50_000
            _, _, error = await _read([data[at : at + 1000] for at in range(0, len(data), 1000)])
            assert isinstance(error, InvalidFrameError), error

    asyncio.run(story())


def _headers(name_and_value: bytes) -> bytes:
    return pack(">I", len(name_and_value)) + name_and_value


def _nested(levels: int) -> bytes:
    table = b""
    for _ in range(levels):
        table = b"\x01nF" + _headers(table)
    return table


HOSTILE_HEADERS = {
    "tables nested 15,000 deep": _nested(15_000),
    "a time beyond the calendar": b"\x01tT" + b"\x7f" + b"\xff" * 7,
    "a time before it": b"\x01tT" + b"\xff" * 8,
    "a decimal": b"\x01dD" + b"\xff" * 5,
    "an unknown kind": b"\x01q?",
    "a name that is not UTF-8": b"\x02\xff\xfeV",
    "a list that is cut off": b"\x01lA" + pack(">I", 1000) + b"t",
}


@pytest.mark.parametrize("what", HOSTILE_HEADERS)
def test_headers_that_cannot_be_read_do_not_end_the_connection(what: str) -> None:
    """Any publisher may send them and the broker takes them; the same message would end each connection after it."""
    header = pack(">HHQH", 60, 0, 2, 0x2000 | 0x0200) + _headers(HOSTILE_HEADERS[what]) + _short(b"me")
    deliver = pack(">HH", 60, 60) + _short(b"c") + pack(">QB", 1, 0) + _short(b"") + _short(b"0")
    data = _frame(1, CHANNEL, deliver) + _frame(2, CHANNEL, header) + _frame(3, CHANNEL, b"{}")
    arrivals, _, error = asyncio.run(_read([data]))
    assert [(arrival.reply_to, arrival.body) for arrival in arrivals] == [("me", b"{}")]
    assert error is None or isinstance(error, asyncio.IncompleteReadError)
