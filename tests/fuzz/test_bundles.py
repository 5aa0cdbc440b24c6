from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from runtime.transport.port import Destination, Message
from runtime.transport.rabbitmq_bundle import (
    CORRELATION_IDS,
    MOST_BYTES,
    MOST_PARTS,
    PART_BITS,
    REPLY_PREFIX,
    bundled,
    joined,
    parts,
)
from runtime.transport.rabbitmq_reader import Arrival
from tests.fuzz.effort import effort
from tests.fuzz.mutation import in_bytes


class _Entry(Struct):
    message: Message


ids = (
    st.none() | st.sampled_from(["", "a", "a\nb", "é", "\ud800", "\udcff", "x" * 255, "x" * 256]) | st.text(max_size=5)
)
bodies = st.sampled_from([b"", b"\n", b"a\nb", b"{}", b"x" * 40_000, b"x" * 70_000]) | st.binary(max_size=40)
places = st.sampled_from(
    [
        (Destination.COMMANDS, "0"),
        (Destination.COMMANDS, "1"),
        (Destination.TASKS, "0"),
        (Destination.INGRESS, "A.0"),
        (Destination.REPLIES, REPLY_PREFIX + "0"),
        (Destination.REPLIES, "amq.gen-0"),
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    destination, key = draw(places)
    return Message(destination, key, draw(bodies), draw(st.sampled_from([None, "me", "you"])), draw(ids))


def _content(message: Message) -> tuple[object, ...]:
    return message.destination, message.key, message.body, message.reply_to, message.correlation_id


@effort(200)
@given(st.lists(messages(), max_size=150))
def test_what_is_bundled_is_what_is_taken_apart(sent: list[Message]) -> None:
    """Nothing lost, doubled or changed, order kept in each queue, and no bundle beyond the bounds."""
    came: list[Message] = []
    for tag, group in enumerate(bundled([_Entry(message) for message in sent], 131_064), 1):
        together = [entry.message for entry in group]
        if len(together) == 1:
            came += together
            continue
        first = together[0]
        body, header = joined(together)
        assert len(together) <= MOST_PARTS
        assert len(body) + len(header or "") <= MOST_BYTES
        headers = None if header is None else {CORRELATION_IDS: header}
        arrival = Arrival(tag, False, first.key, 0, body, headers, first.reply_to, None, is_bundle=True)
        for delivery in parts(arrival, first.destination, 0):
            assert delivery.tag >> PART_BITS == tag
            came.append(
                Message(delivery.source, delivery.key, delivery.body, delivery.reply_to, delivery.correlation_id)
            )
    for place in {(m.destination, m.key) for m in sent}:
        assert [_content(m) for m in came if (m.destination, m.key) == place] == [
            _content(m) for m in sent if (m.destination, m.key) == place
        ]


headers = st.none() | st.dictionaries(
    st.sampled_from([CORRELATION_IDS, "other"]),
    st.none() | st.integers() | st.binary(max_size=5) | st.text(max_size=20) | st.just("a\nb\nc"),
)


@effort(300)
@given(st.integers(0, 2**48), st.lists(bodies, max_size=80), headers)
def test_any_body_gives_at_least_one_delivery_and_not_too_many(
    seed: int, lines: list[bytes], header: dict[str, object] | None
) -> None:
    """Without one it would never be acked; each has a tag of its own, and no byte is lost."""
    body = in_bytes(b"\n".join(lines), random.Random(seed)) if seed % 3 else b"\n".join(lines)
    found = parts(Arrival(7, True, "0", 0, body, header, "me", "x", is_bundle=True), Destination.COMMANDS, 2)
    assert 1 <= len(found) <= MOST_PARTS
    assert len({delivery.tag for delivery in found}) == len(found)
    assert b"\n".join(delivery.body for delivery in found) in (body, body.removesuffix(b"\n"))
    assert {(d.reply_to, d.redeliveries) for d in found} == {("me", 2)}
