"""A consumer of one queue in Postgres: what it holds, and what it has handled."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from runtime.transport.port import Delivery, Destination, SubscriptionLost

if TYPE_CHECKING:
    from runtime.transport.postgres_session import PostgresSession

_INBOX_HOLDS = 10_000
_INBOX_DROPS = 100_000
_LATE_SECONDS = 0.25


class Horizon:
    """Below which id a queue has nothing new: the highest that was claimed some time ago.

    Ids are given out before their messages can be seen, so a lower one may turn up after a higher one, by as much as
    its transaction takes. Later than that it is found when the whole queue is looked at, with each re-check.
    """

    def __init__(self) -> None:
        self._floor = 0
        self._newest = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._all = False

    def saw(self, id: int, now: float) -> None:
        """Note the highest id of a claim."""
        if id > self._newest:
            self._newest = id
            if not self._marks or now >= self._marks[-1][0] + _LATE_SECONDS / 4:
                self._marks.append((now, id))

    def floor(self, now: float) -> int:
        """Give the highest id that was claimed long enough ago."""
        while self._marks and self._marks[0][0] <= now - _LATE_SECONDS:
            self._floor = self._marks.popleft()[1]
        whole, self._all = self._all, False
        return 0 if whole else self._floor

    def look_at_all(self) -> None:
        """Begin at the bottom with the next look."""
        self._all = True


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
        self.taking = False  # an inbox whose rows are just being read
        self._horizon = Horizon()
        self._held: list[Delivery] = []  # notified replies behind rows that are still to be read
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

    def floor(self, now: float) -> int:
        """Give the id from which on to look for messages."""
        return self._horizon.floor(now)

    def look_at_all(self) -> None:
        """Look at the whole queue once: for messages that came back, or became visible very late."""
        self.look = True
        self._horizon.look_at_all()

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

    def deliver(self, deliveries: list[Delivery], now: float = 0.0) -> None:
        """Take claimed messages; called by the session."""
        if self.source is not Destination.REPLIES:
            self._unacked.update(delivery.tag for delivery in deliveries)
            self._horizon.saw(deliveries[-1].tag, now)
        self._buffer.extend(deliveries)
        self._arrived.set()

    def notified(self, reply: Delivery) -> None:
        """Take a reply that came as a notification, behind those that are rows; beyond a bound it is dropped."""
        if self.look or self.taking:
            self._held.append(reply)
        elif len(self._buffer) < _INBOX_DROPS:
            self._buffer.append(reply)
            self._arrived.set()

    def rows_taken(self) -> None:
        """Let go what waited behind the rows; called by the session."""
        self.taking = False
        if self._held and not self.look:
            held, self._held = self._held, []
            self._buffer.extend(held)
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
