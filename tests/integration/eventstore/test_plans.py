"""No hot statement scans a table, also with plans that were made while the tables were empty."""

from __future__ import annotations

import json
from datetime import timedelta

import asyncpg
import pytest

from eventstore.postgres import lease_statements, read_statements
from eventstore.postgres.commit_statement import COMMIT, COMMIT_LEAVING, HANDLED, VERSIONS
from eventstore.postgres.connection import connect
from eventstore.postgres.netting import net
from eventstore.postgres.packing import Parameters, pack
from eventstore.records import Commit, Redelivery
from tests.conformance.store.building import (
    commit,
    event,
    execution,
    mark,
    message,
    quarantined,
    snapshot,
    timer,
)
from tests.conformance.store.kits import NOW, PostgresKit

_FILL = """
INSERT INTO perdure.events (partition, "offset", stream, version, epoch, type, schema, data, recorded_at)
SELECT n % 4, n / 4 + 1, 'A/' || n / 5, n % 5 + 1, 1, 'T', 1, '{}', now() FROM generate_series(0, 19999) n;
INSERT INTO perdure.inbox SELECT 1, now(), 'A/' || n, 'c', '' FROM generate_series(1, 9999) n;
INSERT INTO perdure.outbox
SELECT CASE WHEN n % 50 > 0 THEN now() + n * interval '1s' END, n % 4, 'm' || n, 'tasks', 'q', NULL, ''
FROM generate_series(1, 9999) n;
INSERT INTO perdure.timers SELECT now() + n * interval '1s', n % 4, 1, 'A/' || n FROM generate_series(1, 9999) n;
INSERT INTO perdure.snapshots SELECT now(), 1, 1, 'A/' || n, '', '', '' FROM generate_series(1, 3000) n;
INSERT INTO perdure.executions
SELECT now() + n * interval '1s', now(), NULL, n % 4, n % 100 = 0, 'A/' || n, (ARRAY['running','completed'])[n % 2 + 1]
FROM generate_series(1, 9999) n;
INSERT INTO perdure.attempts SELECT n % 4, 1, 'm' || n FROM generate_series(1, 3000) n;
INSERT INTO perdure.quarantine SELECT now() + n * interval '1s', n % 4, 1, 'm' || n, '', '', ''
FROM generate_series(1, 3000) n;
UPDATE perdure.partitions SET head = 200000
"""

_STREAM = """
INSERT INTO perdure.events (partition, "offset", stream, version, epoch, type, schema, data, recorded_at)
SELECT 0, 100000 + n, 'B/1', n, 1, 'T', 1, '{}', now() FROM generate_series(1, 5) n
"""

_STATEMENTS = {
    "versions": VERSIONS,
    "handled": HANDLED,
    **{
        name.lower(): getattr(read_statements, name)
        for name in [
            "LOAD",
            "STREAM_FORWARDS",
            "STREAM_BACKWARDS",
            "PARTITION",
            "STREAM_VERSION",
            "PARTITION_OFFSET",
            "REPLIES",
            "SNAPSHOT",
            "DELETE_SNAPSHOTS",
            "TIMERS",
            "OUTBOX",
            "OUTBOX_HOLDS",
            "OUTBOX_NAMED",
            "UNFINISHED",
            "EXECUTIONS",
            "EXECUTION",
            "EXPIRED",
            "QUARANTINED",
            "COUNT_ATTEMPT",
            "FORGET_ATTEMPTS",
        ]
    },
    **{name.lower(): getattr(lease_statements, name) for name in ("CLAIM", "RELEASE")},
}


async def plan(connection: asyncpg.Connection[asyncpg.Record], statement: str) -> str:
    """The generic plan, which is the one that is used."""
    await connection.execute(f"PREPARE hot AS {statement}")
    types = await connection.fetchval(
        "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'hot'"
    )
    rows = await connection.fetch(f"EXPLAIN EXECUTE hot ({', '.join(['NULL'] * types)})")
    await connection.execute("DEALLOCATE hot")
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("analyzed", [False, True], ids=["plans of empty tables", "plans of full tables"])
async def test_every_access_goes_by_an_index(kit: PostgresKit, analyzed: bool) -> None:
    """Neither a sequential scan nor a filter where a key should be."""
    if analyzed:
        filler = await asyncpg.connect(kit.dsn)
        await filler.execute(_FILL)
        await filler.execute("ANALYZE")
        await filler.close()
    connection = await connect(kit.dsn)
    try:
        for name, statement in _STATEMENTS.items():
            text = await plan(connection, statement)
            assert "Seq Scan" not in text, f"{name}:\n{text}"
            assert "Hash Join" not in text, f"{name}:\n{text}"
            if name in {"outbox", "timers", "partition", "stream_forwards", "executions"}:
                assert "Index" in text, f"{name}:\n{text}"
        outbox = await plan(connection, read_statements.OUTBOX)
        assert "outbox_new" in outbox, outbox
        assert "outbox_due" in outbox, outbox
    finally:
        await connection.close()


def of_every_part(stream: str) -> Parameters:
    """A batch that does something to every table, to a stream at version 5."""
    batch = [
        commit(
            stream,
            5,
            events=[event(), event()],
            inbox=[mark()],
            outbox=[message(stream)],
            outbox_redeliver=[Redelivery("m4", NOW)],
            outbox_remove=["m8"],
            timers_set=[timer(stream=stream)],
            timers_clear=[timer(1, stream=stream)],
            snapshot=snapshot(7),
            execution=execution(),
        ),
        Commit(1, 1, quarantine=[quarantined(stream)]),
    ]
    netted = net(batch)
    assert netted is not None
    return pack(netted)


async def blocks(connection: asyncpg.Connection[asyncpg.Record], parameters: Parameters) -> int:
    """How many blocks a commit looks at, in all the statements of its function; it is rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {COMMIT}", *parameters)
        [scans] = await connection.fetch(
            "SELECT sum(seq_scan) AS count FROM pg_stat_xact_user_tables WHERE schemaname = 'perdure'"
        )
    finally:
        await transaction.rollback()
    assert scans["count"] == 0
    plan = json.loads(rows[0][0])[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def test_a_commit_looks_at_few_blocks(kit: PostgresKit) -> None:
    """Plans that were made on empty tables serve full ones: no statement in the function reads an index or table whole."""
    connection = await connect(kit.dsn)
    filler = await asyncpg.connect(kit.dsn)
    try:
        await filler.execute(_STREAM)
        parameters = of_every_part("B/1")
        await blocks(connection, parameters)  # the plans are made now, and kept
        await filler.execute(_FILL)
        assert await blocks(connection, parameters) < 250
        await filler.execute("ANALYZE")
        await blocks(connection, parameters)  # now they are made anew, which reads the catalogue
        assert await blocks(connection, parameters) < 250
    finally:
        await filler.close()
        await connection.close()


_LISTING = ["", "\U0010ffff", NOW + timedelta(days=36500), ""]
_READS: dict[str, list[object]] = {
    "EXECUTIONS": [None, *_LISTING, 10],
    "UNFINISHED": [0],
    "TIMERS": [1, NOW + timedelta(days=36500), 10],
    "OUTBOX": [1, NOW + timedelta(days=36500), 10],
    "PARTITION": [1, 20, 10],
    "SELECTED": [1, 20, 40, 10, ["A"], ["T"], None],
    "QUARANTINED": [10],
    "SNAPSHOT": ["A/7", 9],
    "LOAD": [[1], ["A/7"], "{NULL}", [9], [1], ["A/7"], ["c"]],
}


async def test_a_read_looks_at_few_blocks(kit: PostgresKit) -> None:
    """With plans that were made on empty tables, and with later ones: what is read grows with the answer alone."""
    connection = await connect(kit.dsn)
    filler = await asyncpg.connect(kit.dsn)
    try:
        prepared = {name: f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name}" for name in _READS}
        for name in prepared:
            await connection.execute(f"PREPARE {name} AS {getattr(read_statements, name)}")
            await connection.execute(f"EXECUTE {name} ({_literals(_READS[name])})")
        await filler.execute(_FILL)
        for analyzed in (False, True):
            if analyzed:
                await filler.execute("ANALYZE")
            for name, explain in prepared.items():
                [row] = await connection.fetch(f"{explain} ({_literals(_READS[name])})")
                read = json.loads(row[0])[0]["Plan"]
                assert read["Shared Hit Blocks"] + read["Shared Read Blocks"] < 150, (name, analyzed, row[0])
    finally:
        await filler.close()
        await connection.close()


def _literals(values: list[object]) -> str:
    return ", ".join(_literal(value) for value in values)


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case [*items]:
            return f"ARRAY[{_literals(items)}]"
        case int():
            return str(value)
        case _:
            return f"'{value}'"


async def test_every_statement_can_be_prepared(kit: PostgresKit) -> None:
    """All the SQL there is fits the schema."""
    texts = [
        value
        for module in (read_statements, lease_statements)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    ]
    connection = await connect(kit.dsn)
    try:
        for text in [*texts, COMMIT, COMMIT_LEAVING, HANDLED, VERSIONS]:
            await connection.prepare(text)
    finally:
        await connection.close()
    assert len(texts) > 20
