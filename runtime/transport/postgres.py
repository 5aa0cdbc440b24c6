"""The transport in Postgres: the port's promises with no broker.

```
publish       ──> PostgresPublisher ──(connection 1: INSERT … unnest, pg_notify)──> perdure.messages
post          ──> PostgresPublisher ──(the same; a small reply is a notification and no row)──> …
receive, ack  <── PostgresSession   <──(connection 2: DELETE acks + claim, LISTEN)── perdure.messages
```

Several small messages in one row would be a matter of `postgres_publisher` and `postgres_session._deliveries` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg

from eventstore.errors import SchemaMismatch
from eventstore.postgres.migration import migrate, schema_state
from runtime.transport import postgres_sql as sql
from runtime.transport.backoff import keep_trying
from runtime.transport.port import (
    Destination,
    Message,
    SubscriptionLost,
    Topology,
    TransportError,
    TransportUnavailable,
)
from runtime.transport.postgres_connection import CONNECTION_LOST, connect, reason, refused
from runtime.transport.postgres_publisher import PostgresPublisher
from runtime.transport.postgres_session import PostgresSession
from runtime.transport.postgres_subscription import PostgresSubscription
from runtime.transport.queues import queue_name, queues_of

MIGRATIONS = files("runtime.transport") / "migrations"

# The queues' tables are nearly empty one moment and full the next, so statistics are always wrong: the plans of
# the claim are pinned to its index instead. And nothing that a consumer writes has to survive a crash of the server:
# a claim that is lost frees its message, an ack that is lost means a redelivery. So they do not wait for the disk.
_CONSUMER_SETTINGS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "synchronous_commit": "off",
}


class PostgresTransport:
    """Queues in a Postgres database. Needs direct connections: `LISTEN` and session locks do not survive a
    pooler in transaction mode.

    Args:
        dsn: the database's URL.
        recheck: seconds between two looks at queues that nothing was heard of, and at other sessions' health.
        heartbeat: seconds between two renewals of the session.
        ttl: seconds after which a silent session's messages are given to others; by the database's clock.
        patience: seconds for which a call tries to connect again before it raises `TransportUnavailable`.
        confirm_timeout: seconds after which a publish without answer is `PublishUnknown`.
    """

    def __init__(
        self,
        dsn: str,
        *,
        recheck: float = 1.5,
        heartbeat: float = 2.0,
        ttl: float = 6.0,
        patience: float = 10.0,
        confirm_timeout: float = 30.0,
    ) -> None:
        self._dsn = dsn
        self._recheck = recheck
        self._heartbeat = heartbeat
        self._ttl = ttl
        self._patience = patience
        self._publisher = PostgresPublisher(self._connect_publisher, patience=patience, timeout=confirm_timeout)
        self._session: PostgresSession | None = None
        self._session_lock = asyncio.Lock()
        self._open = False

    async def open(self) -> None:
        """Connect; raises `TransportUnavailable` at once, without patience."""
        await self._publisher.open()
        self._open = True

    async def close(self) -> None:
        """Close every subscription and connection; safe to call twice and before `open`."""
        self._open = False
        async with self._session_lock:
            session, self._session = self._session, None
            if session is not None:
                await session.close()
        await self._publisher.close()

    async def declare(self, topology: Topology) -> None:
        """Migrate the transport's tables and add the queues that are missing."""
        async with self._brief_connection() as connection:
            await migrate(connection, component="transport", folder=MIGRATIONS)
            await connection.execute(sql.DECLARE_QUEUES, queues_of(topology))

    async def check(self, topology: Topology) -> list[str]:
        """Name the queues that are missing, or say what is wrong with the tables."""
        wanted = queues_of(topology)
        async with self._brief_connection() as connection:
            mismatch = await schema_state(connection, component="transport", folder=MIGRATIONS)
            if mismatch is not None:
                return [str(mismatch)]
            known = {row["name"] for row in await connection.fetch(sql.KNOWN_QUEUES, wanted)}
        return [f"queue {name!r} is missing" for name in wanted if name not in known]

    async def publish(self, messages: Sequence[Message]) -> None:
        """Write a batch in one statement, together with what other callers publish meanwhile."""
        if messages:
            await self._publisher.publish(messages)

    def post(self, messages: Sequence[Message]) -> None:
        """Write without waiting and without promise."""
        if messages:
            self._publisher.post(messages)

    async def subscribe(
        self, source: Destination, key: str = "", *, prefetch: int, exclusive: bool = False
    ) -> PostgresSubscription:
        """Consume a queue; a newer exclusive subscription takes over at once."""
        session = await self._consuming()
        try:
            return await session.subscribe(source, queue_name(source, key), prefetch=prefetch, exclusive=exclusive)
        except SubscriptionLost as error:
            raise TransportUnavailable(f"the connection was lost while subscribing: {error}") from error

    async def reply_inbox(self) -> tuple[str, PostgresSubscription]:
        """Create a reply queue that vanishes with this transport's consuming connection."""
        session = await self._consuming()
        try:
            return await session.reply_inbox()
        except SubscriptionLost as error:
            raise TransportUnavailable(f"the connection was lost while subscribing: {error}") from error

    async def _consuming(self) -> PostgresSession:
        """Give the living session, or start the next one after it was lost."""
        async with self._session_lock:
            if not self._open:
                raise TransportUnavailable("the transport is not open")
            if self._session is None or self._session.lost is not None:
                replaces = None
                if self._session is not None:
                    replaces = self._session.number
                    await self._session.close()
                connection = await keep_trying(self._connect_consumer, patience=self._patience)
                self._session = await PostgresSession.start(
                    connection, heartbeat=self._heartbeat, ttl=self._ttl, recheck=self._recheck, replaces=replaces
                )
            return self._session

    async def _connect_publisher(self) -> asyncpg.Connection:
        return await connect(self._dsn, name="perdure publish", timeout=self._patience)

    async def _connect_consumer(self) -> asyncpg.Connection:
        # Within the session's life: a server that falls silent must not leave its consumers waiting for one answer.
        return await connect(
            self._dsn,
            name="perdure consume",
            timeout=self._patience,
            command_timeout=self._ttl,
            **_CONSUMER_SETTINGS,
        )

    @asynccontextmanager
    async def _brief_connection(self) -> AsyncIterator[asyncpg.Connection]:
        if not self._open:
            raise TransportUnavailable("the transport is not open")
        connection = await connect(self._dsn, name="perdure set-up", timeout=self._patience)
        try:
            yield connection
        except CONNECTION_LOST as error:
            raise TransportUnavailable(f"the connection was lost: {reason(error)}") from error
        except SchemaMismatch as error:
            raise TransportError(str(error)) from error
        except asyncpg.PostgresError as error:
            raise refused(error) from error
        finally:
            if not connection.is_closed():
                await connection.close()
