"""A subscription that its consumer gives up is closed before the next one is made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from runtime.consuming import consume
from runtime.transport.port import Delivery, Destination, Subscription, SubscriptionLost, Transport


class _Queue:
    """Feeds the consumer that came first until it is closed, as RabbitMQ's single active consumer."""

    def __init__(self) -> None:
        self.consumers: list[_Consumer] = []

    async def subscribe(self, *_: object, **__: object) -> _Consumer:
        self.consumers.append(_Consumer(self))
        return self.consumers[-1]


class _Consumer:
    def __init__(self, queue: _Queue) -> None:
        self._queue = queue

    async def receive(self) -> Sequence[Delivery]:
        if self._queue.consumers[0] is not self:
            await asyncio.Event().wait()
        return [Delivery(Destination.COMMANDS, "0", b"message")]

    async def close(self) -> None:
        self._queue.consumers.remove(self)


async def test_a_handler_that_gives_up_its_subscription_is_fed_again() -> None:
    """The store could not count a suspect's attempts; the connection to the broker lives on."""
    handled = asyncio.Event()
    tries = 0

    async def handle(_: Delivery, __: Subscription) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise SubscriptionLost("the store can't count attempts")
        handled.set()
        await asyncio.Event().wait()

    transport = cast("Transport", _Queue())
    consuming = asyncio.create_task(
        consume(transport, Destination.COMMANDS, "0", prefetch=1, handle=handle, exclusive=True, jitter=lambda: 0.0)
    )
    async with asyncio.timeout(5):
        await handled.wait()
    consuming.cancel()
    await asyncio.wait([consuming])
