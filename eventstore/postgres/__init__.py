"""The event store in Postgres 14 or newer."""

from eventstore.postgres.leases import PostgresLeases
from eventstore.postgres.migration import Migration, migrate, read_migrations, schema_state
from eventstore.postgres.schema import migrate_store
from eventstore.postgres.store import PostgresStore

__all__ = [
    "Migration",
    "PostgresLeases",
    "PostgresStore",
    "migrate",
    "migrate_store",
    "read_migrations",
    "schema_state",
]
