"""Running a task's function in a test: its sleeps and timeouts take virtual time, and no time at all."""

from __future__ import annotations

import asyncio
from asyncio import current_task
from asyncio.events import _get_running_loop, _set_running_loop
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from actors.testing.errors import NothingHappens

T = TypeVar("T")

_OUTSIDE = "A test has no world outside: give it a result or a function of its own for this task, in tasks={…}"


def run_virtually(work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, float]:
    """Run a coroutine to its end; gives its result and the virtual seconds that it took. Raises what it raises.

    Also inside a running event loop, which hears nothing of it.

    Raises:
        NothingHappens: it waits for the world outside (a socket, a thread), which there is none of.
    """
    with _no_running_loop():
        loop = _TaskLoop()
        try:
            return loop.run_until_complete(work()), loop.time()
        finally:
            _end(loop)
            loop.close()


class _TaskLoop(asyncio.BaseEventLoop):
    """An event loop whose time jumps to the next timer; without sockets, threads and signals."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self  # what the base asks for events from outside

    def time(self) -> float:
        """Give the virtual seconds since the loop was made."""
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """Let the time pass until the next timer."""
        if timeout is None:
            raise NothingHappens(f"the task waits for what never comes. {_OUTSIDE}")
        self._now += timeout
        return []

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]  # it refuses whatever comes
        """Refuse threads, and with them the look-up of host names."""
        raise NothingHappens(f"the task wants a thread or a socket. {_OUTSIDE}")

    def _process_events(self, event_list: Any) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """No other thread has to wake this loop."""


def _end(loop: asyncio.BaseEventLoop) -> None:
    """Cancel what the function has left running."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    try:
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
    except NothingHappens:
        pass  # clean-up that waits for the world, too


@contextmanager
def _no_running_loop() -> Iterator[None]:
    """Put the loop that runs around us aside: asyncio has one at a time."""
    outer = _get_running_loop()
    outer_task = None if outer is None else current_task(outer)
    if outer is not None and outer_task is not None:
        _leave_task(outer, outer_task)
    _set_running_loop(None)
    try:
        yield
    finally:
        _set_running_loop(outer)
        if outer is not None and outer_task is not None:
            _enter_task(outer, outer_task)
