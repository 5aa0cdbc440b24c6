"""Consuming a queue for as long as wanted: a subscription that is lost is made again, after a growing, random pause."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from runtime.transport.port import Delivery, Destination, Subscription, SubscriptionLost, Transport, TransportError

log = structlog.get_logger("perdure.consumer")

# Seconds between two tries to reach the database. Short, because several of them follow one another when it is back:
# a lease, a stream, a commit; and nobody in the node works until then.
STORE_PAUSE = 1.0

Handle = Callable[[Delivery, Subscription], Awaitable[None] | None]


async def consume(
    transport: Transport,
    source: Destination,
    key: str = "",
    *,
    prefetch: int,
    handle: Handle,
    exclusive: bool = False,
    wanted: Callable[[], bool] = lambda: True,
    opened: Callable[[Subscription], None] = lambda _: None,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Give each delivery to `handle`, in order, until cancelled or no longer `wanted`.

    `opened` hears of each subscription that is made; cancelling closes none of them, because their acks may still be
    due: that is the caller's to do.
    """
    failures = 0
    while wanted():
        try:
            subscription = await transport.subscribe(source, key, prefetch=prefetch, exclusive=exclusive)
            opened(subscription)
            failures = 0
            try:
                await _receive(subscription, handle, wanted)
            except SubscriptionLost as error:
                log.info("subscription lost", source=source, key=key, reason=str(error))
            # `handle` may have given it up while its connection lives: then it would keep the queue from the next one.
            await subscription.close()
        except TransportError as error:
            log.warning("can't subscribe", source=source, key=key, error=str(error))
        failures += 1
        await asyncio.sleep(pause(failures, jitter()))


async def _receive(subscription: Subscription, handle: Handle, wanted: Callable[[], bool]) -> None:
    while wanted():
        for delivery in await subscription.receive():
            waiting = handle(delivery, subscription)
            if waiting is not None:
                await waiting
        await asyncio.sleep(0)  # a queue that is never empty must not keep the loop for itself


def pause(failures: int, jitter: float, most: float = 5.0) -> float:
    """Give the seconds to wait after so many failures in a row; `jitter` in [0, 1) keeps many from coming together."""
    return min(most, 0.05 * 2.0 ** min(failures, 10)) * (0.5 + jitter / 2)
