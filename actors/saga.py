"""`Saga`: steps that are undone, the last one first, when a later one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, ParamSpec, Self

from actors.errors import CompensationFailed, DefinitionError, Failure
from actors.loop import DurableLoop

P = ParamSpec("P")


class Saga:
    """A block whose steps register how they are undone:

        async with Saga() as saga:
            hotel = await book_hotel(trip)
            saga.compensate(cancel_hotel, hotel)
            flight = await book_flight(trip)
            saga.compensate(cancel_flight, flight)
            await charge(trip)

    When the block ends by a failure, a cancellation or a `TimeoutError`, the compensations run one after the other, the last
    one first, and then it goes on its way. A compensation that fails does not keep the others from running, nor does a
    cancellation that comes meanwhile: it has its way when all is undone.

    Any other exception is a mistake in the code, and undoes nothing: a workflow or command is stuck at once, also if code
    around the block would catch it, and goes on inside the block when it is mended. (Outside of these, as in a task, there is
    nobody to mend it, and every exception undoes.)

    Raises (by the block):
        CompensationFailed: some compensations failed; its `details` names them, its `__cause__` is what ended the block.
    """

    def __init__(self) -> None:
        self._compensations: list[tuple[Callable[[], Awaitable[Any]], str]] = []
        self._ended = False

    def compensate(self, undo: Callable[P, Awaitable[Any]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Register how the step that was just done is undone: a task, or a coroutine function, and its arguments.

        Raises:
            DefinitionError: the block has ended.
        """
        if self._ended:
            raise DefinitionError("compensate() belongs into the saga's `async with` block, which has ended")
        self._compensations.append((lambda: undo(*args, **kwargs), getattr(undo, "__name__", repr(undo))))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended = True
        if error is None or isinstance(error, GeneratorExit):  # unloaded, not ended: it goes on elsewhere
            return
        loop = asyncio.get_running_loop()
        if isinstance(loop, DurableLoop) and _is_mistake(error):
            loop.mistake(error)
            return
        failed: list[tuple[str, Failure]] = []
        cancelled: asyncio.CancelledError | None = None
        while self._compensations:
            undo, name = self._compensations.pop()
            undoing = asyncio.ensure_future(undo())
            while not undoing.done():
                try:
                    await asyncio.wait([undoing])  # leaves it alone when we are cancelled
                except asyncio.CancelledError as meanwhile:
                    cancelled = meanwhile
            try:
                undoing.result()
            except Failure as failure:
                failed.append((name, failure))
        if failed:
            raise CompensationFailed(failed) from error
        if cancelled is not None:
            raise cancelled


def _is_mistake(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_mistake(each) for each in error.exceptions)
    return not isinstance(error, Failure | asyncio.CancelledError | TimeoutError)
