"""The lazy mark of a published task never overwrites the time of a retry that is on its way into the log."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from eventstore import OutboxMessage
from runtime.clock import Clock
from runtime.hosting.outbox import Outbox
from runtime.hosting.schedule import Schedule
from runtime.publisher import Publisher
from runtime.transport.memory import MemoryBroker, MemoryTransport
from runtime.transport.port import Topology
from tests.waiting import wait_until


async def test_no_mark_after_the_retry_was_handed_to_the_commit() -> None:
    """The mark would be written after the retry, and put it off by the time of a sweep."""
    transport = MemoryTransport(MemoryBroker())
    await transport.open()
    await transport.declare(Topology(1, frozenset({"default"})))
    clock = Clock()
    clock.set(datetime(2026, 1, 1, tzinfo=UTC))
    publisher = Publisher(transport)
    publishing = asyncio.create_task(publisher.run())
    outbox = Outbox(0, clock, publisher, lambda *_: timedelta(seconds=60), Schedule(clock))

    outbox.publish(OutboxMessage("Order/1#1", "tasks", "default", b"{}"))
    await wait_until(lambda: outbox.marks(0.0), what="the confirm")
    outbox.superseded("Order/1#1")

    assert outbox.marks(0.0) == []
    publishing.cancel()
    await asyncio.wait([publishing])
    await transport.close()
