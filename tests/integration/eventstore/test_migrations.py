"""Migrations: once, in order, whole, and refused when they do not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from eventstore import PostgresStore, SchemaMismatch, WrongExpectedVersion, migrate, migrate_store, schema_state
from eventstore.postgres.schema import COMPONENT, migrations
from tests.conformance.store.building import commit, execution, timer
from tests.conformance.store.kits import NOW

_OLD_DATA = """
INSERT INTO perdure.partitions (partition, head, epoch) VALUES (0, 2, 1), (1, 0, 1);
INSERT INTO perdure.events (partition, "offset", stream, version, epoch, type, schema, data, recorded_at)
SELECT 0, n, 'Account/1', n, 1, 'Deposited', 1, '{}', now() FROM generate_series(1, 2) n;
INSERT INTO perdure.executions (partition, stream, status, busy, started_at, updated_at)
VALUES (0, 'Account/1', 'running', true, now(), now());
INSERT INTO perdure.timers (partition, due_at, stream, number)
VALUES (0, '2026-03-01 12:30:15.123456Z', 'Account/1', 1);
INSERT INTO perdure.outbox (partition, id, destination, routing_key, body) VALUES (0, 'message-1', 'tasks', 'q', '')
"""

Fresh = Callable[[], Awaitable[str]]


async def execute(dsn: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def apply(dsn: str, folder: Path) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return await migrate(connection, component="other", folder=folder)
    finally:
        await connection.close()


async def state(dsn: str, folder: Path) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await schema_state(connection, component="other", folder=folder))
    finally:
        await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Another component's migrations."""
    (tmp_path / "0001_queue.sql").write_text(
        "CREATE TABLE perdure.queue (id int); INSERT INTO perdure.queue VALUES (1)"
    )
    (tmp_path / "0002_more.sql").write_text("ALTER TABLE perdure.queue ADD COLUMN body text")
    (tmp_path / "README.md").write_text("no migration")
    return tmp_path


async def test_a_second_run_has_nothing_to_do(fresh_database: Fresh) -> None:
    """Each file is applied once; partitions are made once."""
    dsn = await fresh_database()
    assert (await migrate_store(dsn, 3))[0] == "0001_log"
    assert await migrate_store(dsn) == []
    assert await migrate_store(dsn, 3) == []
    assert len(await execute(dsn, "SELECT FROM perdure.partitions")) == 3


async def test_eight_partitions_unless_told_otherwise(fresh_database: Fresh) -> None:
    """The default of a new store."""
    dsn = await fresh_database()
    await migrate_store(dsn)
    assert len(await execute(dsn, "SELECT FROM perdure.partitions")) == 8


async def test_another_number_of_partitions_is_refused(fresh_database: Fresh) -> None:
    """The error says both numbers, and nothing changes."""
    dsn = await fresh_database()
    await migrate_store(dsn, 3)
    with pytest.raises(SchemaMismatch, match=r"created with 3 partitions, asked for 5"):
        await migrate_store(dsn, 5)
    assert len(await execute(dsn, "SELECT FROM perdure.partitions")) == 3


async def test_several_at_once(fresh_database: Fresh) -> None:
    """Nodes that start together apply each file once between them."""
    dsn = await fresh_database()
    applied = await asyncio.gather(*(migrate_store(dsn) for _ in range(4)))
    names = [name for names in applied for name in names]
    assert (
        sorted(names)
        == sorted(set(names))
        == [
            r[0]
            for r in await execute(
                dsn, "SELECT to_char(number, 'FM0000') || '_' || name FROM perdure.schema_migrations ORDER BY 1"
            )
        ]
    )


async def test_upgrading_a_store_with_data(fresh_database: Fresh, tmp_path: Path) -> None:
    """What an older version wrote, streams and listing, is found and continued by this one."""
    dsn, old = await fresh_database(), tmp_path / "old"
    old.mkdir()
    for file in migrations().iterdir():
        if file.name.startswith(("0001", "0002", "0003", "0004")):
            (old / file.name).write_text(file.read_text(encoding="utf-8"))
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection, component=COMPONENT, folder=old)
        await connection.execute(_OLD_DATA)
    finally:
        await connection.close()
    assert (await migrate_store(dsn))[0] == "0005_commit"
    store = PostgresStore(dsn)
    await store.open()
    more = commit("Account/1", 2, execution=execution("completed"), timers_clear=[timer()], outbox_remove=["message-1"])
    [refused, other] = await store.commit([commit("Account/1", 1, partition=0), commit("Account/2", partition=1)])
    assert isinstance(refused, WrongExpectedVersion)
    assert (other, await store.commit([more])) == (None, [None])
    assert [(e.version, e.offset) for e in await store.read_stream("Account/1")] == [(1, 1), (2, 2), (3, 3)]
    assert (await store.execution("Account/1")) == execution("completed")
    assert await store.timers(0, until=NOW, limit=9) == []
    assert await store.outbox(0, until=NOW, limit=9) == []
    await store.close()


async def test_not_migrated(fresh_database: Fresh) -> None:
    """A store on an empty database says what to run."""
    store = PostgresStore(await fresh_database())
    with pytest.raises(SchemaMismatch, match="run `perdure migrate`"):
        await store.open()
    await store.close()


async def test_components_have_numbers_of_their_own(fresh_database: Fresh, folder: Path) -> None:
    """A later file of one component is applied later, whatever the others did."""
    dsn = await fresh_database()
    await migrate_store(dsn)
    assert await apply(dsn, folder) == ["0001_queue", "0002_more"]
    (folder / "0003_last.sql").write_text("CREATE INDEX ON perdure.queue (id)")
    assert "missing 0003_last); run `perdure migrate`" in await state(dsn, folder)
    assert await apply(dsn, folder) == ["0003_last"]
    assert await state(dsn, folder) == "None"


async def test_a_failing_file_leaves_nothing(fresh_database: Fresh, folder: Path) -> None:
    """Those before it stay, its own first statements don't."""
    dsn = await fresh_database()
    (folder / "0002_more.sql").write_text("CREATE TABLE perdure.half (id int); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await apply(dsn, folder)
    [row] = await execute(dsn, "SELECT to_regclass('perdure.half') AS half")
    assert row["half"] is None
    assert "is at 1, this code needs 2" in await state(dsn, folder)


async def test_newer_than_this_code(fresh_database: Fresh, folder: Path) -> None:
    """Neither migrated nor used by older code."""
    dsn = await fresh_database()
    await apply(dsn, folder)
    (folder / "0002_more.sql").unlink()
    assert "is at 2, newer than this code, which knows 1; upgrade" in await state(dsn, folder)
    with pytest.raises(SchemaMismatch, match="newer"):
        await apply(dsn, folder)


async def test_an_edited_file_is_noticed(fresh_database: Fresh, folder: Path) -> None:
    """Released files are never edited."""
    dsn = await fresh_database()
    await apply(dsn, folder)
    (folder / "0001_queue.sql").write_text("SELECT 1")
    assert "another checksum" in await state(dsn, folder)
    with pytest.raises(SchemaMismatch, match="another checksum"):
        await apply(dsn, folder)


async def test_gaps_in_the_numbers_are_a_mistake(fresh_database: Fresh, folder: Path) -> None:
    """The folder is wrong, so nothing is applied."""
    (folder / "0004_far.sql").write_text("SELECT 1")
    with pytest.raises(ValueError, match="without gaps"):
        await apply(await fresh_database(), folder)


async def test_a_database_in_another_encoding(fresh_database: Fresh) -> None:
    """Text of the log is UTF-8."""
    dsn = await fresh_database()
    name = dsn.split("?")[0].rpartition("/")[2]
    await execute(dsn, f"CREATE DATABASE {name}_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(SchemaMismatch, match="encoding is LATIN1, expected UTF8"):
            await migrate_store(dsn.replace(name, f"{name}_latin"))
    finally:
        await execute(dsn, f"DROP DATABASE {name}_latin")
