from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import asyncpg

from runtime.transport import Topology, postgres_sql
from runtime.transport.postgres import _CONSUMER_SETTINGS, PostgresTransport


async def test_a_claim_reads_its_queue_by_index_alone(fresh_database: Callable[[], Awaitable[str]]) -> None:
    """Behind a backlog of another queue, with no statistics, and among dead rows: no scan of the table."""
    url = await fresh_database()
    transport = PostgresTransport(url)
    await transport.open()
    await transport.declare(Topology(partitions=1))
    await transport.close()
    connection = await asyncpg.connect(url, server_settings=_CONSUMER_SETTINGS)
    await connection.execute("""
        INSERT INTO perdure.messages (queue, key, body) SELECT 'other', 'k', 'x' FROM generate_series(1, 20000);
        INSERT INTO perdure.messages (queue, key, body) SELECT 'mine', 'k', 'x' FROM generate_series(1, 2000);
        DELETE FROM perdure.messages WHERE queue = 'mine' AND id % 2 = 0;
        INSERT INTO perdure.consumers (session_id, queue, exclusive) VALUES (1, 'mine', true);
    """)
    statement = await connection.prepare(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT TEXT) {postgres_sql.ACK_AND_CLAIM}")
    rows = await statement.fetch([1], ["mine"], [50], [0], ["mine"], [1], [1])
    plan = "\n".join(row[0] for row in rows)
    await connection.close()
    assert "Seq Scan on messages" not in plan, plan
    assert "Index Scan using messages_pkey" in plan, plan


async def test_a_claim_does_not_pass_what_was_handled(fresh_database: Callable[[], Awaitable[str]]) -> None:
    """Ten thousand dead rows in front, and an old transaction that keeps vacuum away: a look still reads little."""
    url = await fresh_database()
    transport = PostgresTransport(url)
    await transport.open()
    await transport.declare(Topology(partitions=1))
    await transport.close()
    old = await asyncpg.connect(url)
    await old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM perdure.messages")
    connection = await asyncpg.connect(url, server_settings=_CONSUMER_SETTINGS)
    await connection.execute("""
        INSERT INTO perdure.messages (queue, key, body) SELECT 'mine', 'k', 'x' FROM generate_series(1, 10000);
        DELETE FROM perdure.messages WHERE id < 9990;
        INSERT INTO perdure.consumers (session_id, queue, exclusive) VALUES (1, 'mine', true);
    """)
    claim = await connection.prepare(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {postgres_sql.ACK_AND_CLAIM}")
    read = []
    for floor in (9980, 0):
        (plan,) = json.loads(await claim.fetchval([1], ["mine"], [5], [floor], [], [], []))
        read.append(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
    await connection.close()
    await old.close()
    assert read[0] < 60
    assert read[1] > 2 * read[0]
