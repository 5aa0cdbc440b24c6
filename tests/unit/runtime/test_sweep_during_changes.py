"""A sweep does not publish what its rows still said when they were read, but is no longer so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from eventstore import MemoryStore, OutboxMessage, Redelivery
from runtime.clock import Clock
from runtime.hosting.outbox import Outbox
from runtime.hosting.schedule import Schedule
from runtime.publisher import Publisher
from runtime.transport.memory import MemoryBroker, MemoryTransport

ROW = OutboxMessage("Order/1#1", "tasks", "default", b"{}")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class SlowStore(MemoryStore):
    """Lets something happen between the read of the rows and its answer."""

    def __init__(self, meanwhile: Callable[[], Any]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def outbox(self, partition: int, *, until: datetime, limit: int) -> list[OutboxMessage]:
        self._meanwhile()
        return [ROW]


class Counting(Publisher):
    """Counts instead of publishing."""

    def __init__(self) -> None:
        super().__init__(MemoryTransport(MemoryBroker()))
        self.handed_in: list[bytes] = []

    def add(self, message: Any, settled: Callable[[Any], None]) -> None:
        self.handed_in.append(message.body)


def _outbox() -> tuple[Outbox, Counting]:
    clock = Clock()
    clock.set(NOW)
    publisher = Counting()
    return Outbox(0, clock, publisher, lambda *_: timedelta(seconds=60), Schedule(clock)), publisher


Change = Callable[[Outbox], Any]


@pytest.mark.parametrize(
    "change",
    [
        lambda outbox: outbox.closed([ROW.id]),
        lambda outbox: outbox.superseded(ROW.id),
        lambda outbox: outbox.marked([Redelivery(ROW.id, NOW)]),
    ],
    ids=["its outcome was recorded", "a retry was planned", "it was marked as published"],
)
async def test_changed_while_it_was_read(change: Change) -> None:
    """The row is out of date, so the message is left alone."""
    outbox, publisher = _outbox()
    sweep: Awaitable[bool] = outbox.sweep(SlowStore(lambda: change(outbox)), timedelta(seconds=60))

    assert await sweep
    assert publisher.handed_in == []


async def test_unchanged() -> None:
    """A row that was never known to be published is."""
    outbox, publisher = _outbox()

    assert await outbox.sweep(SlowStore(lambda: None), timedelta(seconds=60))
    assert publisher.handed_in == [b"{}"]
