"""Waiting in tests: never for a time, always for a fact, never for ever."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

_POLL = 0.01


@overload
async def wait_until(predicate: Callable[[], Awaitable[T | None]], *, seconds: float = ..., what: str = ...) -> T: ...


@overload
async def wait_until(predicate: Callable[[], T | None], *, seconds: float = ..., what: str = ...) -> T: ...


async def wait_until(
    predicate: Callable[[], T | None] | Callable[[], Awaitable[T | None]], *, seconds: float = 10, what: str = ""
) -> T:
    """Wait until the predicate (plain or async) gives something true, and give that.

    Args:
        predicate: asked every 10 ms.
        seconds: after so many without success the test fails.
        what: what was expected, for the failure's message.

    Raises:
        AssertionError: it did not come true in time; names the last value.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = predicate()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or predicate}; the last value was {value!r}")
        await asyncio.sleep(_POLL)
