"""What an outside observer with its own connection checks in the database when all is over."""

from __future__ import annotations

import asyncpg

# What a retry took back counts no more: see `actors.retrying`.
COUNTED = """(
        SELECT e.* FROM perdure.events e WHERE NOT EXISTS (
            SELECT FROM perdure.events r WHERE r.type = 'RunRetried' AND r.stream = e.stream AND r.version > e.version
            AND e.version >= (convert_from(r.data, 'UTF8')::json ->> 'since')::int)
        ) counted"""

# Each finds what must not be there.
CHECKS = {
    "I2 a command twice in one stream": """
        SELECT stream, convert_from(data, 'UTF8')::json ->> 'id' AS command, count(*) FROM perdure.events
        WHERE type = 'CommandReceived' GROUP BY 1, 2 HAVING count(*) > 1""",
    "I3 a gap in a stream's versions": """
        SELECT stream FROM perdure.events GROUP BY stream HAVING max(version) <> count(*) OR min(version) <> 1""",
    "I3 a gap in a partition's offsets": """
        SELECT p.partition, p.head, count(e."offset") FROM perdure.partitions p
        LEFT JOIN perdure.events e USING (partition) GROUP BY 1, 2
        HAVING p.head <> count(e."offset") OR coalesce(max(e."offset"), 0) <> p.head""",
    "I4 an epoch that goes down along a stream": """
        SELECT stream, version FROM
        (SELECT stream, version, epoch, lag(epoch) OVER (PARTITION BY stream ORDER BY version) AS before
         FROM perdure.events) e WHERE epoch < before""",
    "I6 two outcomes of one task": f"""
        SELECT stream, convert_from(data, 'UTF8')::json ->> 'task' AS task, count(*) FROM {COUNTED}
        WHERE type IN ('TaskCompleted', 'TaskFailed') GROUP BY 1, 2 HAVING count(*) > 1""",
    "two outcomes of one child": f"""
        SELECT stream, convert_from(data, 'UTF8')::json ->> 'child' AS child, count(*) FROM {COUNTED}
        WHERE type IN ('ChildCompleted', 'ChildFailed') GROUP BY 1, 2 HAVING count(*) > 1""",
    "I7 a timer that fired twice, early, or not": """
        SELECT s.stream, s.timer FROM
        (SELECT stream, convert_from(data, 'UTF8')::json ->> 'timer' AS timer,
                (convert_from(data, 'UTF8')::json ->> 'due')::float AS due FROM perdure.events WHERE type = 'TimerSet') s
        LEFT JOIN
        (SELECT stream, convert_from(data, 'UTF8')::json ->> 'timer' AS timer, recorded_at
         FROM perdure.events WHERE type = 'TimerFired' AND convert_from(data, 'UTF8')::json ->> 'correction' IS NULL) f USING (stream, timer)
        GROUP BY 1, 2 HAVING count(f.timer) > 1
            OR bool_or(extract(epoch FROM f.recorded_at) < s.due - 0.000002)""",
    "I12 an outbox row": "SELECT id, due_at FROM perdure.outbox",
    "a timer that nobody waits for": "SELECT * FROM perdure.timers WHERE number < 2147483647",  # of deleted instances
    "an instance that is not at rest": "SELECT stream, status FROM perdure.executions WHERE busy OR status = 'stuck'",
    "a quarantined message": "SELECT id, reason FROM perdure.quarantine",
    "a lease": "SELECT partition, owner FROM perdure.partitions WHERE owner IS NOT NULL",
    "a run with two ends": f"""
        SELECT stream FROM {COUNTED}
        WHERE type IN ('RunStarted', 'RunCompleted', 'RunFailed', 'RunCancelled', 'RunTerminated', 'RunTimedOut')
        GROUP BY 1 HAVING count(*) FILTER (WHERE type <> 'RunStarted') > count(*) FILTER (WHERE type = 'RunStarted')""",
}


GAPS = "I3 a gap in a partition's offsets"  # right where instances were deleted


async def audit(database: str, *, passed_over: frozenset[str] = frozenset()) -> None:
    """Run every check but those."""
    connection = await asyncpg.connect(database)
    try:
        for what, statement in CHECKS.items():
            if what in passed_over:
                continue
            rows = await connection.fetch(statement)
            assert not rows, f"{what}: {[tuple(row.values()) for row in rows[:5]]} ({len(rows)} of them)"
    finally:
        await connection.close()


async def at_rest(database: str) -> bool:
    """Whether nothing is left in the outbox."""
    connection = await asyncpg.connect(database)
    try:
        return not await connection.fetchval("SELECT count(*) FROM perdure.outbox")
    finally:
        await connection.close()
