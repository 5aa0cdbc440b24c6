"""An event as JSON for readers outside."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from eventstore import RecordedEvent
from runtime.readers.event_publisher import announcement
from runtime.readers.record import event_id, event_json

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def recorded(**given: Any) -> RecordedEvent:
    return RecordedEvent(
        **{
            "partition": 3, "offset": 9, "stream": "Order/ä:1", "version": 7, "epoch": 2, "type": "Paid",
            "data": b'{"cents":10}', "recorded_at": AT, **given,
        }
    )  # fmt: skip


def test_all_of_it() -> None:
    """What `perdure events --json` shows, and an id."""
    assert json.loads(event_json(recorded(causation_id="c", correlation_id="f"))) == {
        "id": "Order/ä:1@7",
        "stream": "Order/ä:1",
        "version": 7,
        "type": "Paid",
        "data": {"cents": 10},
        "recorded_at": "2026-03-01T12:30:00Z",
        "partition": 3,
        "offset": 9,
        "epoch": 2,
        "schema": 1,
        "causation_id": "c",
        "correlation_id": "f",
    }


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b'{"a":\n1.10}\r\n', b'"data":{"a": 1.10}  ,'),
        (b"\xff\x00encrypted", b'"data":"\\\\xff\\u0000encrypted"'),
        (b"", b'"data":""'),
        (b"[" * 100, b'"data":"[[['),
        (b"12345678901234567890123", b'"data":12345678901234567890123,'),
    ],
)
def test_any_data_makes_one_line_of_json(data: bytes, shown: bytes) -> None:
    """JSON stays as it was written; anything else is a string. One bad event hides no other."""
    line = event_json(recorded(data=data))
    assert shown in line
    assert b"\n" not in line
    json.loads(line)


def test_ids_and_keys() -> None:
    """The id is stream and version; the key is the types, cut to what AMQP carries."""
    assert event_id(recorded()) == "Order/ä:1@7"
    assert announcement(recorded()).routing_key == "Order.Paid"
    assert len(announcement(recorded(type="ä" * 400)).routing_key.encode()) in (254, 255)
