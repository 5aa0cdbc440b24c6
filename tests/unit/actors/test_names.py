"""What actors may be called."""

from __future__ import annotations

import pytest

from actors import InvalidId
from actors.names import MAX_ID_BYTES, split_stream, stream_name


@pytest.mark.parametrize("id", ["10248", "a.b:c@d", "ünïcode", "x" * MAX_ID_BYTES, "%2F", "日本"])
def test_names_come_apart_as_they_were_joined(id: str) -> None:
    """Splitting undoes joining for everything that is allowed."""
    assert split_stream(stream_name("Order", id)) == ("Order", id)


@pytest.mark.parametrize(
    ("id", "why"),
    [("", "empty"), ("a/b", "slash"), ("a b", "white space"), ("a\n", "white space"), ("a\0b", "unprintable"),
     ("\ud800", "unprintable"), ("\u200b", "unprintable"), ("x" * (MAX_ID_BYTES + 1), "longer"), ("é" * 91, "longer")],
)  # fmt: skip
def test_an_id_that_is_not_allowed_is_refused_with_its_reason(id: str, why: str) -> None:
    """The reason is in the message."""
    with pytest.raises(InvalidId, match=why):
        stream_name("Order", id)


@pytest.mark.parametrize("type", ["", "1st", "a.b", "a/b", "a b", "é", "x" * 65, "a\n"])
def test_a_type_that_is_not_allowed_is_refused(type: str) -> None:
    """Types travel in routing keys, so they are plain words."""
    with pytest.raises(InvalidId, match="actor type"):
        stream_name(type, "1")


@pytest.mark.parametrize("stream", ["", "Order", "Order/", "/1", "Order/a/b"])
def test_what_is_no_stream_name_is_refused(stream: str) -> None:
    """A stream is type/id."""
    with pytest.raises(InvalidId):
        split_stream(stream)


def test_the_longest_name_fits_in_a_routing_key() -> None:
    """AMQP's short string has 255 bytes, and `type.id` must fit."""
    assert len(stream_name("x" * 64, "y" * MAX_ID_BYTES).encode()) <= 255
