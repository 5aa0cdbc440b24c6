"""Migrations: once, in order, whole, and refused when they do not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from eventstore import PostgresStore, SchemaMismatch, migrate, migrate_store, schema_state

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
