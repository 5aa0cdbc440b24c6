"""Trying again to connect: for a bounded time, with growing pauses that differ from process to process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runtime.transport.port import TransportUnavailable

T = TypeVar("T")


class CredentialsRefused(TransportUnavailable):
    """The server answered, and does not let us in: trying again changes nothing."""


async def keep_trying(
    connect: Callable[[], Awaitable[T]], *, patience: float, first_pause: float = 0.05, longest_pause: float = 2.0
) -> T:
    """Call `connect` until it works, for at most `patience` seconds of trying.

    The pauses are random up to a bound that doubles: nodes that lost the same broker must not come back in step.

    Raises:
        TransportUnavailable: the last one that `connect` raised, once patience is at its end.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    bound = first_pause
    while True:
        try:
            return await connect()
        except CredentialsRefused:
            raise
        except TransportUnavailable:
            pause = random.uniform(bound / 2, bound)  # noqa: S311  jitter, not a secret
            if loop.time() + pause >= deadline:
                raise
            await asyncio.sleep(pause)
            bound = min(bound * 2, longest_pause)
