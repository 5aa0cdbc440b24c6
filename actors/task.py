"""Tasks: stateless functions that do work in the outside world."""

from __future__ import annotations

import inspect
import math
from asyncio.events import _get_running_loop
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Generic, ParamSpec, TypeVar, overload

from msgspec import Struct

from actors.errors import DefinitionError, Failure
from actors.loop import DurableLoop
from actors.names import TYPE_NAME
from actors.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")

_MAX_TIMEOUT = 366 * 86_400


class Retry(Struct, frozen=True):
    """When a failed attempt is followed by another, and after how long.

    The n-th retry waits `first_delay * factor ** (n - 1)` seconds, at most `max_delay`, shortened by up to the
    fraction `jitter` so that many failures do not come back together. Declared failures (`actors.Failure`) and the
    error types named in `never` are not retried.

    Raises:
        DefinitionError: a figure that makes no sense.
    """

    max_attempts: int | None = None  # None: until it succeeds
    first_delay: float = 0.5
    factor: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.2
    never: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("max_attempts", self.max_attempts, self.max_attempts is None or self.max_attempts >= 1),
            ("first_delay", self.first_delay, 0 <= self.first_delay < math.inf),
            ("factor", self.factor, 1 <= self.factor < math.inf),
            ("max_delay", self.max_delay, 0 <= self.max_delay < math.inf),
            ("jitter", self.jitter, 0 <= self.jitter <= 1),
        ):
            if not allowed:
                raise DefinitionError(
                    f"Retry: {name} is {value!r}; expected max_attempts of at least 1 (or None), finite delays of at "
                    "least 0, a finite factor of at least 1, a jitter from 0 to 1"
                )

    def delay_after(self, attempt: int, jitter: float) -> float | None:
        """Give the seconds to wait after a failed attempt, None when there is no other.

        Args:
            attempt: which attempt failed, from 1.
            jitter: a random number in [0, 1); the caller's, because this package has no randomness.
        """
        if self.max_attempts is not None and attempt >= self.max_attempts:
            return None
        try:
            delay = self.first_delay * float(self.factor) ** (attempt - 1)
        except OverflowError:
            delay = self.max_delay if self.first_delay else 0.0
        return float(min(self.max_delay, delay) * (1 - self.jitter * jitter))

    def retries(self, error: BaseException) -> bool:
        """Say whether this sort of error is worth another attempt at all."""
        return not isinstance(error, (Failure, *self.never))


class TaskContext(Struct, frozen=True):
    """What a running task knows about itself; see `task_context`."""

    key: str  # the idempotency key: the same for every attempt
    stream: str
    task: int
    attempt: int  # from 1
    deadline: datetime
    correlation_id: str | None = None


_CONTEXT: ContextVar[TaskContext] = ContextVar("perdure_task_context")


def task_context() -> TaskContext:
    """Give the context of the task that is running.

    Raises:
        LookupError: no task is running here.
    """
    try:
        return _CONTEXT.get()
    except LookupError:
        raise LookupError("task_context() is for the inside of a @task function that a worker runs") from None


def enter_task(context: TaskContext) -> None:
    """Set the context for the current asyncio task; for workers and tests."""
    _CONTEXT.set(context)


class Task(Generic[P, R]):
    """A registered function. Awaiting a call inside a workflow is durable; elsewhere it just runs the function."""

    def __init__(
        self,
        function: Callable[P, Coroutine[Any, Any, R]],
        *,
        name: str | None = None,
        queue: str = "default",
        retry: Retry | None = None,
        timeout: float = 60.0,
        local: bool = False,
        raises: tuple[type[Failure], ...] = (),
    ) -> None:
        self.function = function
        self.name: str = name or function.__name__
        self.queue, self.local, self.timeout = queue, local, timeout
        self.retry = Retry() if retry is None else retry
        self.raises = _declared(self.name, raises)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self.__name__ = self.name
        self._check()
        self.signature = Signature(function, self.name, skip_first=False)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the task: a coroutine to await."""
        loop = _get_running_loop()
        if isinstance(loop, DurableLoop):
            return loop.host.call_task(self, self.signature.encode(args, kwargs))
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task {self.name} on queue {self.queue}>"

    def _check(self) -> None:
        for what, name in (("name", self.name), ("queue", self.queue)):
            if TYPE_NAME.fullmatch(name) is None:
                raise DefinitionError(f"task {self.name!r}: the {what} {name!r} must be letters, digits, _ or -")
        if not inspect.iscoroutinefunction(inspect.unwrap(self.function)):
            raise DefinitionError(
                f"task {self.name}: it must be an async function; call blocking code with asyncio.to_thread inside"
            )
        if not isinstance(self.retry, Retry):
            raise DefinitionError(
                f"task {self.name}: retry is {self.retry!r}; expected a Retry, such as Retry(max_attempts=3)"
            )
        if not 0 < self.timeout <= _MAX_TIMEOUT:
            raise DefinitionError(
                f"task {self.name}: timeout must be above 0 and at most {_MAX_TIMEOUT} seconds, it is {self.timeout}"
            )


def _declared(name: str, raises: tuple[Any, ...]) -> dict[str, type[Failure]]:
    for failure in raises:
        if not (isinstance(failure, type) and issubclass(failure, Failure)):
            raise DefinitionError(f"task {name}: raises names {failure!r}, which is not a subclass of actors.Failure")
    return {failure.__name__: failure for failure in raises}


@overload
def task(function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
@overload
def task(
    *,
    name: str | None = None,
    queue: str = "default",
    retry: Retry | None = None,
    timeout: float = 60.0,
    local: bool = False,
    raises: tuple[type[Failure], ...] = (),
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Task[P, R]]: ...
def task(function: Callable[P, Coroutine[Any, Any, R]] | None = None, /, **options: Any) -> Any:
    """Make an async function a task.

    Args:
        function: the function, when used without parentheses.
        options: `name` (default: the function's), `queue` that workers consume, `retry` policy, `timeout` of one
            attempt in seconds, `local` to run it inside the node without the broker (for short work), `raises`:
            failures that a workflow may catch by their own class.

    Raises:
        DefinitionError: the function or an option can't work.
    """
    if function is not None:
        return Task(function)
    return lambda function: Task(function, **options)
