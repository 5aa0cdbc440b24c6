"""Forgetting command ids that are older than the horizon, so that the inbox does not grow for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta

import structlog

from eventstore import EventStore, StoreUnavailable

EVERY = 3600.0  # seconds
MARGIN = timedelta(days=1)  # a mark outlives the time in which its command would still be taken

log = structlog.get_logger("perdure.inbox")


async def clean_inbox(store: EventStore, horizon: timedelta, jitter: Callable[[], float] = random.random) -> None:
    """Delete old inbox marks about every hour, until cancelled. Any node may do it, and several may at once."""
    while True:
        await asyncio.sleep(EVERY * (0.5 + jitter()))
        try:
            removed = await store.prune_inbox(horizon + MARGIN)
        except StoreUnavailable as error:
            log.warning("inbox not cleaned", error=str(error))
        else:
            log.info("inbox cleaned", removed=removed)
