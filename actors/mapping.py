"""`self.map`: one task for each of many items, scheduled by few events.

Each item has a number of its own, and so a key, retries and an outcome like any task; only the asking for them is recorded
together. No coroutine and no future is made for an item, and what is done about one takes the same time however many there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from msgspec import Raw

from actors.journal import ErrorInfo, JournalEvent, TaskScheduled, TasksScheduled
from actors.loop import DurableLoop
from actors.operation import Operation, TaskCall
from actors.task import Task
from actors.turn import LocalCall

MOST_ITEMS, MOST_BYTES = 1000, 256 * 1024  # of one event


class Mapper(Protocol):
    """What a map needs of the program that it is part of."""

    loop: DurableLoop
    asked: int
    open: dict[int, Operation]
    local_calls: dict[int, LocalCall]
    new_local_calls: list[LocalCall]
    given_up: list[int]

    def decide(self, decision: JournalEvent) -> None:
        """Take a decision of the code."""
        ...


class ItemCall(TaskCall):
    """The task of one item."""

    __slots__ = ("_mapping", "place")

    def __init__(self, number: int, task: Task[Any, Any], mapping: Mapping, place: int) -> None:
        self.number, self.task = number, task  # without a future: the map has one for all
        self._mapping, self.place = mapping, place

    def title(self) -> str:
        """Name the map, of which this is one."""
        return self._mapping.title()

    def complete(self, result: Raw) -> None:
        """Hand the map a result."""
        self._mapping.took(self, result)

    def fail(self, error: ErrorInfo) -> None:
        """Hand the map a failure, which is the whole map's."""
        self._mapping.failed(self, error)


class Mapping:
    """One map under way: at most `at_most` of its tasks are open at a time."""

    def __init__(self, program: Mapper, task: Task[Any, Any], inputs: Sequence[bytes], at_most: int | None) -> None:
        self._program, self._task, self._inputs = program, task, inputs
        self._results: list[Raw] = [Raw()] * len(inputs)
        self._left, self._next = len(inputs), 0
        self._open: dict[int, ItemCall] = {}
        self._done: asyncio.Future[None] = asyncio.Future(loop=program.loop)
        self._schedule(len(inputs) if at_most is None else at_most)

    async def results(self) -> list[Any]:
        """Wait for all results, in the order of the items; raises the first failure. What is open then is given up."""
        try:
            if self._left:
                await self._done
            return [self._task.signature.decode_result(result) for result in self._results]
        finally:
            for number in list(self._open):
                self._close(number)
                self._program.given_up.append(number)

    def title(self) -> str:
        """Say what is awaited."""
        return f"map of {self._task.name}, {self._left} of {len(self._inputs)} to go"

    def took(self, item: ItemCall, result: Raw) -> None:
        """Take an item's result, and schedule the next one."""
        self._close(item.number)
        self._results[item.place] = result
        self._left -= 1
        if self._next < len(self._inputs) and not self._done.done():
            self._schedule(1)
        elif not self._left and not self._done.done():
            self._done.set_result(None)

    def failed(self, item: ItemCall, error: ErrorInfo) -> None:
        """Take an item's failure."""
        self._close(item.number)
        if not self._done.done():
            self._done.set_exception(item.failure(error))

    def _close(self, number: int) -> None:
        del self._open[number], self._program.open[number]
        if self._task.local:
            del self._program.local_calls[number]

    def _schedule(self, most: int) -> None:
        program, task = self._program, self._task
        places = range(self._next, min(self._next + most, len(self._inputs)))
        first, self._next = program.asked + 1, places.stop
        program.asked += len(places)
        for number, place in enumerate(places, first):
            self._open[number] = program.open[number] = item = ItemCall(number, task, self, place)
            if task.local:
                program.local_calls[number] = call = LocalCall(item.number, task.name, self._inputs[place])
                program.new_local_calls.append(call)
        if not task.local:
            for event in _events(first, task.name, self._inputs[places.start : places.stop]):
                program.decide(event)


def _events(first: int, name: str, inputs: Sequence[bytes]) -> Iterator[JournalEvent]:
    """Give the events that schedule these tasks: few, but none of them too large."""
    if len(inputs) == 1:
        yield TaskScheduled(first, name, Raw(inputs[0]))
        return
    part: list[Raw] = []
    size = 0
    for number, input in enumerate(inputs, first):
        if part and (len(part) == MOST_ITEMS or size + len(input) > MOST_BYTES):
            yield TasksScheduled(number - len(part), name, part)
            part, size = [], 0
        part.append(Raw(input))
        size += len(input)
    if part:
        yield TasksScheduled(first + len(inputs) - len(part), name, part)
