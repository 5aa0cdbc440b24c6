from __future__ import annotations

from decimal import Decimal

import pytest

from runtime.cli.output import duration, json_text, plain


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.0124, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (3.44, "3.4 s"),
        (59.96, "1 min"),
        (310, "5 min 10 s"),
        (7380, "2 h 3 min"),
        (3600, "1 h"),
        (30 * 86_400, "30 d"),
        (4 * 86_400 + 5 * 3600 + 59, "4 d 5 h"),
    ],
)
def test_a_span_of_time_is_readable(seconds: float, text: str) -> None:
    """Two units at most."""
    assert duration(seconds) == text


def test_anything_can_be_shown() -> None:
    """A workflow may keep what JSON has no form for; replay shows it all the same."""
    marker = object()
    assert plain({"amount": Decimal("1.50"), "odd": marker, 3: {1, 2}}) == {
        "amount": "1.50", "odd": repr(marker), "3": [1, 2],
    }  # fmt: skip
    assert json_text({"a": None}) == '{"a":null}'
