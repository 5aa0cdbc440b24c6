"""The relay of one partition's outbox: from rows that are durable to messages that the broker confirmed.

A task's row stays until its outcome is recorded, because the broker may lose the message; its `due_at` says when it
is published again. A row that was never marked as published has none. Marking is lazy: most tasks are done before
anybody would have written that their message is out, and then one insert and one delete are all they cost. So after a
crash the tasks of the last moment are published twice, which workers bear anyway.

The row of a child workflow's Start is like a task's. That of a child's outcome has done its duty when the broker has
confirmed it (see `children`), so where the others get their mark, it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

import structlog
from msgspec import Struct

from eventstore import EventStore, OutboxMessage, Redelivery
from runtime.clock import Clock, monotonic
from runtime.hosting.children import is_done_when_confirmed
from runtime.hosting.schedule import Schedule
from runtime.hosting.timers import WINDOW
from runtime.publisher import Publisher
from runtime.transport.port import Destination, Message, TransportError

MARK_AFTER = 1.0  # seconds from the confirm to the mark, for a task that is still open
RETRY_AFTER = timedelta(seconds=1)  # before a message whose publish failed is published again
PAGE = 5000

log = structlog.get_logger("perdure.outbox")


class _Sent(Struct):
    confirmed_at: float | None = None  # None: on its way to the broker


class Outbox:
    """See the module's docstring."""

    def __init__(
        self,
        partition: int,
        clock: Clock,
        publisher: Publisher,
        republish_after: Callable[[OutboxMessage, datetime], timedelta],
        schedule: Schedule,
    ) -> None:
        """Make the relay.

        Args:
            partition: whose outbox it is.
            clock: the database's time.
            publisher: what the messages leave by.
            republish_after: how long from now to wait for an outcome before a message is published again.
            schedule: for messages that are due later.
        """
        self._partition, self._clock, self._publisher = partition, clock, publisher
        self._republish_after, self._schedule = republish_after, schedule
        self._sent: dict[str, tuple[OutboxMessage, _Sent]] = {}
        self._planned: dict[str, OutboxMessage] = {}
        self._news: set[str] | None = None  # during a sweep's read: messages of which memory learned more meanwhile

    def publish(self, message: OutboxMessage) -> None:
        """Send a message whose row is durable."""
        if message.id in self._sent and self._sent[message.id][1].confirmed_at is None:
            return  # on its way already
        state = _Sent()
        self._sent[message.id] = (message, state)

        def settled(error: TransportError | None) -> None:
            self._settled(message, state, error)

        destination = Destination(message.destination)
        self._publisher.add(
            Message(destination, message.routing_key, message.body, correlation_id=message.correlation_id), settled
        )

    def plan(self, message: OutboxMessage) -> None:
        """Publish a message at its `due_at`, unless it is closed before. A later plan, such as a retry, is the one that holds.

        One that is far off is left to a later sweep, for which its durable row says the same: it costs no memory.
        """
        if message.due_at is None:
            return
        self._forget(message.id)
        self._planned.pop(message.id, None)
        if message.due_at <= self._clock.now() + WINDOW:
            self._planned[message.id] = message
            self._schedule.add(message.due_at, partial(self._come_due, message))

    def _come_due(self, message: OutboxMessage) -> None:
        if self._planned.get(message.id) is message:
            del self._planned[message.id]
            self.publish(message)

    def superseded(self, id: str) -> None:
        """Forget that a message is out: a turn on its way into the log says when it is due again, which no mark may undo."""
        self._forget(id)

    def closed(self, ids: list[str]) -> None:
        """Forget messages whose rows are gone."""
        for id in ids:
            self._forget(id)
            self._planned.pop(id, None)

    def marks(self, after: float) -> list[Redelivery]:
        """Give what to write about messages that are out and have no outcome, some seconds after their confirm."""
        now = self._clock.now()
        return [
            Redelivery(message.id, now + self._republish_after(message, now))
            for message in self._confirmed(after)
            if not is_done_when_confirmed(message)
        ]

    def done(self, after: float) -> list[str]:
        """Give the rows to remove because their messages are confirmed, and nobody answers to them."""
        return [message.id for message in self._confirmed(after) if is_done_when_confirmed(message)]

    def _confirmed(self, after: float) -> Iterator[OutboxMessage]:
        horizon = monotonic() - after
        return (
            message
            for message, state in self._sent.values()
            if state.confirmed_at is not None and state.confirmed_at <= horizon
        )

    def marked(self, marks: list[Redelivery]) -> None:
        """Hear that the marks are durable: from now on the rows tell when they are due."""
        for mark in marks:
            self._forget(mark.id)

    async def sweep(self, store: EventStore, window: timedelta) -> bool:
        """Publish rows that were never known to be out, or whose answer is overdue; schedule what is due soon.

        Gives False when there may be more than one look shows; rows that were seen are marked or gone by the next.
        """
        now = self._clock.now()
        news: set[str] = set()
        self._news = news
        try:
            # Rows that memory knows of may come first: they must not hide the others.
            limit = PAGE + len(self._sent) + len(self._planned)
            page = await store.outbox(self._partition, until=now + window, limit=limit)
        finally:
            self._news = None
        # What one stream asked for goes out in the order of its numbers: `#9` before `#10`.
        page.sort(key=lambda message: (message.due_at is not None, len(message.id), message.id))
        for message in page:
            if message.id in self._sent or message.id in self._planned or message.id in news:
                continue  # what this memory knows, or knew while the row was read, is newer than the row
            if message.due_at is None or message.due_at <= now:
                self.publish(message)
            else:
                self.plan(message)
        return len(page) < limit

    def _forget(self, id: str) -> None:
        """From now on the row tells about a message; one that a sweep is just reading is too old for that."""
        self._sent.pop(id, None)
        if self._news is not None:
            self._news.add(id)

    def _settled(self, message: OutboxMessage, state: _Sent, error: TransportError | None) -> None:
        known = self._sent.get(message.id)
        if known is None or known[1] is not state:
            return  # its task was closed meanwhile, or it was sent again
        if error is None:
            state.confirmed_at = monotonic()
            return
        log.warning("message not confirmed", partition=self._partition, message=message.id, error=str(error))
        del self._sent[message.id]
        message.due_at = self._clock.now() + RETRY_AFTER
        self.plan(message)
