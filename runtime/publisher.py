"""Many callers, few broker round trips: what is handed in while one batch waits for its confirms makes the next.

Each queue has a lane of its own, in which one batch at a time is under way. So order is kept in each queue, and one
whose broker confirms nothing holds up nobody else's messages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from runtime.transport.port import Destination, Message, Transport, TransportError, Unroutable

MAX_BATCH = 256
MAX_LANES = 64  # under way at once

Settled = Callable[[TransportError | None], None]


class _Lane:
    """What waits for one queue."""

    __slots__ = ("busy", "pending")

    def __init__(self) -> None:
        self.pending: deque[tuple[Message, Settled]] = deque()
        self.busy = False  # a task has it, or it waits for one


class Publisher:
    """Publishes in order of arrival, one batch a queue at a time. `run` must be running for anything to leave."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lanes: dict[tuple[Destination, str], _Lane] = {}
        self._ready: deque[_Lane] = deque()
        self._under_way = 0
        self._wake = asyncio.Event()

    def add(self, message: Message, settled: Settled) -> None:
        """Hand in a message; `settled` is called once, with None when it is confirmed, else with what went wrong."""
        place = _queue(message)
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = _Lane()
        lane.pending.append((message, settled))
        if not lane.busy:
            lane.busy = True
            self._ready.append(lane)
            self._wake.set()

    async def publish(self, message: Message) -> None:
        """Publish one message and wait for its confirm; raises like `Transport.publish`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settled(error: TransportError | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.add(message, settled)
        await future

    async def run(self) -> None:
        """Publish until cancelled; batches that are under way then are settled first, as unknown if need be."""
        for lane in self._lanes.values():
            lane.busy = bool(lane.pending)
        self._ready = deque(lane for lane in self._lanes.values() if lane.busy)
        self._under_way = 0
        async with asyncio.TaskGroup() as group:
            while True:
                while self._ready and self._under_way < MAX_LANES:
                    self._under_way += 1
                    group.create_task(self._empty(self._ready.popleft()), name="publish")
                self._wake.clear()
                await self._wake.wait()

    async def _empty(self, lane: _Lane) -> None:
        """Publish what waits in a lane, and what comes meanwhile."""
        try:
            while lane.pending:
                batch = [lane.pending.popleft() for _ in range(min(len(lane.pending), MAX_BATCH))]
                await self._publish(batch)
        finally:
            lane.busy = False
            self._under_way -= 1
            if self._ready:  # they wait for a place
                self._wake.set()

    async def _publish(self, batch: Sequence[tuple[Message, Settled]]) -> None:
        refused: dict[int, TransportError] = {}
        failed: TransportError | None = TransportError("the process is stopping; the message may or may not be out")
        try:
            await self._transport.publish([message for message, _ in batch])
            failed = None
        except Unroutable as error:
            refused = {id(message): error for message in error.messages}
            failed = None
        except TransportError as error:
            failed = error
        finally:
            for message, settled in batch:
                settled(failed or refused.get(id(message)))


def _queue(message: Message) -> tuple[Destination, str]:
    """Tell queues apart. The ingress and the dead letters are one queue each, whatever the key."""
    destination = message.destination
    if destination is Destination.INGRESS or destination is Destination.DEAD:
        return destination, ""
    return destination, message.key
