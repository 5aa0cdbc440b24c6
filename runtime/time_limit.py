"""Time limits of attempts. `asyncio.timeout` sets a timer of its own for each block; here all blocks with one limit share one.

Blocks with the same limit end in the order in which they began, so the oldest one's end is the only one to wait for.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class TimeLimits:
    """The limits that run in one event loop."""

    def __init__(self) -> None:
        self._lanes: dict[float, Lane] = {}

    def of(self, seconds: float) -> TimeLimit:
        """Make a limit for one block: `with limits.of(10) as limit: await …`."""
        lane = self._lanes.get(seconds)
        if lane is None:
            lane = self._lanes[seconds] = Lane(seconds)
        return TimeLimit(lane)


class Lane:
    """The blocks under way that have the same limit, the oldest first, and the timer that looks after them."""

    __slots__ = ("_armed", "_seconds", "_under_way")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._under_way: dict[TimeLimit, float] = {}  # when each has to end, by the loop's time
        self._armed = False

    def enter(self, limit: TimeLimit, loop: asyncio.AbstractEventLoop) -> None:
        """Take a block that begins now."""
        self._under_way[limit] = loop.time() + self._seconds
        if not self._armed:
            self._arm(loop, self._seconds)

    def leave(self, limit: TimeLimit) -> None:
        """Let a block go; the timer may stay, for it does no harm."""
        self._under_way.pop(limit, None)

    def _arm(self, loop: asyncio.AbstractEventLoop, delay: float) -> None:
        self._armed = True
        loop.call_later(delay, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._armed = False
        now = loop.time()
        for limit, end in list(self._under_way.items()):
            if end > now:
                self._arm(loop, end - now)
                return
            del self._under_way[limit]
            limit.expire()


class TimeLimit:
    """Cancels the asyncio task that runs its block when time is up; the block then raises `TimeoutError`.

    A cancellation that comes from elsewhere at the same time stays one: the count of requests decides, as in
    `asyncio.timeout`. `expired` tells this timeout from one that the block raised by itself.
    """

    __slots__ = ("_cancelling", "_lane", "_task", "expired")

    _task: asyncio.Task[object]

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs an asyncio task to cancel; there is none")
        self._task, self._cancelling = task, task.cancelling()
        self._lane.enter(self, task.get_loop())
        return self

    def expire(self) -> None:
        """Hear that time is up."""
        self.expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lane.leave(self)
        ours_only = self.expired and self._task.uncancel() <= self._cancelling
        if ours_only and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error
