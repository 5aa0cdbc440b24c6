"""A process that can die: from one step to the next none of its coroutines runs any further.

A process's tasks are told by a context variable, which tasks hand down to the tasks that they make. Each `send` and
`throw` into one of them is a step, and is counted. After death a step does nothing: no `finally`, no handler of a
cancellation runs, as after a SIGKILL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar, copy_context
from typing import Any

_CURRENT: ContextVar[Process | None] = ContextVar("simulated_process", default=None)


class Process:
    """A simulated process.

    Args:
        name: for messages.
        die_at: the step before which it dies; None: it lives.
        on_death: what its environment does at that moment, for example to lose its connection.
    """

    def __init__(self, name: str, die_at: int | None = None) -> None:
        self.name = name
        self.steps = 0
        self.die_at = die_at
        self.dead = False
        self.died = asyncio.Event()
        self.on_death: list[Callable[[], None]] = []
        self._buried = False
        self._tasks: list[asyncio.Task[Any]] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start its main coroutine."""
        context = copy_context()
        context.run(_CURRENT.set, self)
        task = asyncio.get_running_loop().create_task(work, name=self.name, context=context)
        self._tasks.append(task)
        return task

    def die(self) -> None:
        """Kill it: SIGKILL."""
        if not self.dead:
            self.dead = True
            for act in self.on_death:
                act()
            self.died.set()

    def may_step(self) -> bool:
        """Count a step, or die before it."""
        if self._buried:
            return True
        if not self.dead:
            self.steps += 1
            if self.steps == self.die_at:
                self.die()
        return not self.dead

    def bury(self) -> None:
        """Let the remains be cleared away by ordinary cancellation, when the story has been told."""
        self._buried = True


class _Steps(Coroutine[Any, Any, Any]):
    def __init__(self, inner: Coroutine[Any, Any, Any], process: Process) -> None:
        self._inner, self._process = inner, process

    def send(self, value: Any) -> Any:
        return self._inner.send(value) if self._process.may_step() else _never()

    def throw(self, *error: Any) -> Any:
        return self._inner.throw(*error) if self._process.may_step() else _never()

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise TypeError("a task's coroutine is stepped, not awaited")


def _never() -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    future._asyncio_future_blocking = True  # as `await future` does
    return future


def count_steps(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """Make tasks so that the steps of processes are counted (a task factory)."""
    context = options.get("context")
    process = _CURRENT.get() if context is None else context.get(_CURRENT)
    if process is not None:
        coroutine = _Steps(coroutine, process)
    return asyncio.Task(coroutine, loop=loop, **options)
