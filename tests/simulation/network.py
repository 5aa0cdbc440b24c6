"""Stores and brokers at the other end of a network.

A call is a request on its way, an act at the server, and an answer on its way back; each can be late or lost. The
server's part belongs to no process: what was sent is done, although its sender was cancelled, stopped or killed meanwhile.
With a calm `Weather` these pass the conformance suites of the real adapters.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from typing import Any, TypeVar

from eventstore import StoreUnavailable
from runtime.transport.memory import MemoryBroker, MemorySubscription, MemoryTransport, _Queue
from runtime.transport.port import (
    Delivery,
    Destination,
    Message,
    PublishUnknown,
    Topology,
    TransportUnavailable,
    Unroutable,
)
from runtime.transport.queues import queue_name
from tests.simulation.weather import Fault, Weather

T = TypeVar("T")

LEASE_CALLS = frozenset({"beat", "claim", "release", "leave"})
_NOBODY = Context()  # callbacks in it belong to no process


def later(seconds: float, act: Callable[[], object]) -> None:
    """Do something after a while, whatever becomes of the process that runs now."""
    asyncio.get_running_loop().call_later(seconds, act, context=_NOBODY)


def at(time: float, act: Callable[[], object]) -> None:
    """Do something at a time of the loop, whatever becomes of the process that runs now."""
    asyncio.get_running_loop().call_at(time, act, context=_NOBODY)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _outlive(weather: Weather, time: float, act: Callable[[], object]) -> None:
    """Do something at a time at which its caller has long gone on, and count it as under way until then."""
    weather.under_way += 1

    def arrive() -> None:
        weather.under_way -= 1
        act()

    at(time, arrive)


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise AssertionError(f"{coroutine} waits, so it is no act of a server")


def settle(future: asyncio.Future[T], act: Callable[[], T]) -> None:
    """Hand over what the act gives or raises, unless nobody waits any more."""
    try:
        result = act()
    except Exception as error:  # noqa: BLE001 - every error is an answer
        if not future.done():
            future.set_exception(error)
    else:
        if not future.done():
            future.set_result(result)


def raising(error: Exception) -> Callable[[], Any]:
    """Make an act that only raises."""

    def act() -> Any:
        raise error

    return act


class RemoteStore:
    """A `MemoryStore` or `MemoryLeases` behind a network."""

    def __init__(self, inner: Any, weather: Weather) -> None:
        self._inner, self._weather = inner, weather

    @property
    def partitions(self) -> int:
        """How many partitions the store was created with."""
        count: int = self._inner.partitions
        return count

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(method):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, lambda: at_once(method(*args, **kwargs)))

        setattr(self, name, call)
        return call

    async def _call(self, name: str, act: Callable[[], Any]) -> Any:
        weather = self._weather
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        there = weather.latency()
        unknown = raising(StoreUnavailable(f"{name}: no answer"))
        if weather.store_down or weather.strikes(_not_done(name)):
            later(there, lambda: settle(answer, unknown))
        elif name == "commit" and weather.strikes(Fault.COMMIT_OUTLIVED):
            later(there, lambda: settle(answer, unknown))
            _outlive(weather, _now() + there + weather.delay(), lambda: _forget(act))
        else:
            lost = (name == "commit" and weather.strikes(Fault.COMMIT_ANSWER_LOST)) or (
                name in LEASE_CALLS and weather.strikes(Fault.LEASE_ANSWER_LOST)
            )
            if name == "commit" and weather.strikes(Fault.COMMIT_LATE):
                there += weather.delay()
            back = weather.latency()
            later(there, lambda: self._arrive(answer, act, back, unknown if lost else None))
        return await answer

    def _arrive(
        self, answer: asyncio.Future[Any], act: Callable[[], Any], back: float, instead: Callable[[], Any] | None
    ) -> None:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        settle(done, act)
        error = done.exception()
        reply = instead or (done.result if error is None else raising(error))  # type: ignore[arg-type]  # an Exception
        if back > 0.0001:
            later(back, lambda: settle(answer, reply))
        else:
            settle(answer, reply)


def _not_done(name: str) -> Fault:
    if name == "commit":
        return Fault.COMMIT_NOT_DONE
    return Fault.LEASE_CALL_FAILED if name in LEASE_CALLS else Fault.READ_FAILED


def _forget(act: Callable[[], Any]) -> None:
    with contextlib.suppress(Exception):  # nobody waits for the answer
        act()


class StormyBroker(MemoryBroker):
    """A broker whose messages come twice, late, or not at all. `lost` has the bodies of those that went with a queue."""

    def __init__(self, weather: Weather) -> None:
        super().__init__()
        self._weather = weather
        self.lost: list[bytes] = []
        self.transports: list[RemoteTransport] = []

    def put(self, message: Message) -> bool:
        if message.destination is Destination.REPLIES:
            return super().put(message)
        weather = self._weather
        if weather.strikes(Fault.MESSAGE_OVERTAKEN):
            if self.find(queue_name(message.destination, message.key)) is None:
                return False
            _outlive(weather, _now() + weather.delay(), lambda: self._arrive(message))
            return True
        if weather.strikes(Fault.MESSAGE_DOUBLED):
            delay = weather.delay() if weather.chance.random() < 0.5 else 0.0
            _outlive(weather, _now() + delay, lambda: self._arrive(message))
        return super().put(message)

    def _arrive(self, message: Message) -> None:
        if not super().put(message):
            self.lost.append(message.body)

    def purge(self, name: str) -> None:
        """Throw away what is ready in a queue."""
        queue = self.find(name)
        if queue is not None:
            self.lost += [stored.message.body for stored in queue.ready]
            queue.ready.clear()

    def vanish(self, name: str) -> None:
        """Delete a queue with all that is in it, held or not; its consumers lose their subscriptions."""
        queue = self.find(name)
        if queue is not None:
            self.delete(name)
            for transport in self.transports:
                transport.queue_vanished(queue)
            self.lost += [stored.message.body for stored in queue.ready]

    def is_empty(self) -> bool:
        """Whether no message is in a queue or in a consumer's hands, but for answers."""
        return all(not queue.ready for name, queue in self._queues.items() if name not in self._replies()) and not any(
            subscription._unacked for transport in self.transports for subscription in transport._subscriptions
        )

    def _replies(self) -> set[str]:
        return {name for transport in self.transports for name in transport._inboxes}

    def drop_all(self) -> None:
        """Lose all connections."""
        for transport in self.transports:
            transport.drop()


class RemoteSubscription:
    """A subscription whose acks are on their way for a while, and are lost with the connection."""

    def __init__(self, inner: MemorySubscription, transport: RemoteTransport, weather: Weather) -> None:
        self.inner, self._transport, self._weather = inner, transport, weather
        self._due: list[Delivery] = []

    async def receive(self) -> list[Delivery]:
        return await self.inner.receive()

    def ack(self, delivery: Delivery) -> None:
        if not self._due:
            later(self._weather.latency(), self._acked)
        self._due.append(delivery)

    def _acked(self) -> None:
        if self._due and self._weather.strikes(Fault.ACK_LOST):
            self._transport.drop()
        self._flush()

    def _flush(self) -> None:
        due, self._due = self._due, []
        for delivery in due:
            self.inner.ack(delivery)

    def dead_letter(self, delivery: Delivery) -> None:
        self.inner.dead_letter(delivery)

    async def close(self) -> None:
        self._flush()
        await self.inner.close()


class RemoteTransport(MemoryTransport):
    """One process's access to a broker behind a network. What it sends keeps its order."""

    def __init__(self, broker: StormyBroker, weather: Weather) -> None:
        super().__init__(broker)
        self._weather = weather
        self._connection = 0
        self._arrived = 0.0
        broker.transports.append(self)

    async def open(self) -> None:
        if self._weather.broker_down:
            raise TransportUnavailable("the broker is down")
        await super().open()

    async def declare(self, topology: Topology) -> None:
        await self._call(lambda: at_once(super(RemoteTransport, self).declare(topology)))

    def drop(self) -> None:
        self._connection += 1
        super().drop()

    def kill(self) -> None:
        self._connection += 1
        super().kill()
        self.broker.transports.remove(self)  # type: ignore[attr-defined]  # a StormyBroker

    async def close(self) -> None:
        await super().close()

    def queue_vanished(self, queue: _Queue) -> None:
        """Hear that the broker has deleted a queue."""
        for subscription in [s for s in self._subscriptions if s._queue is queue]:
            subscription.end(f"queue {queue.name!r} was deleted")

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish; the confirm may be lost or late."""
        self._require_open()
        weather = self._weather
        unknown = PublishUnknown("no confirm")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if weather.broker_down:
            raise TransportUnavailable("the broker is down")
        if weather.strikes(Fault.PUBLISH_NOT_DONE):
            at(self._arrival(), lambda: settle(answer, raising(unknown)))
        elif weather.strikes(Fault.PUBLISH_OUTLIVED):
            later(weather.latency(), lambda: settle(answer, raising(unknown)))
            _outlive(weather, self._arrival(weather.delay()), lambda: self._take(messages))
        else:
            lost = weather.strikes(Fault.CONFIRM_LOST)
            back = weather.delay() if weather.strikes(Fault.CONFIRM_LATE) else weather.latency()
            connection = self._connection

            def confirm(unroutable: list[Message]) -> None:
                if lost or connection != self._connection:
                    raise unknown
                if unroutable:
                    raise Unroutable(unroutable)

            def arrive() -> None:
                if connection != self._connection and weather.chance.random() < 0.5:
                    later(0, lambda: settle(answer, raising(unknown)))  # it was lost with the connection
                    return
                unroutable = self._take(messages)
                later(back, lambda: settle(answer, lambda: confirm(unroutable)))

            at(self._arrival(), arrive)
        await answer

    def _take(self, messages: Sequence[Message]) -> list[Message]:
        return [message for message in messages if not self.broker.put(message)]

    def post(self, messages: Sequence[Message]) -> None:
        """Send without waiting for anything."""
        if self._open and not self._weather.broker_down:
            sent = [message for message in messages if not self._weather.strikes(Fault.REPLY_LOST)]
            at(self._arrival(), lambda: self._take(sent))

    async def subscribe(  # type: ignore[override]  # a Subscription as good as a MemorySubscription
        self, source: Destination, key: str = "", *, prefetch: int, exclusive: bool = False
    ) -> RemoteSubscription:
        """Consume a queue."""
        inner = await self._call(
            lambda: at_once(
                super(RemoteTransport, self).subscribe(source, key, prefetch=prefetch, exclusive=exclusive)
            ),
            lambda subscription: subscription.end("its owner is gone"),
        )
        return RemoteSubscription(inner, self, self._weather)

    async def reply_inbox(self) -> tuple[str, RemoteSubscription]:  # type: ignore[override]  # as above
        """Create this process's own reply queue."""
        address, inner = await self._call(
            lambda: at_once(super(RemoteTransport, self).reply_inbox()),
            lambda made: made[1].end("its owner is gone"),
        )
        return address, RemoteSubscription(inner, self, self._weather)

    async def _call(self, act: Callable[[], T], undo: Callable[[T], None] = lambda _: None) -> T:
        """Do something at the broker; what nobody waits for any more is undone."""
        self._require_open()
        if self._weather.broker_down:
            raise TransportUnavailable("the broker is down")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        made: list[T] = []

        def arrive() -> None:
            def and_keep() -> T:
                made.append(act())
                return made[0]

            settle(answer, and_keep)
            if made and answer.cancelled():
                undo(made[0])

        at(self._arrival(), arrive)
        try:
            return await answer
        except asyncio.CancelledError:
            if made and not answer.cancelled():  # it was cancelled between the answer and our hearing of it
                undo(made[0])
            raise

    def _arrival(self, more: float = 0.0) -> float:
        """Give the time when what is sent now arrives: later than what was sent earlier."""
        now = _now()
        self._arrived = max(self._arrived + 1e-9, now + self._weather.latency() + more)
        return self._arrived
