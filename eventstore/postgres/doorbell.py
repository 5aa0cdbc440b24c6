"""The doorbell: one connection of a store that listens for what its followers wait for. See `0008_followers.sql`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
from asyncpg import exceptions as pg

from eventstore.errors import StoreUnavailable
from eventstore.postgres.connection import connect
from eventstore.postgres.read_statements import AWAIT
from eventstore.postgres.translation import translated

CHANNEL = "perdure_events"
_SETTINGS = {
    "application_name": "perdure follow",
    "synchronous_commit": "off",  # a flag that is lost was lost with its connection, and the heads are locked more briefly
    "enable_sort": "on",  # a handful of rows, put in order to be locked in order
}
_CLOSE_TIMEOUT = 5.0  # seconds


class Doorbell:
    """Connects when first asked, and again after the connection was lost: then everybody is woken, and asks again."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._turn = asyncio.Lock()
        self._watches: set[PostgresWatch] = set()
        self._closed = True

    def open(self) -> None:
        """Allow connections."""
        self._closed = False

    async def close(self) -> None:
        """Release the connection, and wake everybody."""
        self._closed = True
        async with self._turn:
            connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=_CLOSE_TIMEOUT)
            except (OSError, pg.PostgresError, pg.InterfaceError, pg.InternalClientError):
                connection.terminate()
        self._ring_all()

    def watch(self) -> PostgresWatch:
        """Give a new watch."""
        return PostgresWatch(self)

    def add(self, watch: PostgresWatch) -> None:
        """Tell a watch from now on."""
        self._watches.add(watch)

    def forget(self, watch: PostgresWatch) -> None:
        """Tell a watch no more."""
        self._watches.discard(watch)

    async def ask(self, partitions: Sequence[int]) -> None:
        """Have the next event of any of the partitions ring; raises `StoreUnavailable`."""
        async with self._turn:
            with translated(self._dsn):
                connection = await self._connected()
                try:
                    await connection.execute(AWAIT, list(partitions))
                except BaseException:
                    # Whether it listens still is not known; a statement that was cut short may have locked heads.
                    connection.terminate()
                    raise

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._closed:
            raise StoreUnavailable("the store is not open; await open() first")
        if self._connection is None or self._connection.is_closed():
            self._connection = None
            connection = await connect(self._dsn, **_SETTINGS)
            try:
                await connection.add_listener(CHANNEL, self._notified)
            except BaseException:
                connection.terminate()
                raise
            connection.add_termination_listener(self._terminated)
            self._connection = connection
        return self._connection

    def _notified(self, _connection: object, _pid: int, _channel: str, partition: object) -> None:
        for watch in self._watches:
            watch.rung(str(partition))

    def _terminated(self, _connection: object) -> None:
        self._ring_all()

    def _ring_all(self) -> None:
        for watch in self._watches:
            watch.rung(None)


class PostgresWatch:
    """A `Watch` of a `PostgresStore`."""

    def __init__(self, doorbell: Doorbell) -> None:
        self._doorbell = doorbell
        self._partitions: frozenset[str] = frozenset()
        self._bell = asyncio.Event()
        self._closed = False

    async def ask(self, partitions: Sequence[int]) -> None:
        """Want to be woken; see `Watch.ask`."""
        if self._closed:
            return
        self._partitions = frozenset(map(str, partitions))
        self._bell.clear()
        self._doorbell.add(self)
        await self._doorbell.ask(partitions)

    def rung(self, partition: str | None) -> None:
        """Hear that there is an event in a partition; None: that the connection was lost."""
        if partition is None or partition in self._partitions:
            self._bell.set()

    async def wait(self, seconds: float | None) -> None:
        """Wait for the bell; see `Watch.wait`."""
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """Wake who waits, and want no more."""
        self._closed = True
        self._doorbell.forget(self)
        self._bell.set()
