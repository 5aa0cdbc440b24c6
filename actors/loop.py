"""The deterministic event loop that workflow code runs on.

It is an ordinary asyncio loop with the outside taken away: a queue of ready callbacks, a clock that stands still
during a turn, and timers that are handed to the journal. asyncio's own `gather`, `TaskGroup`, `wait_for`,
`timeout`, `sleep`, `Event`, `Lock`, `Semaphore` and `Queue` need no more than that, so they are durable as they are.

It runs *inside* a real loop, to quiescence, without ever waiting: `inside` swaps it in as the running loop and back
again. All that enters comes through the execution that owns it, in journal order; so the order of
its callbacks, and thereby everything that the code does, is a function of the journal.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import current_task
from asyncio.events import _get_running_loop, _set_running_loop
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context
from datetime import datetime
from typing import Any, Protocol, TypeVar
from zlib import crc32

from actors.callbacks import DurableHandle, DurableTask, DurableTimer
from actors.closing import close
from actors.errors import NotDurable
from actors.refused import REFUSED, TASKS_FILE, check_order

T = TypeVar("T")
R = TypeVar("R")

MAX_STEPS = 5_000_000  # callbacks in one turn; code that goes on for ever must not hold its node for ever
MAX_TIME = 253_402_300_800.0  # the year 10000: what is later fits neither a datetime nor a database
_FEW_TASKS = 64
_HASH_STEP, _HASH_MASK = 0x9E3779B97F4A7C15 >> 3, (1 << 61) - 2  # spreads; the mask is below where hashes wrap
_SHIELD = asyncio.shield.__code__


class Host(Protocol):
    """The execution that owns a loop: whatever the code asks for that must be journaled goes to it."""

    @property
    def replaying(self) -> bool:
        """Whether the code is only repeating what it did before."""
        ...

    def timer_set(self, timer: DurableTimer) -> int:
        """Take a timer that the code waits for; gives its number."""
        ...

    def timer_cleared(self, timer: DurableTimer) -> None:
        """Hear that a timer is no longer waited for."""
        ...

    def call_task(self, task: Any, input: bytes) -> Coroutine[Any, Any, Any]:
        """Schedule a task (an `actors.task.Task`) with encoded arguments, and await its result."""
        ...


class DurableLoop(asyncio.AbstractEventLoop):
    """See the module's docstring. Sockets, threads, executors, signals and subprocesses raise `NotDurable`."""

    __slots__ = (
        "_closed", "_conditions", "_forget_at", "_moment", "_next_hash", "_now", "_ready", "_sheltered", "_tasks",
        "host", "unhandled",
    )  # fmt: skip

    def __init__(self, host: Host, stream: str = "") -> None:
        self.host = host
        # Other streams' tasks hash differently, because asyncio keeps all of a process in one set.
        self._next_hash = crc32(stream.encode())
        self._ready: list[DurableHandle | DurableTimer] = []
        self._conditions: list[tuple[Callable[[], Any], asyncio.Future[None]]] = []
        # Held, so that when one is collected never depends on the garbage collector; see `create_task`.
        self._tasks: list[DurableTask[Any]] = []
        self._forget_at = _FEW_TASKS
        self._sheltered = 0  # sections under `asyncio.shield`, which leaves no other trace of them
        self._now = 0.0
        self._moment: datetime | None = None  # to which the clock is to be moved
        self._closed = False
        self.unhandled: list[dict[str, Any]] = []

    # -- driven by the execution --------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Move the clock to the time of the fact that comes next; it never goes back."""
        self._now = max(self.time(), now)

    def advance_to(self, moment: datetime) -> None:
        """Like `advance`, in a replay: few facts are followed by a look at the clock, and converting each takes long."""
        if self._moment is None or moment > self._moment:
            self._moment = moment

    def peek(self, now: float, work: Callable[..., R], *args: Any) -> R:
        """Do something at a time of its own, of which nothing is recorded: the clock stands then where it stood."""
        before = self.time()
        self.advance(now)
        try:
            return work(*args)
        finally:
            self._now = before

    def fire(self, timer: DurableTimer) -> None:
        """Let a timer that came due run its callback in the next turn."""
        self._ready.append(timer)

    def inside(self, work: Callable[..., R], *args: Any) -> R:
        """Do something with this loop as the running one, and put back whatever runs around it."""
        outer = _get_running_loop()
        if outer is self:
            return work(*args)
        # Until Python 3.13 each loop has a current task of its own, and there is nothing to put away.
        outer_task = None if outer is None or sys.version_info < (3, 14) else current_task(outer)
        outer_hooks = sys.get_asyncgen_hooks()
        if outer is not None and outer_task is not None:
            _leave_task(outer, outer_task)
        _set_running_loop(self)
        sys.set_asyncgen_hooks(None, self._generator_dropped)
        try:
            return work(*args)
        finally:
            sys.set_asyncgen_hooks(*outer_hooks)
            _set_running_loop(outer)
            if outer is not None and outer_task is not None:
                _enter_task(outer, outer_task)

    def run_until_idle(self) -> None:
        """Run callbacks until none is ready and no condition that is waited for holds; to be called `inside`.

        Raises:
            NotDurable: the code does not come to rest.
        """
        steps = MAX_STEPS
        while self._ready or (self._conditions and self._resolve_condition()):
            batch, self._ready = self._ready, []
            steps -= len(batch)
            if steps < 0:
                raise NotDurable(
                    f"the code did not come to rest in {MAX_STEPS} steps: it never waits for a task, "
                    "a timer, a command or a condition"
                )
            for handle in batch:
                if handle._cancelled:
                    continue
                try:
                    handle._context.run(handle._callback, *handle._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001 - as asyncio's own handles do
                    self.unhandled.append({"exception": error, "handle": handle})

    def mistake(self, error: BaseException) -> None:
        """Take an exception for a mistake in the code, whoever catches it: this turn decides nothing."""
        self.unhandled.append({"exception": error, "handle": None})

    def when(self, condition: Callable[[], Any]) -> asyncio.Future[None]:
        """Give a future that is done as soon as a condition holds; it holds still when the waiter goes on."""
        future = self.create_future()
        self._conditions.append((condition, future))
        return future

    @property
    def conditions(self) -> int:
        """How many conditions are waited for."""
        return len(self._conditions)

    @property
    def tasks(self) -> list[DurableTask[Any]]:
        """The tasks that may still go on, in the order they were made."""
        return self._tasks

    @property
    def waiting_conditions(self) -> list[tuple[Callable[[], Any], asyncio.Future[None]]]:
        """The conditions that are waited for, each with what its waiter awaits."""
        return self._conditions

    def _resolve_condition(self) -> bool:
        # One at a time: what a woken waiter does may make the next condition false again.
        for index, (condition, future) in enumerate(self._conditions):
            if future.done():
                del self._conditions[index]
                return True
            try:
                holds = condition()
            except Exception as error:  # noqa: BLE001 - the user's condition; its error belongs to the waiter
                future.set_exception(error)
            else:
                if not holds:
                    continue
                future.set_result(None)
            del self._conditions[index]
            return True
        return False

    def dispose(self) -> None:
        """End every coroutine without running it further; nothing that its clean-up asks for has an effect."""
        self._closed = True
        self._conditions.clear()
        if not all(task.done() for task in self._tasks):
            self.inside(self._close_tasks)  # elsewhere a @task called by clean-up code would really run
        self._tasks.clear()
        self._ready.clear()

    def _close_tasks(self) -> None:
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # it is dropped on purpose
                _enter_task(self, task)  # clean-up code that opens a timeout or a group asks whose it is
                try:
                    close(task.get_coro())
                finally:
                    _leave_task(self, task)

    def _generator_dropped(self, generator: AsyncGenerator[Any, Any]) -> None:
        # The loop around this one would end it in a task of its own, where the @tasks that it calls would really run.
        if not self._closed and _get_running_loop() is self:
            self.create_task(generator.aclose())

    # -- what asyncio asks of a loop ----------------------------------------------------------------------

    def time(self) -> float:
        if self._moment is not None:
            self._now, self._moment = max(self._now, self._moment.timestamp()), None
        return self._now

    def call_soon(  # type: ignore[override]  # a looser callback type than typeshed's
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = DurableHandle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]  # a looser callback type than typeshed's
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # a looser callback type than typeshed's
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = DurableTimer(when, callback, args, self, context)
        timer.number = 0
        if when <= self.time():
            self._ready.append(timer)
        elif not when < MAX_TIME:  # NaN is not
            raise NotDurable(
                f"a timer can't be due at {when}: expected a time before the year 10000; None waits for ever"
            )
        elif not self._closed:
            timer.number = self.host.timer_set(timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if not self._closed and isinstance(handle, DurableTimer) and handle.number:
            self.host.timer_cleared(handle)

    def create_future(self) -> asyncio.Future[Any]:
        if (caller := sys._getframe(1)).f_code is _SHIELD:
            self._sheltered += 1
            caller.f_locals["inner"].add_done_callback(self._section_done)
        return asyncio.Future(loop=self)

    @property
    def sheltering(self) -> bool:
        """Whether a section that was put under `asyncio.shield` is still under way."""
        return self._sheltered > 0

    def _section_done(self, _: asyncio.Future[Any]) -> None:
        self._sheltered -= 1

    def create_task(  # type: ignore[override]  # typeshed's generator form is not for users
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None, **_: Any
    ) -> asyncio.Task[T]:
        if (caller := sys._getframe(1)).f_code.co_filename == TASKS_FILE:
            check_order(caller, coro)
        return self.begin(coro, name=name, context=context)

    def begin(
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        """Make a task as `create_task` does, for a caller that keeps an order of its own."""
        if self._closed:
            coro.close()  # clean-up code of an instance that is being unloaded: its task never takes a step
        elif len(self._tasks) >= self._forget_at:
            self._tasks = [task for task in self._tasks if not task.done()]
            self._forget_at = max(_FEW_TASKS, 2 * len(self._tasks))
        # A name of its own keeps asyncio's global counter, which would differ on replay, out of the code's sight.
        task: DurableTask[T] = DurableTask.__new__(DurableTask)
        task._hash = self._next_hash = (self._next_hash + _HASH_STEP) & _HASH_MASK
        asyncio.Task.__init__(
            task, coro, loop=self, name=name or getattr(coro, "__qualname__", "task"), context=context
        )
        if self._closed:
            task._log_destroy_pending = False
        else:
            self._tasks.append(task)
        return task

    # Always False, and asked by every future and task that is made: in C it takes no Python call.
    get_debug = staticmethod(bool)

    def is_running(self) -> bool:
        return not self._closed

    def is_closed(self) -> bool:
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.unhandled.append(context)

    def get_task_factory(self) -> None:
        return None


for _name, _refused in REFUSED.items():
    setattr(DurableLoop, _name, _refused)
