"""Child workflows as the code of their parent sees them: started, awaited, asked to cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, get_args

from msgspec import Raw, Struct

from actors.errors import DefinitionError
from actors.journal import ChildCancelRequested, ChildStarted, OnClose
from actors.names import stream_name
from actors.operation import ChildCall
from actors.signature import Signature

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # type checkers bring it; its defaults are in typing from 3.13 on

    from actors.requests import Requests
    from actors.workflow import Workflow

    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    R = TypeVar("R")

_NOT_AWAITED = "its parent does not wait for it any more"


class ChildOptions(Struct, frozen=True):
    """What code may say of a child besides its arguments; `Workflow.execute` tells what each means."""

    on_close: OnClose = "cancel"
    run_timeout: float | None = None

    def check(self) -> None:
        """Raise `DefinitionError` unless each is one of its values."""
        from actors.definition import checked_timeout  # which knows `Workflow`, which knows this file

        if self.on_close not in get_args(OnClose):
            raise DefinitionError(f"on_close is {self.on_close!r}; expected one of {', '.join(get_args(OnClose))}")
        checked_timeout(self.run_timeout, "run_timeout")


async def _any() -> Any: ...


_UNKNOWN = Signature(_any, "a workflow", skip_first=False)  # the arguments and result of what is known by name only
_LEFT_ALONE = ChildOptions("abandon")


def start_child(
    program: Requests,
    workflow: type[Workflow] | str,
    id: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: ChildOptions,
) -> ChildCall:
    """Decide that another workflow runs; see `Workflow.start_child`."""
    if program.loop.is_closed():
        raise GeneratorExit  # clean-up code of an instance that is being unloaded
    options.check()
    kind = program.kind.sibling(workflow)
    input = Raw(kind.run_signature.encode(args, kwargs))
    return _start(program, kind.name, id, input, kind.run_signature, options)


def start_by_name(program: Requests, type: str, id: str, input: Raw) -> ChildHandle[Any]:
    """Start a workflow that this app need not know, and leave it alone when this run ends.

    Its arguments are not checked. A node that knows the type takes it on, now or later.
    """
    return ChildHandle(program, _start(program, type, id, input, _UNKNOWN, _LEFT_ALONE))


def adopt(program: Requests, number: int, type: str, id: str) -> ChildHandle[Any]:
    """Hear of the end of a child that a former run of this instance has started, by its number there.

    To be called before that end can come: in the turn in which the run begins.
    """
    started = ChildStarted(number, type, id, Raw(b"null"))
    program.open[number] = operation = ChildCall(started, _UNKNOWN, program.loop)
    return ChildHandle(program, operation)


def _start(program: Requests, type: str, id: str, input: Raw, signature: Signature, options: ChildOptions) -> ChildCall:
    stream_name(type, id)  # an id that is not allowed is a mistake here, and not the child's
    started = ChildStarted(program.asked + 1, type, id, input, options.on_close, options.run_timeout)
    program.decide(started)
    program.asked += 1
    program.open[started.child] = operation = ChildCall(started, signature, program.loop)
    return operation


async def call_child(
    program: Requests,
    workflow: type[Workflow] | str,
    id: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: ChildOptions,
) -> Any:
    """Start another workflow and await its result; see `Workflow.execute`."""
    operation = start_child(program, workflow, id, args, kwargs, options)
    future = operation.future
    try:
        return operation.signature.decode_result(await future)
    except asyncio.CancelledError:
        if future.cancelled() and operation.on_close != "abandon":
            program.decide(ChildCancelRequested(operation.number, _NOT_AWAITED))
        raise
    finally:
        del program.open[operation.number]


class ChildHandle(Generic[R]):
    """A child workflow that was started. Awaiting it gives its result, as often as it is awaited.

    A cancelled `await` asks the child to cancel, as awaiting an `asyncio.Task` does, unless it was started with
    `on_close="abandon"`; `asyncio.shield(handle)` keeps it from that.
    """

    __slots__ = ("_operation", "_program")

    def __init__(self, program: Requests, operation: ChildCall) -> None:
        self._program, self._operation = program, operation
        operation.future.add_done_callback(self._ended)

    @property
    def type(self) -> str:
        """The child's type."""
        return self._operation.started.type

    @property
    def id(self) -> str:
        """The child's id."""
        return self._operation.started.id

    @property
    def number(self) -> int:
        """The child's number among what its parent has asked for."""
        return self._operation.number

    def done(self) -> bool:
        """Say whether the child has ended, as far as this run has heard."""
        return self._operation.future.done()

    def cancel(self, reason: str = "") -> None:
        """Ask the child to cancel, once; `await` the handle for what comes of it. Nothing happens when it has ended."""
        operation, program = self._operation, self._program
        if not operation.future.done() and not operation.cancel_asked and not program.loop.is_closed():
            program.decide(ChildCancelRequested(operation.number, reason))
            operation.cancel_asked = True

    def terminate(self, reason: str = "") -> None:
        """End the child at once, without running its code; `await` the handle to hear of it. Nothing happens when it has ended."""
        operation, program = self._operation, self._program
        if not operation.future.done() and not program.loop.is_closed():
            program.decide(ChildCancelRequested(operation.number, reason, "terminate"))

    def __await__(self) -> Generator[Any, None, R]:
        return self._result().__await__()

    def __repr__(self) -> str:
        return f"<child {self._operation.started.stream}>"

    async def _result(self) -> R:
        operation = self._operation
        if not operation.future.done():
            try:
                await asyncio.wait([operation.future])  # leaves the future alone: others may wait for it, too
            except asyncio.CancelledError:
                if operation.on_close != "abandon":
                    self.cancel(_NOT_AWAITED)
                raise
        result: R = operation.signature.decode_result(operation.future.result())
        return result

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self._program.open.pop(self._operation.number, None)
        if not future.cancelled():
            future.exception()  # so that nobody is told of a failure that nobody awaited
