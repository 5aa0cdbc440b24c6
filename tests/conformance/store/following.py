"""Readers for tests of subscriptions."""

from __future__ import annotations

import asyncio
from typing import Any

from eventstore import Batch, EventStore, RecordedEvent, Subscription


def never_looking(store: EventStore, **given: Any) -> Subscription:
    """A subscription that only wake-ups bring on."""
    return Subscription(store, **{"recheck": None, **given})


async def take(batches: Subscription, count: int) -> list[RecordedEvent]:
    """Read so many events; not for ever."""
    taken: list[RecordedEvent] = []
    async with asyncio.timeout(20):
        while len(taken) < count:
            taken += (await anext(batches)).events
    return taken


async def next_of(batches: Subscription) -> Batch:
    async with asyncio.timeout(20):
        return await anext(batches)


def places(events: list[RecordedEvent]) -> list[tuple[int, int]]:
    return [(event.partition, event.offset) for event in events]
