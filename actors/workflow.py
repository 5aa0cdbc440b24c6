"""`Workflow`: an actor with a durable coroutine `run`."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, ParamSpec, Protocol, TypeVar, overload
from uuid import UUID

from actors.names import split_stream
from actors.parent import Parent, Runs
from actors.reference import Speaker
from actors.task import Task
from actors.upcasting import WorkflowUpcaster

if TYPE_CHECKING:
    from actors.child import ChildHandle, ChildOptions
    from actors.loop import DurableLoop

T = TypeVar("T")
P = ParamSpec("P")
Item = TypeVar("Item")


class Surroundings(Protocol):
    """What a workflow instance reaches of the execution that runs it."""

    stream: str
    loop: DurableLoop

    @property
    def random(self) -> Random:
        """Random numbers that are the same on replay."""
        ...

    def log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Take a line for the log."""
        ...

    def set_attributes(self, values: dict[str, Any]) -> None:
        """Set search attributes."""
        ...

    def patched(self, name: str) -> bool:
        """Say whether this run takes a patch."""
        ...

    def record(self, make: Callable[[], Any], type: Any) -> Any:
        """Give a value that is made once."""
        ...

    def promise(self, name: str, type: Any) -> Coroutine[Any, Any, Any]:
        """Await a promise."""
        ...

    def call_child(
        self,
        workflow: type[Workflow] | str,
        id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: ChildOptions,
    ) -> Coroutine[Any, Any, Any]:
        """Start another workflow and await its result."""
        ...

    def start_child(
        self,
        workflow: type[Workflow] | str,
        id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: ChildOptions,
    ) -> ChildHandle[Any]:
        """Start another workflow."""

    def map_task(
        self, task: Task[Any, Any], inputs: Sequence[bytes], at_most: int | None
    ) -> Coroutine[Any, Any, list[Any]]:
        """Schedule a task for each of many inputs, and await all results."""
        ...

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        """End the run for a new one with these arguments."""
        ...


class WorkflowLog:
    """A structured log for workflow code: each line is said once, never again on replay."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def debug(self, event: str, **fields: Any) -> None:
        """Log at level debug; fields must be JSON-like."""
        self._surroundings.log("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Log at level info; fields must be JSON-like."""
        self._surroundings.log("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log at level warning; fields must be JSON-like."""
        self._surroundings.log("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log at level error; fields must be JSON-like."""
        self._surroundings.log("error", event, fields)


class Workflow(Parent, Speaker):
    """Base of workflows. Write `async def run(self, …)`, and `@command` and `@query` methods as needed.

    `run` is replayed from the journal, so it must do the same each time: work in the outside world goes into
    `@task` functions, time comes from `self.now()`, chance from `self.random` and `self.uuid()`. Plain attributes are
    the instance's state. A subclass may set another type name than its own: `class Order(Workflow, name="order")`.

    Several classes of one name may be registered, each with a version of its own: `class Order(Workflow, version=2)` beside
    `class OrderV1(Workflow, name="Order", version=1)`. New instances are started with the newest, and go on with
    the one they were started with; it is in their first event.

    `class Order(Workflow, timeout=86_400)` ends an instance so many seconds after its start, at once and without running its
    code, unless it has ended by then: its result is a `RunTimedOut`. `continue_as_new` gives it no more time.
    """

    type_name: ClassVar[str]
    type_version: ClassVar[int]
    run_timeout: ClassVar[float | None]
    retention: ClassVar[timedelta | None] = None  # how long an instance is kept after its end; None: for ever
    upcasters: ClassVar[
        Sequence[WorkflowUpcaster]
    ] = ()  # how old forms in journals are read: UpcastInput, UpcastResult, UpcastPromise
    _perdure: Surroundings

    if TYPE_CHECKING:
        # Any signature: `run` takes what the workflow needs.
        run: Callable[..., Any]

    def __init_subclass__(
        cls, *, name: str | None = None, version: int = 1, timeout: float | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.type_name, cls.type_version, cls.run_timeout = name or cls.__name__, version, timeout

    @property
    def id(self) -> str:
        """The instance's id: the part of its stream's name after the slash."""
        return split_stream(self._perdure.stream)[1]

    @property
    def log(self) -> WorkflowLog:
        """A log whose lines are not repeated on replay."""
        return WorkflowLog(self._perdure)

    @property
    def random(self) -> Random:
        """Random numbers that are the same on replay (seeded with the stream's name; not for secrets)."""
        return self._perdure.random

    def uuid(self) -> UUID:
        """Give a random UUID that is the same on replay."""
        return UUID(int=self._perdure.random.getrandbits(128), version=4)

    def now(self) -> datetime:
        """Give the time of the current turn, in UTC: the same on replay."""
        return datetime.fromtimestamp(self._perdure.loop.time(), UTC)

    def set_search_attributes(self, **values: str | float | bool | datetime | None) -> None:
        """Say something of this instance by which it can be found: `self.set_search_attributes(customer="ACME", total=120)`.

        `perdure list --where "total>100"` and `client.list` find it then. Attributes are kept until they are set anew;
        None takes one away. They are no state: the code can't read them.

        Raises:
            InvalidArguments: a name or value that can't be kept; see `actors.attributes`.
            DefinitionError: a query or validator asked.
        """
        self._perdure.set_attributes(values)

    def patched(self, name: str) -> bool:
        """Say whether this run takes the new way at a place where the code has changed: `if self.patched("name"):`.

        True for a run that gets here for the first time now; that is recorded. False for one that got here before this
        call was in the code: in a replay there is no record of it. A run decides once for each name and keeps to that,
        also in a loop; to have each round decide, put what tells it apart into the name: `self.patched(f"fee-{n}")`.

        When no run is left that takes the old way, delete the call and the old way. Records of patches that nobody asks
        for are passed over. Queries and validators record nothing: they are told what the run has decided, False if nothing yet.
        """
        return self._perdure.patched(name)

    def record(self, make: Callable[[], T], type: Any = None) -> T:
        """Have a value worked out once, and be given the same one in every replay: `self.record(lambda: read_limits())`.

        For what `now()`, `random` and `uuid()` do not cover. It must be quick: the node waits for it. What talks to
        others is a `@task`, perhaps a local one.

        Args:
            make: called without arguments, once. Whatever it raises is a mistake in the code, also a declared failure.
            type: as what the value is read back from JSON; by default as `make` says that it returns, else as builtins.

        Raises:
            DefinitionError: a query or validator asked.
        """
        value: T = self._perdure.record(make, type)
        return value

    def continue_as_new(self: Runs[P, Any], *args: P.args, **kwargs: P.kwargs) -> NoReturn:
        """End this run and begin a new one of the same instance, with these arguments of `run` and a fresh object.

        For an instance that lives long: only the last run's code is run again when the instance is loaded. Like `return`,
        it waits for the handlers of commands that are under way; those of `@command(carry_over=True)` are begun again
        by the new run. Tasks, timers and children that are still open end with the run, children as their `on_close` says. Who waits for the result waits for the last run's. Call it in `run`.

        Raises:
            InvalidArguments: they do not fit `run`.
        """
        self._perdure.continue_as_new(args, kwargs)

    @overload
    async def promise(self, name: str, type: builtins.type[T]) -> T: ...

    @overload
    async def promise(self, name: str, type: Any = Any) -> Any: ...

    async def promise(self, name: str, type: Any = Any) -> Any:
        """Wait for a value that somebody outside gives, by this name: `invoice = await self.promise("invoice", Invoice)`.

        It may be given before anybody waits for it: it is kept. The first one wins, and the others are told which that was.
        Every wait for the name, at the same time or later, gives the same value. `asyncio.timeout` and the like work as ever.

        Args:
            name: 1 to 200 printable characters.
            type: as what the value is read. While the code waits, a value that does not fit is refused to who gives it.

        Raises:
            PromiseFailed: it was rejected; `.type`, `.message` and `.details` tell why. `.type` is `InvalidValue` when it was
                given before the code waited for it, and does not fit.
        """
        return await self._perdure.promise(name, type)

    async def map(
        self, task: Callable[[Item], Coroutine[Any, Any, T]], items: Iterable[Item], *, at_most: int | None = None
    ) -> list[T]:
        """Do a task for each of many items, side by side, and give the results in the order of the items.

        It is what `asyncio.gather(*(task(item) for item in items))` is, but made for tens of thousands: one event schedules up
        to 1,000 of them, and an item costs no coroutine. Each has its own key, retries and outcome.

        Args:
            task: a `@task` that takes one argument.
            items: in an order that is the same each time (no set).
            at_most: how many are open at a time, 1 or more; None: all.

        Raises:
            Failure: of the first item that failed, as the task's own call would raise it. What is open then is given up.
            TypeError, ValueError: `task` is no task, or `at_most` is below 1.
        """
        if not isinstance(task, Task):
            raise TypeError(f"map() takes a @task, not {task!r}")
        if at_most is not None and at_most < 1:
            raise ValueError(f"at_most must be 1 or more, or None; it is {at_most}")
        inputs = [task.signature.encode((item,), {}) for item in items]
        results: list[T] = await self._perdure.map_task(task, inputs, at_most)
        return results

    async def until(self, condition: Callable[[], Any], timeout: float | None = None) -> None:
        """Wait until a condition over the instance's own state holds; it still holds when this returns.

        Args:
            condition: called often, must be quick and change nothing.
            timeout: seconds, a durable timer; None waits for ever.

        Raises:
            TimeoutError: the condition did not hold in time.
        """
        if condition():
            return
        future = self._perdure.loop.when(condition)
        if timeout is None:
            await future
        else:
            async with asyncio.timeout(timeout):
                await future
