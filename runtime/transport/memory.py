"""The transport in memory: for tests and simulation, under the same promises as the real ones.

Deterministic: no timers, no tasks, no randomness. Messages move only inside the calls of the port. One
`MemoryBroker` stands for the server and outlives its clients; one `MemoryTransport` stands for one process.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Iterable, Sequence

from runtime.transport.port import (
    Delivery,
    Destination,
    Message,
    SubscriptionLost,
    Topology,
    TransportUnavailable,
    Unroutable,
)
from runtime.transport.queues import DEAD, missing_queue, queue_name, queues_of


class _Stored:
    """A message in a queue. `place` never changes, so that a message handed back finds its old position."""

    __slots__ = ("deliveries", "message", "place")

    def __init__(self, place: int, message: Message) -> None:
        self.place = place
        self.message = message
        self.deliveries = 0


class _Queue:
    """A queue: what is ready, in order of place, and who waits for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[_Stored] = deque()
        self.exclusive: MemorySubscription | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._next_place = 1

    def put(self, message: Message) -> None:
        self.ready.append(_Stored(self._next_place, message))
        self._next_place += 1
        self.wake()

    def hand_back(self, unacked: Iterable[_Stored]) -> None:
        self.ready = deque(heapq.merge(unacked, self.ready, key=lambda stored: stored.place))
        self.wake()

    def wake(self) -> None:
        """Wake everyone who waits: each looks for itself, so a wake-up given to a cancelled receiver is not lost."""
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def changed(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future


class MemoryBroker:
    """The server: queues that live as long as this object, shared by the transports of all "processes"."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._addresses = 0

    def depth(self, destination: Destination, key: str = "") -> int:
        """Count the messages that no consumer holds, in one queue; 0 for a queue that does not exist."""
        queue = self._queues.get(queue_name(destination, key))
        return len(queue.ready) if queue else 0

    def find(self, name: str) -> _Queue | None:
        """Give the queue of this name, if there is one."""
        return self._queues.get(name)

    def declare(self, name: str) -> _Queue:
        """Give the queue of this name, made now if it is missing."""
        return self._queues.setdefault(name, _Queue(name))

    def delete(self, name: str) -> None:
        """Drop a queue with its messages."""
        self._queues.pop(name, None)

    def new_address(self) -> str:
        """Name a reply queue that never existed before."""
        self._addresses += 1
        return f"perdure.reply.{self._addresses}"

    def put(self, message: Message) -> bool:
        """Append a message to its queue; False when no queue takes it. A reply that nobody awaits is dropped."""
        queue = self._queues.get(queue_name(message.destination, message.key))
        if queue is None:
            return message.destination is Destination.REPLIES
        queue.put(message)
        return True


class MemorySubscription:
    """A consumer of one queue of a `MemoryBroker`."""

    def __init__(self, transport: MemoryTransport, queue: _Queue, source: Destination, prefetch: int) -> None:
        self._transport = transport
        self._queue = queue
        self._source = source
        self._prefetch = prefetch
        self._unacked: dict[int, _Stored] = {}  # by place, in order of delivery
        self._lost: str | None = None

    async def receive(self) -> list[Delivery]:
        """Wait for messages and give all that are here and fit into the prefetch, at least one.

        Raises:
            SubscriptionLost: closed, dropped, or taken over by a newer exclusive subscription.
        """
        while True:
            if self._lost is not None:
                raise SubscriptionLost(self._lost)
            room = self._prefetch - len(self._unacked)
            ready = self._queue.ready
            if room > 0 and ready:
                return [self._deliver(ready.popleft()) for _ in range(min(room, len(ready)))]
            await self._queue.changed()

    def _deliver(self, stored: _Stored) -> Delivery:
        message = stored.message
        if self._source is not Destination.REPLIES:
            self._unacked[stored.place] = stored
        stored.deliveries += 1
        return Delivery(
            source=self._source,
            key=message.key,
            body=message.body,
            reply_to=message.reply_to,
            correlation_id=message.correlation_id,
            redeliveries=stored.deliveries - 1,
            tag=stored.place,
        )

    def ack(self, delivery: Delivery) -> None:
        """Forget a delivery; one of a lost subscription comes again in spite of it."""
        if self._unacked.pop(delivery.tag, None) is not None:
            self._queue.wake()

    def dead_letter(self, delivery: Delivery) -> None:
        """Move a delivery to the dead-letter queue; one of a lost subscription comes again instead."""
        stored = self._unacked.pop(delivery.tag, None)
        if stored is not None:
            self._transport.broker.declare(DEAD).put(stored.message)
            self._queue.wake()

    async def close(self) -> None:
        """Hand back what is unacked; safe to call twice."""
        self.end("the subscription was closed")

    def end(self, reason: str) -> None:
        """Lose the subscription: what is unacked goes back to its place, and `receive` raises with this reason."""
        if self._lost is not None:
            return
        self._lost = reason
        unacked, self._unacked = sorted(self._unacked.values(), key=lambda stored: stored.place), {}
        if self._queue.exclusive is self:
            self._queue.exclusive = None
        self._queue.hand_back(unacked)
        self._transport.forget(self, self._queue)


class MemoryTransport:
    """One process's access to a `MemoryBroker`. `drop` and `kill` are the faults that crash tests need."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self._open = False
        self._killed = False
        self._subscriptions: list[MemorySubscription] = []
        self._inboxes: set[str] = set()

    async def open(self) -> None:
        """Connect; raises `TransportUnavailable` after `kill`."""
        if self._killed:
            raise TransportUnavailable("this transport was killed; make another one on the same broker")
        self._open = True

    async def close(self) -> None:
        """Close every subscription; safe to call twice and before `open`."""
        self._end_all("the transport was closed")
        self._open = False

    def drop(self) -> None:
        """Lose the connection: unacked messages go back, subscriptions are lost, reply queues vanish.

        The next call connects again, as the real adapters do.
        """
        self._end_all("the connection was lost")

    def kill(self) -> None:
        """Die: `drop`, and whatever code of the dead process still runs reaches the broker no more."""
        self._end_all("the process was killed")
        self._killed, self._open = True, False

    async def declare(self, topology: Topology) -> None:
        """Create the queues that are missing."""
        self._require_open()
        for name in queues_of(topology):
            self.broker.declare(name)

    async def check(self, topology: Topology) -> list[str]:
        """Name the queues that are missing."""
        self._require_open()
        return [f"queue {name!r} is missing" for name in queues_of(topology) if self.broker.find(name) is None]

    async def publish(self, messages: Sequence[Message]) -> None:
        """Put messages into their queues, then give way once: a cancellation there leaves them in, as a real broker may.

        Raises:
            Unroutable: no queue takes some of them; the others are in.
            TransportUnavailable: not open, or killed.
        """
        self._require_open()
        unroutable = [message for message in messages if not self.broker.put(message)]
        await asyncio.sleep(0)
        if unroutable:
            raise Unroutable(unroutable)

    def post(self, messages: Sequence[Message]) -> None:
        """Put messages into their queues and forget those that no queue takes."""
        if self._open:
            for message in messages:
                self.broker.put(message)

    async def subscribe(
        self, source: Destination, key: str = "", *, prefetch: int, exclusive: bool = False
    ) -> MemorySubscription:
        """Consume a queue; a newer exclusive subscription ends the older one.

        Raises:
            TransportError: the queue does not exist.
            TransportUnavailable: not open, or killed.
        """
        self._require_open()
        name = queue_name(source, key)
        queue = self.broker.find(name)
        if queue is None:
            raise missing_queue(name)
        subscription = MemorySubscription(self, queue, source, prefetch)
        if exclusive:
            if queue.exclusive is not None:
                queue.exclusive.end(f"another consumer took over queue {name!r}")
            queue.exclusive = subscription
        self._subscriptions.append(subscription)
        return subscription

    async def reply_inbox(self) -> tuple[str, MemorySubscription]:
        """Create a reply queue that vanishes with its subscription."""
        self._require_open()
        address = self.broker.new_address()
        queue = self.broker.declare(address)
        subscription = MemorySubscription(self, queue, Destination.REPLIES, prefetch=1_000_000)
        self._subscriptions.append(subscription)
        self._inboxes.add(address)
        return address, subscription

    def _require_open(self) -> None:
        if not self._open:
            raise TransportUnavailable("the transport is not open" + (": it was killed" if self._killed else ""))

    def _end_all(self, reason: str) -> None:
        for subscription in list(self._subscriptions):
            subscription.end(reason)

    def forget(self, subscription: MemorySubscription, queue: _Queue) -> None:
        """Take an ended subscription off the list, and a reply queue with its only consumer."""
        self._subscriptions.remove(subscription)
        if queue.name in self._inboxes:
            self._inboxes.discard(queue.name)
            self.broker.delete(queue.name)
