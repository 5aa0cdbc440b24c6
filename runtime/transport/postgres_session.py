"""A session: the one connection through which a process consumes. It is an epoch, and dies whole.

One task owns the connection's rhythm. In each turn it sends every subscription's acks and claims for all of them
with one statement; a turn comes when a notification, an ack or a new subscription asks for it, and anyway with
each heartbeat and each re-check. The re-check exists because a notification can be lost and because nobody else
notices a dead session: its row ran out, or the advisory lock of its connection is free.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg

from runtime.transport import postgres_sql as sql
from runtime.transport.port import Delivery, Destination, SubscriptionLost, TransportUnavailable
from runtime.transport.postgres_connection import CONNECTION_LOST, reason, refused
from runtime.transport.postgres_reply import HANDED_BACK, from_notification
from runtime.transport.postgres_subscription import PostgresSubscription
from runtime.transport.queues import DEAD, missing_queue

_CLOSE_SECONDS = 5.0


class PostgresSession:
    """The consuming side of a transport, for as long as one connection lives."""

    def __init__(
        self, connection: asyncpg.Connection, number: int, *, heartbeat: float, ttl: timedelta, recheck: float
    ) -> None:
        self.number = number
        self.lost: str | None = None
        self._connection = connection
        self._heartbeat = heartbeat
        self._ttl = ttl
        self._recheck = recheck
        self._lock = asyncio.Lock()  # a Postgres connection does one thing at a time
        self._wake = asyncio.Event()
        self._stopping = False
        self._closing: list[tuple[PostgresSubscription, asyncio.Future[None]]] = []
        self._subscriptions: dict[int, PostgresSubscription] = {}
        self._inboxes: dict[str, PostgresSubscription] = {}
        self._listeners: defaultdict[str, set[PostgresSubscription]] = defaultdict(set)
        self._task = asyncio.create_task(self._run(), name=f"postgres transport session {number}")
        connection.add_termination_listener(self._terminated)

    @classmethod
    async def start(
        cls, connection: asyncpg.Connection, *, heartbeat: float, ttl: float, recheck: float, replaces: int | None
    ) -> PostgresSession:
        """Register a session on a fresh connection and retire the lost one that it replaces."""
        lifetime = timedelta(seconds=ttl)
        try:
            async with connection.transaction():
                number: int = await connection.fetchval(sql.OPEN_SESSION, lifetime)
                await connection.execute(sql.LOCK_SESSION, sql.LOCK_CLASS, number)
            if replaces is not None:
                await connection.execute(sql.RETIRE, [replaces])
        except CONNECTION_LOST as error:
            connection.terminate()
            raise TransportUnavailable(f"the connection was lost: {reason(error)}") from error
        except asyncpg.PostgresError as error:
            connection.terminate()
            raise refused(error) from error
        except BaseException:
            connection.terminate()
            raise
        return cls(connection, number, heartbeat=heartbeat, ttl=lifetime, recheck=recheck)

    # -- subscriptions ------------------------------------------------------------------------------------

    async def subscribe(
        self, source: Destination, queue: str, *, prefetch: int, exclusive: bool
    ) -> PostgresSubscription:
        """Add a consumer; an exclusive one takes over at once. Raises `TransportError` for a missing queue."""
        async with self._lock:
            consumer: int | None = await self._ask(sql.SUBSCRIBE, self.number, queue, exclusive)
            if consumer is None:
                raise missing_queue(queue)
            channel = await self._ask(sql.CHANNEL, queue)
            subscription = PostgresSubscription(self, consumer, queue, channel, source, prefetch)
            self._subscriptions[consumer] = subscription
            await self._listen_or_drop(subscription)
        self.wake()
        return subscription

    async def reply_inbox(self) -> tuple[str, PostgresSubscription]:
        """Make a reply queue that lives as long as this session."""
        address = f"perdure.reply.{uuid4().hex}"
        async with self._lock:
            await self._ask(sql.ADD_INBOX, address, self.number)
            channel = await self._ask(sql.CHANNEL, address)
            inbox = PostgresSubscription(self, 0, address, channel, Destination.REPLIES, 0)
            self._inboxes[address] = inbox
            await self._listen_or_drop(inbox)
        self.wake()
        return address, inbox

    async def unsubscribe(self, subscription: PostgresSubscription) -> None:
        """Send what is due of one subscription, free the rest of what it holds, and end it.

        The session's task does it: a caller that is cancelled must not leave claimed messages behind.
        """
        if subscription.lost is None:
            await self._closed(subscription)

    def _closed(self, subscription: PostgresSubscription) -> asyncio.Future[None]:
        self._forget(subscription, "the subscription was closed")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing.append((subscription, done))
        self.wake()
        return done

    async def close(self) -> None:
        """Send all acks, hand back everything and close the connection, within a few seconds; idempotent."""
        self._stopping = True
        self.wake()
        if (await asyncio.wait([self._task], timeout=_CLOSE_SECONDS))[1]:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._connection.is_closed():
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS), self._lock:
                for subscription in [*self._subscriptions.values(), *(s for s, _ in self._closing)]:
                    await self._settle_alone(subscription)
                await self._connection.execute(sql.RETIRE, [self.number])
                await self._connection.close()
        except (*CONNECTION_LOST, asyncpg.PostgresError):
            # What could not be sent is redelivered; the lock goes with the connection.
            self._connection.terminate()
        finally:
            self._end("the transport was closed")

    def wake(self) -> None:
        """Ask for a turn: acks and messages of many calls go into one."""
        self._wake.set()

    # -- the turns ----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_beat, next_recheck = loop.time() + self._heartbeat, loop.time() + self._recheck
        ended = "the transport was closed"
        try:
            while self.lost is None and not self._stopping:
                await self._woken(min(next_beat, next_recheck) - loop.time())
                async with self._lock:
                    if loop.time() >= next_beat:
                        next_beat = loop.time() + self._heartbeat
                        await self._beat()
                    if loop.time() >= next_recheck:
                        next_recheck = loop.time() + self._recheck
                        await self._retire_dead_sessions()
                        self._look_everywhere()
                    await self._turn()
        except SubscriptionLost as error:
            ended = str(error)
        except (*CONNECTION_LOST, asyncpg.PostgresError) as error:
            ended = f"the connection was lost: {reason(error)}"
        finally:
            if not self._stopping:
                self._end(ended)

    async def _woken(self, seconds: float) -> None:
        if not self._wake.is_set():
            try:
                async with asyncio.timeout(max(seconds, 0)):
                    await self._wake.wait()
            except TimeoutError:
                return
        self._wake.clear()

    async def _beat(self) -> None:
        if await self._connection.fetchval(sql.BEAT, self.number, self._ttl, timeout=self._ttl.total_seconds()) is None:
            raise SubscriptionLost("the session ran out, and its messages were given to others")

    async def _retire_dead_sessions(self) -> None:
        rows = await self._connection.fetch(sql.DEAD_SESSIONS, sql.LOCK_CLASS)
        dead = [row["id"] for row in rows if row["id"] != self.number]
        if dead:
            await self._connection.execute(sql.RETIRE, dead)

    def _look_everywhere(self) -> None:
        for subscription in (*self._subscriptions.values(), *self._inboxes.values()):
            subscription.look_at_all()

    async def _turn(self) -> None:
        while self._closing:
            subscription, done = self._closing.pop(0)
            try:
                await self._drop(subscription)
            finally:
                if not done.done():
                    done.set_result(None)  # a failure ends the session, which frees the messages as surely
        for inbox in [inbox for inbox in self._inboxes.values() if inbox.look and inbox.room > 0]:
            await self._take_replies(inbox)
        for subscription in [s for s in self._subscriptions.values() if s.dead]:
            await self._bury(subscription)
        looking = [s for s in self._subscriptions.values() if s.look]
        acking = [s for s in self._subscriptions.values() if s.handled]
        if looking or acking:
            await self._ack_and_claim(looking, acking)

    async def _ack_and_claim(self, looking: list[PostgresSubscription], acking: list[PostgresSubscription]) -> None:
        handled = [(s.queue, tag, s.consumer) for s in acking for tag in _taken(s.handled)]
        rooms = {s.consumer: s.room for s in looking}
        now = asyncio.get_running_loop().time()
        for subscription in looking:
            subscription.look = False  # a notification during the statement sets it again
        rows = await self._connection.fetch(
            sql.ACK_AND_CLAIM,
            list(rooms),
            [s.queue for s in looking],
            list(rooms.values()),
            [s.floor(now) for s in looking],
            [queue for queue, _, _ in handled],
            [tag for _, tag, _ in handled],
            [consumer for _, _, consumer in handled],
        )
        claims: defaultdict[int, list[asyncpg.Record]] = defaultdict(list)
        for row in rows:
            claims[row["claimed_by"]].append(row)
        for subscription in looking:
            claimed = claims.get(subscription.consumer, [])
            if claimed and claimed[0]["id"] is None:
                await self._superseded(subscription)
            elif len(claimed) == rooms[subscription.consumer]:
                subscription.look = True  # there may be more than there was room for
                if subscription.room > 0:
                    self.wake()
            if claimed and subscription.lost is None:
                subscription.deliver(_deliveries(subscription.source, claimed), now)

    async def _superseded(self, subscription: PostgresSubscription) -> None:
        """End a subscription whose row is gone, or locked by whoever is about to delete it."""
        self._forget(subscription, f"another consumer took over queue {subscription.queue!r}")
        await self._connection.execute(sql.DROP_CONSUMERS, [subscription.consumer])

    async def _take_replies(self, inbox: PostgresSubscription) -> None:
        room = inbox.room
        inbox.look, inbox.taking = False, True
        rows = await self._connection.fetch(sql.TAKE_REPLIES, inbox.queue, room)
        if len(rows) == room:
            inbox.look = True
        if rows:
            inbox.deliver(_deliveries(Destination.REPLIES, rows))
        inbox.rows_taken()

    async def _bury(self, subscription: PostgresSubscription) -> None:
        dead = _taken(subscription.dead)
        await self._connection.execute(sql.DEAD_LETTER, subscription.queue, dead, subscription.consumer, DEAD)

    async def _drop(self, subscription: PostgresSubscription) -> None:
        if subscription.source is Destination.REPLIES:
            await self._connection.execute(sql.DROP_INBOX, subscription.queue)
        else:
            await self._settle_alone(subscription)
            await self._connection.execute(sql.DROP_CONSUMERS, [subscription.consumer])

    async def _settle_alone(self, subscription: PostgresSubscription) -> None:
        if subscription.dead:
            await self._bury(subscription)
        if subscription.handled:
            handled = _taken(subscription.handled)
            await self._connection.execute(sql.ACK, subscription.queue, handled, subscription.consumer)

    # -- book-keeping -------------------------------------------------------------------------------------

    async def _ask(self, statement: str, *arguments: object) -> Any:
        """Run one statement for a caller; a lost connection ends the session, a refusal is only the caller's."""
        if self.lost is not None:
            raise SubscriptionLost(self.lost)
        try:
            return await self._connection.fetchval(statement, *arguments)
        except CONNECTION_LOST as error:
            self._end(f"the connection was lost: {reason(error)}")
            raise SubscriptionLost(f"the connection was lost: {reason(error)}") from error
        except asyncpg.PostgresError as error:
            raise refused(error) from error

    async def _listen(self, subscription: PostgresSubscription) -> None:
        listeners = self._listeners[subscription.channel]
        listeners.add(subscription)
        if len(listeners) > 1:
            return
        try:
            await self._connection.add_listener(subscription.channel, self._notified)
        except (*CONNECTION_LOST, asyncpg.PostgresError) as error:
            self._end(f"the connection was lost: {reason(error)}")
            raise SubscriptionLost(f"the connection was lost: {reason(error)}") from error

    async def _listen_or_drop(self, subscription: PostgresSubscription) -> None:
        try:
            await self._listen(subscription)
        except BaseException:
            self._closed(subscription)  # nobody will receive what it would claim
            raise

    def _notified(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        for subscription in self._listeners.get(channel, ()):
            if payload and subscription.source is Destination.REPLIES:
                subscription.notified(from_notification(subscription.queue, str(payload)))
                continue
            if payload == HANDED_BACK:
                subscription.look_at_all()
            subscription.look = True
            self.wake()

    def _terminated(self, _connection: object) -> None:
        self._end("the connection was lost")

    def _forget(self, subscription: PostgresSubscription, reason: str) -> None:
        """Drop a subscription. Its channel stays listened to: a stray notification costs less than an UNLISTEN."""
        self._subscriptions.pop(subscription.consumer, None)
        self._inboxes.pop(subscription.queue, None)
        self._listeners[subscription.channel].discard(subscription)
        subscription.lose(reason)

    def _end(self, reason: str) -> None:
        """Die whole: every subscription is lost, and what they hold is free once the connection is gone."""
        if self.lost is None:
            self.lost = reason
        for subscription in (*self._subscriptions.values(), *self._inboxes.values()):
            subscription.lose(self.lost)
        for _, done in self._closing:
            if not done.done():
                done.set_result(None)
        self._closing.clear()
        self._subscriptions.clear()
        self._inboxes.clear()
        if not self._connection.is_closed():
            self._connection.terminate()
        self.wake()


def _taken(tags: list[int]) -> list[int]:
    """Move what is due out of a subscription's list."""
    taken = tags[:]
    tags.clear()
    return taken


def _deliveries(source: Destination, rows: Iterable[asyncpg.Record]) -> list[Delivery]:
    deliveries = [
        Delivery(
            source=source,
            key=row["key"],
            body=row["body"],
            reply_to=row["reply_to"],
            correlation_id=row["correlation_id"],
            redeliveries=0 if source is Destination.REPLIES else row["deliveries"] - 1,
            tag=row["id"],
        )
        for row in rows
    ]
    deliveries.sort(key=_tag)
    return deliveries


def _tag(delivery: Delivery) -> int:
    return delivery.tag
