from __future__ import annotations

import pytest

from runtime.demo.sms import RateLimited, admit


def _is_admitted(key: str, attempt: int) -> bool:
    try:
        admit(key, attempt)
    except RateLimited:
        return False
    return True


def test_the_gateway_turns_some_attempts_away_and_always_the_same_ones() -> None:
    """A run can be repeated, because nothing but the key and the attempt decides."""
    first = [_is_admitted(f"ProcessOrder/{number}#5", 1) for number in range(1000)]
    assert first == [_is_admitted(f"ProcessOrder/{number}#5", 1) for number in range(1000)]
    assert 100 < first.count(False) < 200


@pytest.mark.parametrize("number", range(50))
def test_every_message_gets_through_in_the_end(number: int) -> None:
    """Trying again is worth it."""
    assert any(_is_admitted(f"ProcessOrder/{number}#5", attempt) for attempt in range(1, 8))
