"""Numbered SQL migrations, applied once and in order.

A component is a set of tables with its own folder of files `0001_name.sql`, `0002_…`; released files are never
edited. Everything lives in the SQL schema `perdure`, and `perdure.schema_migrations` records what was applied.
Each migration is one transaction under an advisory lock: two processes that migrate at once apply each file
once, and one that dies in the middle leaves nothing half-done.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from eventstore.errors import SchemaMismatch

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_LOCK = int.from_bytes(hashlib.blake2b(b"perdure.migrate", digest_size=8).digest(), "big", signed=True)
_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_OLDEST_SERVER = 140000

_CREATE = """
CREATE SCHEMA IF NOT EXISTS perdure;
CREATE TABLE IF NOT EXISTS perdure.schema_migrations (
    applied_at timestamptz NOT NULL DEFAULT now(),
    number     integer     NOT NULL,
    component  text        NOT NULL,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    PRIMARY KEY (component, number)
)
"""
_APPLIED = "SELECT number, name, checksum FROM perdure.schema_migrations WHERE component = $1 ORDER BY number"
_RECORD = "INSERT INTO perdure.schema_migrations (component, number, name, checksum) VALUES ($1, $2, $3, $4)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of a component's folder."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Fingerprint of the file's text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Traversable) -> list[Migration]:
    """Read a folder's migrations by number; raises `ValueError` unless they are 1, 2, 3 …"""
    found = [
        Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if (match := _FILE.fullmatch(file.name))
    ]
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations must be numbered 0001, 0002, … without gaps, not {[m.number for m in found]}")
    return found


async def migrate(connection: Connection, *, component: str, folder: Traversable) -> list[str]:
    """Bring one component's tables up to date.

    Returns:
        The names of the migrations applied now, such as `0001_log`; empty when there was nothing to do.

    Raises:
        SchemaMismatch: the server is too old or not UTF-8, the database is newer than the folder, or an applied
            file was edited since. Nothing is applied then.
    """
    await _check_server(connection)
    migrations = read_migrations(folder)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(_CREATE)
    applied = []
    for migration in migrations:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            done = await _applied(connection, component)
            if (mismatch := _difference(component, migrations, done)) is not None:
                raise mismatch
            if migration.number in done:
                continue
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, component, migration.number, migration.name, migration.checksum)
        applied.append(f"{migration.number:04d}_{migration.name}")
    return applied


async def schema_state(connection: Connection, *, component: str, folder: Traversable) -> SchemaMismatch | None:
    """Compare a component's tables with its folder: None when they fit, else the error that says what to do."""
    migrations = read_migrations(folder)
    if await connection.fetchval("SELECT to_regclass('perdure.schema_migrations')") is None:
        return SchemaMismatch(f"the database holds no Perdure schema ({component}); run `perdure migrate`")
    done = await _applied(connection, component)
    if (mismatch := _difference(component, migrations, done)) is not None:
        return mismatch
    if missing := [f"{m.number:04d}_{m.name}" for m in migrations if m.number not in done]:
        return SchemaMismatch(
            f"the {component} schema is at {len(done)}, this code needs {len(migrations)} "
            f"(missing {', '.join(missing)}); run `perdure migrate`"
        )
    return None


async def _applied(connection: Connection, component: str) -> dict[int, tuple[str, str]]:
    return {row["number"]: (row["name"], row["checksum"]) for row in await connection.fetch(_APPLIED, component)}


def _difference(component: str, migrations: list[Migration], done: dict[int, tuple[str, str]]) -> SchemaMismatch | None:
    if max(done, default=0) > len(migrations):
        return SchemaMismatch(
            f"the {component} schema is at {max(done)}, newer than this code, which knows {len(migrations)}; "
            "upgrade perdure on this machine"
        )
    for migration in migrations:
        if migration.number in done and done[migration.number] != (migration.name, migration.checksum):
            return SchemaMismatch(
                f"the {component} migration {migration.number:04d} was applied as {done[migration.number][0]!r} with "
                f"another checksum than this code's {migration.name!r}; the database was made by another build: "
                "use that build, or a new database"
            )
    return None


async def _check_server(connection: Connection) -> None:
    number = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
    if number < _OLDEST_SERVER:
        raise SchemaMismatch(f"Postgres {number // 10000} is too old: expected 14 or newer; upgrade the server")
    encoding = await connection.fetchval("SELECT current_setting('server_encoding')")
    if encoding != "UTF8":
        raise SchemaMismatch(
            f"the database's encoding is {encoding}, expected UTF8; create one with `createdb --encoding=UTF8`"
        )
