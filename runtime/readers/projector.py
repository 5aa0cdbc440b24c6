"""Running a projection: events and checkpoint in one transaction, and the one event found that does not work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
from asyncpg import exceptions as pg

from actors import App
from eventstore import Batch, EventStore, RecordedEvent, StoreError, StoreUnavailable
from eventstore.postgres.translation import translate
from runtime.errors import PerdureError
from runtime.readers import checkpoint_statements as sql
from runtime.readers.checkpoints import Connection, Superseded, open_connection
from runtime.readers.decoding import Decoding
from runtime.readers.log_reader import LogReader, Stopped, poisoned, said
from runtime.readers.projection import Projection

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
# The database's own trouble, not that of what was asked of it.
_NOT_THEIRS = (
    pg.PostgresConnectionError,
    pg.OperatorInterventionError,
    pg.InsufficientResourcesError,
    pg.TransactionRollbackError,
    pg.IdleInTransactionSessionTimeoutError,
)


class Projector(LogReader):
    """Runs one projection.

    Args:
        projection: what to run.
        app: knows the classes of its events.
        store: the log, open.
        database_url: the projection's tables, and its checkpoint.
        options: see `LogReader`.
    """

    def __init__(self, projection: Projection, app: App, store: EventStore, database_url: str, **options: Any) -> None:
        self._decoding = Decoding(app, projection)
        super().__init__(projection.title, store, database_url, selection=self._decoding.selection(), **options)
        self._projection = projection
        self._database_url = database_url

    async def prepare(self) -> None:
        """Let the projection make its tables."""
        connection = await self.checkpoints.connection()
        try:
            async with connection.transaction():
                await connection.execute(_ONE_AT_A_TIME, f"perdure projection {self.name}")
                await self._projection.create(connection)
        except _NOT_THEIRS as error:
            connection.terminate()
            raise translate(error, self._database_url) from error
        except Exception as error:  # as in `_apply`
            raise Stopped(f"{self.name} can't make its tables: {said(error)}") from error

    async def take(self, batch: Batch, before: int) -> None:
        """Apply a batch; when that fails, event by event, so that all before the bad one count and it is named."""
        try:
            await self._apply(batch.events, before, batch.offset)
        except Stopped:
            if len(batch.events) == 1:
                raise
            for event in batch.events:
                await self._apply([event], before, event.offset)
                before = event.offset
            if before < batch.offset:
                await self.checkpoints.move(batch.partition, before, batch.offset)

    async def _apply(self, events: Sequence[RecordedEvent], before: int, after: int) -> None:
        connection = await self.checkpoints.connection()
        try:
            recorded = [read for event in events if (read := self._decoding.recorded(event)) is not None]
            async with self.checkpoints.moving(events[0].partition, before, after) as db:
                if recorded:
                    await self._projection.apply(db, recorded)
        except (Superseded, StoreError):
            raise
        except Exception as error:  # whatever the user's code raises stops this projection and nothing else
            if isinstance(error, _NOT_THEIRS) or connection.is_closed():
                connection.terminate()
                raise StoreUnavailable(f"{self.name}: {error}") from error
            raise poisoned(self.name, events[0], error) from error


async def rebuild(projection: Projection, database_url: str) -> int:
    """Empty a projection's tables and set it back to the first event, in one transaction; who runs it begins anew.

    Returns:
        How many partitions were set back; 0: it never ran.

    Raises:
        ConfigurationError: it does not say how its tables are emptied.
        Stopped: its tables could not be emptied.
        StoreError: the database can't be reached, or has no checkpoints.
    """
    connection = await open_connection(database_url)
    try:
        async with connection.transaction():
            reset = await connection.fetch(sql.RESET, projection.title)
            if reset:
                await projection.clear(connection)
        return len(reset)
    except _NOT_THEIRS as error:
        raise translate(error, database_url) from error
    except PerdureError:
        raise
    except Exception as error:  # the user's code, or what the database says to it
        raise Stopped(f"{projection.title} can't empty its tables, and stays as it was: {said(error)}") from error
    finally:
        await _closed(connection)


async def _closed(connection: Connection) -> None:
    try:
        await connection.close(timeout=5)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
