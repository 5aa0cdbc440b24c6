"""A consumer of one queue in Postgres: what it holds, and what it has handled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtime.transport.port import Delivery, Destination, SubscriptionLost

if TYPE_CHECKING:
    from runtime.transport.postgres_session import PostgresSession

_INBOX_HOLDS = 10_000


class PostgresSubscription:
    """A consumer. Its session's task moves messages; this object only keeps book between two of its turns.

    `consumer` is its row's id, 0 for a reply inbox. `look` says that the queue may hold messages for it.
    """

    def __init__(
        self, session: PostgresSession, consumer: int, queue: str, channel: str, source: Destination, prefetch: int
    ) -> None:
        self.consumer = consumer
        self.queue = queue
        self.channel = channel
        self.source = source
        self.look = True
        self.handled: list[int] = []
        self.dead: list[int] = []
        self.lost: str | None = None
        self._session = session
        self._prefetch = prefetch
        self._buffer: list[Delivery] = []
        self._unacked: set[int] = set()
        self._arrived = asyncio.Event()

    @property
    def room(self) -> int:
        """How many more messages it may hold now."""
        if self.source is Destination.REPLIES:
            return _INBOX_HOLDS - len(self._buffer)
        return self._prefetch - len(self._unacked)

    async def receive(self) -> list[Delivery]:
        """Wait for messages and give all that are here; raises `SubscriptionLost`."""
        while not self._buffer and self.lost is None:
            self._arrived.clear()
            await self._arrived.wait()
        if self.lost is not None:
            raise SubscriptionLost(self.lost)
        deliveries, self._buffer = self._buffer, []
        if self.source is Destination.REPLIES and self.look:
            self._session.wake()
        return deliveries

    def ack(self, delivery: Delivery) -> None:
        """Delete the message with the session's next statement; late acks do nothing."""
        if self._release(delivery):
            self.handled.append(delivery.tag)

    def dead_letter(self, delivery: Delivery) -> None:
        """Move the message to the dead-letter queue with the session's next turn; too late does nothing."""
        if self._release(delivery):
            self.dead.append(delivery.tag)

    async def close(self) -> None:
        """Send the acks that are due and hand back the rest; safe to call twice."""
        await self._session.unsubscribe(self)

    def deliver(self, deliveries: list[Delivery]) -> None:
        """Take claimed messages; called by the session."""
        if self.source is not Destination.REPLIES:
            self._unacked.update(delivery.tag for delivery in deliveries)
        self._buffer.extend(deliveries)
        self._arrived.set()

    def lose(self, reason: str) -> None:
        """End: `receive` raises with this reason; called by the session."""
        if self.lost is None:
            self.lost = reason
            self._unacked.clear()
            self._arrived.set()

    def _release(self, delivery: Delivery) -> bool:
        if delivery.tag not in self._unacked:
            return False
        self._unacked.remove(delivery.tag)
        self._session.wake()
        return True
