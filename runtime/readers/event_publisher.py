"""Publishing every event, for consumers outside: each at least once, with an id that stays the same."""

from __future__ import annotations

from typing import Any

from eventstore import Batch, EventStore, RecordedEvent, Selection
from runtime.readers.log_reader import LogReader
from runtime.readers.record import event_id, event_json
from runtime.transport.exchange import Announcement, EventExchange

NAME = "perdure.events"
_LONGEST_KEY = 255  # bytes; what AMQP carries


class EventPublisher(LogReader):
    """Publishes the log, one process at a time for each partition, and goes on from a durable checkpoint.

    The checkpoint moves after the confirms: whoever dies in between leaves events to be published once more.

    Args:
        store: the log, open.
        database_url: the log's database, for the checkpoint.
        exchange: where to.
        from_now: begin with the events to come, when nobody ever published; else with the first event of the log.
        options: see `LogReader`.
    """

    def __init__(
        self, store: EventStore, database_url: str, exchange: EventExchange, *, from_now: bool = False, **options: Any
    ) -> None:
        super().__init__(NAME, store, database_url, selection=Selection(), **{"limit": 200, **options})
        self._exchange = exchange
        self._from_now = from_now

    async def prepare(self) -> None:
        """Find the place to begin at, the very first time."""
        if self._from_now:
            await self.checkpoints.begin(await self._store.heads())

    async def take(self, batch: Batch, before: int) -> None:
        """Publish a batch, and move the checkpoint."""
        await self._exchange.publish([announcement(event) for event in batch.events])
        await self.checkpoints.move(batch.partition, before, batch.offset)


def announcement(event: RecordedEvent) -> Announcement:
    """Put an event into a message."""
    key = f"{event.stream.partition('/')[0]}.{event.type}"
    if len(key.encode()) > _LONGEST_KEY:
        key = key.encode()[:_LONGEST_KEY].decode(errors="ignore")
    return Announcement(event_id(event), key, event_json(event))
