"""The store's own schema: its migrations, and its number of partitions."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg

from eventstore.errors import SchemaMismatch
from eventstore.postgres.migration import Connection, migrate, schema_state
from eventstore.postgres.translation import translated

COMPONENT = "eventstore"
DEFAULT_PARTITIONS = 8

_COUNT = "SELECT count(*) FROM perdure.partitions"
_CREATE = "INSERT INTO perdure.partitions (partition) SELECT generate_series(0, $1::integer - 1)"


def migrations() -> Traversable:
    """Give the folder of the store's migrations."""
    return files("eventstore.postgres") / "migrations"


async def migrate_store(dsn: str, partitions: int | None = None) -> list[str]:
    """Create or upgrade the store's schema; safe to run again, and by several processes at once.

    Args:
        dsn: connection URL of an existing database.
        partitions: how many partitions; fixed when the store is created. None: what is there, or 8 for a new one.

    Returns:
        The names of the migrations applied now.

    Raises:
        SchemaMismatch: the store has another number of partitions, or its schema does not fit this code.
        StoreUnavailable: the database can't be reached, or refuses the credentials.
        ValueError: `partitions` is below 1.
    """
    if partitions is not None and partitions < 1:
        raise ValueError(f"a store has at least 1 partition, not {partitions}")
    with translated(dsn):
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            dsn, timeout=10, server_settings={"application_name": "perdure"}
        )
        try:
            applied = await migrate(connection, component=COMPONENT, folder=migrations())
            await _create_partitions(connection, partitions)
        finally:
            await connection.close(timeout=5)
    return applied


async def check_store(connection: Connection) -> int:
    """Give the store's number of partitions.

    Raises:
        SchemaMismatch: the schema does not fit this code; the message says what to run.
    """
    if (mismatch := await schema_state(connection, component=COMPONENT, folder=migrations())) is not None:
        raise mismatch
    count: int = await connection.fetchval(_COUNT)
    if count == 0:
        raise SchemaMismatch("the store has no partitions yet; run `perdure migrate`")
    return count


async def _create_partitions(connection: asyncpg.Connection[asyncpg.Record], partitions: int | None) -> None:
    count: int = await connection.fetchval(_COUNT)
    if count == 0:  # only then lock: on a live store this table is busy
        async with connection.transaction():
            await connection.execute("LOCK TABLE perdure.partitions IN SHARE ROW EXCLUSIVE MODE")
            if await connection.fetchval(_COUNT) == 0:
                await connection.execute(_CREATE, partitions or DEFAULT_PARTITIONS)
        count = await connection.fetchval(_COUNT)
    if partitions is not None and partitions != count:
        raise SchemaMismatch(
            f"the store was created with {count} partitions, asked for {partitions}: the number is fixed for its "
            "lifetime; leave the option out, or create another database"
        )
