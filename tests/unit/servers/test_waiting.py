"""Waiting for a fact in tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.waiting import wait_until


async def test_gives_the_first_true_value() -> None:
    """Plain and async predicates alike."""
    answers: Iterator[int] = iter([0, 0, 7])

    async def later() -> int:
        return next(answers)

    assert await wait_until(later) == 7
    assert await wait_until(lambda: "here") == "here"


async def test_fails_with_the_last_value() -> None:
    """A wait that ends without success says what it waited for."""
    with pytest.raises(AssertionError, match=r"not within 0\.02 s: an order; the last value was \[\]"):
        await wait_until(list[int], seconds=0.02, what="an order")
