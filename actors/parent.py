from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from actors.child import ChildHandle, ChildOptions
from actors.journal import OnClose

if TYPE_CHECKING:
    from actors.workflow import Surroundings

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class Runs(Protocol[P, R_co]):
    """Anything with a `run`, for the types of the arguments that it takes, and of its result."""

    _perdure: Surroundings

    @property
    def run(self) -> Callable[P, Coroutine[Any, Any, R_co]]:
        """Run it."""
        ...


class Parent:
    """What a workflow can do with others that it starts, its *children*.

    A type checker sees a child's own parameters and its result. Where an option stands among the arguments it sees the result alone,
    for Python can't say "these parameters, and an option"; where the child is only named, neither.
    """

    _perdure: Surroundings

    @overload
    async def execute(
        self,
        workflow: type[Runs[..., R_co]],
        id: str,
        /,
        *args: Any,
        on_close: OnClose,
        run_timeout: float | None = None,
        **kwargs: Any,
    ) -> R_co: ...

    @overload
    async def execute(
        self,
        workflow: type[Runs[..., R_co]],
        id: str,
        /,
        *args: Any,
        on_close: OnClose = "cancel",
        run_timeout: float | None,
        **kwargs: Any,
    ) -> R_co: ...

    @overload
    async def execute(self, workflow: type[Runs[P, R_co]], id: str, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @overload
    async def execute(
        self,
        workflow: str,
        id: str,
        /,
        *args: Any,
        on_close: OnClose = "cancel",
        run_timeout: float | None = None,
        **kwargs: Any,
    ) -> Any: ...

    async def execute(
        self,
        workflow: Any,
        id: str,
        /,
        *args: Any,
        on_close: Any = "cancel",
        run_timeout: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Start another workflow, a *child*, and wait for its result; several at once with `asyncio.gather`.

        The child is an instance like any other: it has its own history, may live on another node, and takes commands
        and queries. When the waiting is cancelled (`asyncio.timeout`, a cancelled run), the child is asked to cancel,
        and nobody waits for what it makes of that; with `on_close="abandon"` it goes on. `start_child` gives a handle instead.

        Args:
            workflow: its class (or name), registered in the same `App`.
            id: of the new instance. It is the child's for ever: no id can be executed twice, also not by this run.
            args: arguments of the child's `run`.
            on_close: what becomes of the child when this run ends first, in whatever way: "cancel", "terminate", "abandon".
            run_timeout: seconds after its start when the child is ended, unless it has ended by then; None: its class's, if it
                has one.
            kwargs: arguments of the child's `run` by name.

        Raises:
            ChildFailed: the child's run failed; `.type`, `.message` and `.details` tell of its failure. `.type` is `Conflict`
                when the id belongs to an instance that somebody else started.
            ChildCancelled, ChildTerminated, ChildTimedOut: it was; each is a `ChildFailed`.
            DefinitionError: an option that is none.
        """
        return await self._perdure.call_child(workflow, id, args, kwargs, ChildOptions(on_close, run_timeout))

    @overload
    def start_child(
        self,
        workflow: type[Runs[..., R_co]],
        id: str,
        /,
        *args: Any,
        on_close: OnClose,
        run_timeout: float | None = None,
        **kwargs: Any,
    ) -> ChildHandle[R_co]: ...

    @overload
    def start_child(
        self,
        workflow: type[Runs[..., R_co]],
        id: str,
        /,
        *args: Any,
        on_close: OnClose = "cancel",
        run_timeout: float | None,
        **kwargs: Any,
    ) -> ChildHandle[R_co]: ...

    @overload
    def start_child(
        self, workflow: type[Runs[P, R_co]], id: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> ChildHandle[R_co]: ...

    @overload
    def start_child(
        self,
        workflow: str,
        id: str,
        /,
        *args: Any,
        on_close: OnClose = "cancel",
        run_timeout: float | None = None,
        **kwargs: Any,
    ) -> ChildHandle[Any]: ...

    def start_child(
        self,
        workflow: Any,
        id: str,
        /,
        *args: Any,
        on_close: Any = "cancel",
        run_timeout: Any = None,
        **kwargs: Any,
    ) -> ChildHandle[Any]:
        """Start another workflow and go on: what `asyncio.create_task` is to a coroutine. Arguments as in `execute`.

        `await` the handle for the result, which raises like `execute`; `handle.cancel()` asks the child to cancel. A
        child that nobody awaits any more is cancelled with the end of this run, unless `on_close` says otherwise.
        """
        return self._perdure.start_child(workflow, id, args, kwargs, ChildOptions(on_close, run_timeout))
