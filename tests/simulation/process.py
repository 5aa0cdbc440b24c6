"""A process that can be killed and stopped: none of its coroutines and callbacks runs while it is dead or stopped.

What belongs to a process is told by a context variable, which asyncio hands down to every task and callback that is made
in it. The loop asks `may_step` before each one, which counts them. After death nothing runs: no `finally`, no handler of
a cancellation, as after a SIGKILL. While it is stopped, as by SIGSTOP, all is kept for later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.virtual_time import VirtualTimeLoop

CURRENT: ContextVar[Process | None] = ContextVar("simulated_process", default=None)


class Process:
    """A simulated process.

    Args:
        name: for messages.
        die_at: the step before which it dies; None: it lives.
    """

    def __init__(self, name: str, die_at: int | None = None) -> None:
        self.name = name
        self.number = sum(name.encode())  # for the trace
        self.steps = 0
        self.die_at = die_at
        self.stop_at: int | None = None  # the step before which it stops, as by SIGSTOP
        self.on_stop: Callable[[], None] = lambda: None
        self.dead = False
        self.stopped = False
        self.died = asyncio.Event()
        self.on_death: list[Callable[[], None]] = []  # what its environment does then, such as losing its connection
        self._buried = False
        self._kept: list[asyncio.Handle] = []
        self._loop: VirtualTimeLoop | None = None

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start its main coroutine."""
        context = copy_context()
        context.run(CURRENT.set, self)
        loop: Any = asyncio.get_running_loop()
        self._loop = loop
        return self._loop.create_task(work, name=self.name, context=context)

    def die(self) -> None:
        """Kill it: SIGKILL."""
        if not self.dead:
            self.dead = True
            for act in self.on_death:
                act()
            self.died.set()

    def stop_running(self) -> None:
        """Let it stand still: SIGSTOP."""
        self.stopped = True

    def go_on(self) -> None:
        """Let it run again, with all that came meanwhile: SIGCONT."""
        self.stopped = False
        if not self.dead:
            self._release()

    def may_step(self, handle: asyncio.Handle) -> bool:
        """Count a step, or die before it; one that may not run now is kept."""
        if self._buried:
            return True
        if not self.dead and not self.stopped:
            self.steps += 1
            if self.steps == self.die_at:
                self.die()
            elif self.steps == self.stop_at:
                self.stop_running()
                self.on_stop()
        if self.dead or self.stopped:
            self._kept.append(handle)
            return False
        return True

    def bury(self) -> None:
        """Let the remains be cleared away by ordinary cancellation, when the story has been told."""
        self._buried = True
        self._release()

    def _release(self) -> None:
        kept, self._kept = self._kept, []
        if self._loop is not None:
            self._loop.resume(kept)
