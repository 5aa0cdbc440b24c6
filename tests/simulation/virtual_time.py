"""An event loop whose time jumps to the next timer: hours pass in milliseconds, and the same run is the same run.

It also knows processes (see process.py): before each callback it asks the process that the callback belongs to. So a
dead process does nothing more, not even a `finally`, and a stopped one does it later.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any

from tests.simulation.process import CURRENT

START = 1_000.0


class NothingWillHappen(RuntimeError):
    """Every task waits for another one: no timer is left that could move anything."""


class NoEnd(RuntimeError):
    """More steps than a story has: something goes round and round."""


class _NumberedTask(asyncio.Task[Any]):
    """A task that sets keep in the order of creation: by default they go by address, which differs from run to run."""

    def __init__(self, coroutine: Generator[Any, Any, Any], *, number: int, **options: Any) -> None:
        self.number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self.number


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """See the module's docstring. It has no sockets, files, signals or threads."""

    _ready: Any

    def __init__(self, most_steps: int | None = None) -> None:
        super().__init__()
        self.steps = 0
        self._most_steps = most_steps
        self._now = START
        self._numbers = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.trace = 0  # of all that ran: who, and when; the same for the same run
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Give the virtual time in seconds."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Move the clock by hand."""
        self._now += seconds

    def resume(self, handles: list[asyncio.Handle]) -> None:
        """Run now what a process had to put off."""
        self._ready.extend(handles)

    def note(self, number: int) -> None:
        """Put a number into the trace."""
        self.trace = (self.trace * 1_000_003 ^ number) & 0xFFFF_FFFF_FFFF_FFFF

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        self._numbers += 1
        return _NumberedTask(coroutine, loop=loop, number=self._numbers, **options)

    # The base's versions of these two check much that can't go wrong here, and keep timers in a heap that compares in Python.

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]  # its stub is generic
        """Run a callback in the next round."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a virtual time; of several at the same time, the first first."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, handle))
        return handle

    def _run_once(self) -> None:
        """Run what is ready; when that is nothing, move the clock to the next timer."""
        ready, timers = self._ready, self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not ready:
            if not timers:
                raise NothingWillHappen("no task can go on and no timer is set")
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            ready.append(heapq.heappop(timers)[2])
        self.steps += len(ready)
        if self._most_steps is not None and self.steps > self._most_steps:
            raise NoEnd(f"{self.steps} steps in {self._now - START:.3f} virtual seconds")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(CURRENT)
            if process is None:
                handle._run()
            elif process.may_step(handle):
                self.note(hash(self._now) ^ process.number)
                handle._run()

    def _process_events(self, events: Any) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """No other thread has to wake this loop: none may call it."""
