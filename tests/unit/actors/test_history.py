"""A history as a file: what is written is read back to the byte, and what is not whole is named and explained."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors import HistoryRefused
from actors.history import History, PastEvent, read_history, write_history

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def past(version: int, data: bytes = b"{}", type: str = "Added", **fields: Any) -> PastEvent:
    return PastEvent(version=version, type=type, data=data, recorded_at=NOON + timedelta(seconds=version), **fields)


def lines(count: int = 3) -> list[bytes]:
    return list(write_history("Stock/tea", [past(n) for n in range(1, count + 1)], status="active"))


def refusal(given: list[bytes]) -> HistoryRefused:
    with pytest.raises(HistoryRefused) as caught:
        read_history(given, "tea.jsonl")
    return caught.value


def test_every_field_comes_back() -> None:
    """Payloads to the digit; what is no JSON, and what was spread over lines, too."""
    events = [
        past(1, b'{"units": 1.10, "n": 123456789012345678901234567890}', partition=3, offset=9, epoch=4, schema=2),
        past(2, b"\xff\x00sealed", causation_id="c", correlation_id="flow \xe9\u2028", trace="00-1"),
        past(3, b'"a\xe2\x80\xa8b"'),
    ]
    written = list(write_history("Stock/tea", events, status="active"))
    assert read_history(written) == History("Stock/tea", events, "active")
    assert read_history(b"".join(written).decode().split("\n")[:-1]) == History("Stock/tea", events, "active")
    assert json.loads(written[0]) == {
        "format": "perdure-history",
        "format_version": 1,
        "stream": "Stock/tea",
        "type": "Stock",
        "events": 3,
        "status": "active",
    }


def test_a_payload_of_several_lines_stands_in_one() -> None:
    """A publisher may have written its JSON so."""
    written = list(write_history("Stock/tea", [past(1, b'{\r\n "text": "a\\nb"\n}')]))
    assert [line.count(b"\n") for line in written] == [1, 1]
    assert json.loads(read_history(written).events[0].data) == {"text": "a\nb"}


def test_a_history_file_that_is_cut_off_is_refused() -> None:
    """At the end of any line and inside any event: the line is named, and nothing is taken for the whole."""
    whole = b"".join(lines())
    for length in range(len(whole) - 1):
        refused = refusal(whole[:length].splitlines(keepends=True))
        assert refused.name == "tea.jsonl"
    assert str(refusal(lines()[:3])) == (
        "tea.jsonl, line 3: the file ends here, with 2 of the 3 events that its first line promises: it was cut off; "
        "export it again"
    )
    assert "line 4: the event of version 3 is cut off in its middle" in str(refusal([*lines()[:3], lines()[3][:20]]))


def test_the_last_line_needs_no_end() -> None:
    """An editor may leave it out."""
    assert len(read_history([*lines()[:3], lines()[3].rstrip(b"\n")]).events) == 3


def test_a_gap_or_a_repetition_is_refused() -> None:
    """Which versions are missing is said."""
    header, one, two, three = lines()
    assert "line 3: version 3 follows version 1: version 2 is missing" in str(refusal([header, one, three]))
    assert "line 2: version 3 follows version 0: versions 1 to 2 are missing" in str(refusal([header, three]))
    assert "line 4: version 2 stands here again, where version 3 was expected" in str(refusal([header, one, two, two]))


def test_more_events_than_promised_are_refused() -> None:
    """They may be another file's."""
    assert "line 4: an event more than the 2" in str(refusal([lines(2)[0], *lines()[1:]]))


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"", "it is empty: expected a header"),
        (b"not json", "this is no JSON"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"[1]", "no file of `perdure export`"),
        (b'{"format":"other"}', "no file of `perdure export`"),
        (b'{"format":"perdure-history","format_version":2}', "the format's version is 2, and this Perdure reads 1"),
        (b'{"format":"perdure-history","format_version":1,"events":1}', "missing required field `stream`"),
        (b'{"format":"perdure-history","format_version":1,"stream":"x","type":"x","events":1}', "expected type/id"),
        (b'{"format":"perdure-history","format_version":1,"stream":"A/x","type":"B","events":1}', "its stream is A/x"),
        (b'{"format":"perdure-history","format_version":1,"stream":"A/x","type":"A","events":0}', ">= 1"),
        (b"[" * 10_000, "nested deeper"),
    ],
)
def test_a_wrong_header_is_refused(header: bytes, says: str) -> None:
    """With what is wrong about it, in line 1."""
    refused = refusal([header + b"\n", *lines()[1:]])
    assert refused.line == 1
    assert says in str(refused)


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (b"", "it is empty: expected an event"),
        (b"{]", "expected the event of version 2: "),
        (b'{"version":2,"type":"A","recorded_at":"2026-03-01T12:00:00Z"}', 'one of "data" (JSON) and "data_base64"'),
        (b'{"version":2,"type":"A","data":{},"recorded_at":"2026-03-01T12:00:00"}', "timezone"),
        (b'{"version":2,"type":"A","data":{},"recordedat":1}', "unknown field `recordedat`"),
        (b'{"version":"2"}', "Expected `int`"),
        (b"[" * 10_000 + b"]" * 10_000, "nested deeper"),
    ],
)
def test_a_damaged_line_is_refused(event: bytes, says: str) -> None:
    """With its number, and what was expected there."""
    header, one, _, three = lines()
    refused = refusal([header, one, event + b"\n", three])
    assert refused.line == 3
    assert says in str(refused)


def test_an_empty_file_is_refused() -> None:
    """There is no line to name."""
    assert str(refusal([])) == "tea.jsonl: it is empty: expected a history; export it again"


def test_what_is_no_whole_history_is_not_written() -> None:
    """A gap is found before the first line."""
    for events, says in (([], "no events"), ([past(2)], "version 1 is missing"), ([past(1), past(3)], "2 is missing")):
        with pytest.raises(HistoryRefused, match=says):
            next(write_history("Stock/tea", events))
