"""What a durable loop runs: callbacks, timers, and tasks whose order is the same in every replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, TypeVar

T = TypeVar("T")


class DurableHandle(asyncio.Handle):
    """A callback to run. It is made in half the time of asyncio's, by leaving out what that keeps for debugging."""

    __slots__ = ()
    _callback: Callable[..., Any]
    _context: Context

    def __init__(
        self,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self._callback, self._args, self._loop = callback, args, loop
        self._context = copy_context() if context is None else context
        self._cancelled = False
        self._repr = self._source_traceback = None


class DurableTimer(asyncio.TimerHandle):
    """A timer of workflow code. `number` is its place in the stream's numbering."""

    __slots__ = ("number",)
    _callback: Callable[..., Any]
    _context: Context
    number: int


class DurableTask(asyncio.Task[T]):
    """A task whose hash depends on its place in the stream's history, not on its address in memory.

    asyncio keeps tasks in sets (`TaskGroup`, `wait`), hands sets of them out, and cancels and wakes them in the order
    of those sets: it must be the same in every replay.
    """

    __slots__ = ("_hash",)
    _hash: int
    _log_destroy_pending: bool  # asyncio's own

    def __hash__(self) -> int:
        return self._hash
