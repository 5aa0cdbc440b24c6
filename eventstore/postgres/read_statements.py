"""Every statement that reads, and the small ones that write beside the commit."""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.records import Operator

# What activations need, in one round trip. Events, snapshots and inbox marks come as rows of one shape:
# kind 0, an event; 1, a snapshot (offset: none, type: code); 2, an inbox mark (offset: digest, type: command id).
# A snapshot counts only when the log reaches its version.
LOAD = """
-- $1 request number int[], $2 stream text[], $3 after int[] (null: after the snapshot),
-- $4 newest snapshot version allowed int[]; $5 request number int[], $6 stream text[], $7 command_id text[]
WITH request AS MATERIALIZED (
    SELECT r.n, r.stream, r.after, s.version, s.schema, s.code, s.data, s.checksum
    FROM unnest($1::int[], $2::text[], $3::int[], $4::int[]) AS r (n, stream, after, bound)
    LEFT JOIN LATERAL (
        SELECT * FROM perdure.snapshots s
        WHERE r.after IS NULL AND s.stream = r.stream AND s.version <= r.bound
          AND EXISTS (SELECT FROM perdure.events e WHERE e.stream = s.stream AND e.version = s.version)
        ORDER BY s.version DESC LIMIT 1
    ) AS s ON true
)
SELECT 0 AS kind, r.n, e.partition, e."offset", e.stream, e.version, e.epoch, e.type, e.data, e.recorded_at, e.schema,
       e.causation_id, e.correlation_id, e.trace, NULL::bytea AS checksum
FROM request r JOIN perdure.events e ON e.stream = r.stream AND e.version > coalesce(r.after, r.version, 0)
UNION ALL
SELECT 1, n, 0, 0, stream, version, 0, code, data, NULL, schema, NULL, NULL, NULL, checksum
FROM request WHERE version IS NOT NULL
UNION ALL
SELECT 2, c.n, 0, i.digest, i.stream, 0, 0, i.command_id, i.reply, NULL, 0, NULL, NULL, NULL, NULL
FROM unnest($5::int[], $6::text[], $7::text[]) AS c (n, stream, command_id)
JOIN perdure.inbox i ON i.stream = c.stream AND i.command_id = c.command_id
ORDER BY kind, n, version
"""

STREAM_FORWARDS = """
-- $1 stream text, $2 after int, $3 upto int, $4 limit int8 (null: no limit)
SELECT partition, "offset", stream, version, epoch, type, data, recorded_at, schema, causation_id, correlation_id,
       trace
FROM perdure.events WHERE stream = $1 AND version > $2::int AND version <= $3::int ORDER BY version LIMIT $4::int8
"""

STREAM_BACKWARDS = """
-- $1 stream text, $2 after int, $3 upto int, $4 limit int8 (null: no limit)
SELECT partition, "offset", stream, version, epoch, type, data, recorded_at, schema, causation_id, correlation_id,
       trace
FROM perdure.events WHERE stream = $1 AND version > $2::int AND version <= $3::int ORDER BY version DESC LIMIT $4::int8
"""

PARTITION = """
-- $1 partition int, $2 after int8, $3 limit int8
SELECT partition, "offset", stream, version, epoch, type, data, recorded_at, schema, causation_id, correlation_id,
       trace
FROM perdure.events WHERE partition = $1::int AND "offset" > $2::int8 ORDER BY "offset" LIMIT $3::int8
"""

# Along the index of offsets, whatever is selected: the range bounds what it looks at.
SELECTED = """
-- $1 partition int, $2 after int8, $3 upto int8, $4 limit int8, $5 types text[], $6 events text[], $7 streams text[]
-- (the last three: null for all)
SELECT partition, "offset", stream, version, epoch, type, data, recorded_at, schema, causation_id, correlation_id,
       trace
FROM perdure.events
WHERE partition = $1::int AND "offset" > $2::int8 AND "offset" <= $3::int8
  AND ($5::text[] IS NULL OR split_part(stream, '/', 1) = ANY ($5::text[]))
  AND ($6::text[] IS NULL OR type = ANY ($6::text[]))
  AND ($7::text[] IS NULL OR stream = ANY ($7::text[]))
ORDER BY "offset" LIMIT $4::int8
"""

HEADS = """
SELECT head FROM perdure.partitions ORDER BY partition
"""

# Heads are locked in the order of their numbers, as the commit does. One that is awaited already is not written again.
AWAIT = """
-- $1 partition int[]
WITH quiet AS MATERIALIZED (
    SELECT partition FROM perdure.partitions WHERE partition = ANY ($1::int[]) AND NOT awaited
    ORDER BY partition FOR NO KEY UPDATE
)
UPDATE perdure.partitions p SET awaited = true FROM quiet WHERE p.partition = quiet.partition
"""

STREAM_VERSION = """
-- $1 stream text
SELECT version FROM perdure.events WHERE stream = $1 ORDER BY version DESC LIMIT 1
"""

PARTITION_OFFSET = """
-- $1 partition int
SELECT head FROM perdure.partitions WHERE partition = $1::int
"""

REPLIES = """
-- $1 stream text[], $2 command_id text[]
SELECT i.stream, i.command_id, i.digest, i.reply
FROM unnest($1::text[], $2::text[]) AS c (stream, command_id)
JOIN perdure.inbox i ON i.stream = c.stream AND i.command_id = c.command_id
"""

SNAPSHOT = """
-- $1 stream text, $2 newest version allowed int
SELECT s.version, s.data, s.schema, s.code, s.checksum
FROM perdure.snapshots s
WHERE s.stream = $1 AND s.version <= $2::int
  AND EXISTS (SELECT FROM perdure.events e WHERE e.stream = s.stream AND e.version = s.version)
ORDER BY s.version DESC LIMIT 1
"""

DELETE_SNAPSHOTS = """
-- $1 stream text, $2 upto int
DELETE FROM perdure.snapshots WHERE stream = $1 AND version <= $2::int
"""

TIMERS = """
-- $1 partition int, $2 until timestamptz, $3 limit int8
SELECT due_at, stream, number FROM perdure.timers WHERE partition = $1::int AND due_at <= $2
ORDER BY due_at, stream, number LIMIT $3::int8
"""

# Two ordered index scans rather than one filter: messages published long ago but not yet due are not touched.
OUTBOX = """
-- $1 partition int, $2 until timestamptz, $3 limit int8
SELECT id, destination, routing_key, body, correlation_id, due_at FROM (
    (SELECT * FROM perdure.outbox WHERE partition = $1::int AND due_at IS NULL ORDER BY id LIMIT $3::int8)
    UNION ALL
    (SELECT * FROM perdure.outbox WHERE partition = $1::int AND due_at IS NOT NULL AND due_at <= $2
     ORDER BY due_at, id LIMIT $3::int8)
) AS o
ORDER BY due_at NULLS FIRST, id LIMIT $3::int8
"""

OUTBOX_NAMED = """
-- $1 partition int, $2 prefix text, $3 what comes after all that begin with it text, $4 limit int8
SELECT id, destination, routing_key, body, correlation_id, due_at FROM perdure.outbox
WHERE partition = $1::int AND id >= $2::text AND id < $3::text
ORDER BY due_at NULLS FIRST, id LIMIT $4::int8
"""

OUTBOX_HOLDS = """
-- $1 partition int, $2 id text[]
SELECT id FROM perdure.outbox WHERE partition = $1::int AND id = ANY ($2::text[])
"""

UNFINISHED = """
-- $1 partition int
SELECT stream, partition, status, started_at, updated_at, busy, closed_at, error, correlation_id, attributes
FROM perdure.executions WHERE partition = $1::int AND (busy OR status = 'stuck')
"""

# One index, by status and start, serves every listing: the statuses (a handful) are found by hopping from one to the
# next, each gives its newest rows, and those are merged. Rows with the same start are sorted as they come.
EXECUTIONS = """
-- $1 status text (null: all), $2 lowest stream text, $3 stream text (below it), $4 started before timestamptz,
-- $5 stream of that one text, $6 limit int8
WITH RECURSIVE statuses (status) AS (
    (SELECT status FROM perdure.executions WHERE $1::text IS NULL ORDER BY status LIMIT 1)
    UNION ALL
    SELECT (SELECT x.status FROM perdure.executions x WHERE x.status > s.status ORDER BY x.status LIMIT 1)
    FROM statuses s WHERE s.status IS NOT NULL
)
SELECT x.stream, x.partition, x.status, x.started_at, x.updated_at, x.busy, x.closed_at, x.error, x.correlation_id,
       x.attributes
FROM (SELECT status FROM statuses WHERE status IS NOT NULL
      UNION ALL SELECT $1::text WHERE $1::text IS NOT NULL) AS wanted
CROSS JOIN LATERAL (
    SELECT * FROM perdure.executions x
    WHERE x.status = wanted.status COLLATE "C"
      AND (x.started_at, x.stream) < ($4::timestamptz, $5::text)
      AND x.stream >= $2::text AND x.stream < $3::text
    ORDER BY x.started_at DESC, x.stream DESC LIMIT $6::int8
) AS x
ORDER BY x.started_at DESC, x.stream DESC LIMIT $6::int8
"""


def executions_where(operators: Sequence[Operator]) -> str:
    """Give the listing's statement with so many conditions, of these operators.

    The index on attributes finds the rows, or the order of the streams or the starts: as Postgres sees fit.
    """
    conditions = []
    for number, operator in enumerate(operators):
        name, value = f"${7 + 2 * number}", f"${8 + 2 * number}"
        if operator is Operator.EQUAL:  # the one that the index serves
            conditions.append(f"AND x.attributes @> jsonb_build_object({name}::text, {value}::text::jsonb)")
        else:
            conditions.append(
                f"AND (x.attributes -> {name}::text) {_SQL[operator]} {value}::text::jsonb "
                f"AND jsonb_typeof(x.attributes -> {name}::text) = jsonb_typeof({value}::text::jsonb)"
            )
    return f"""
-- $1 … $6 as in EXECUTIONS, then for each condition name text, value text (JSON)
SELECT x.stream, x.partition, x.status, x.started_at, x.updated_at, x.busy, x.closed_at, x.error, x.correlation_id,
       x.attributes
FROM perdure.executions x
WHERE ($1::text IS NULL OR x.status = $1::text) AND x.stream >= $2::text AND x.stream < $3::text
  AND (x.started_at, x.stream) < ($4::timestamptz, $5::text)
  {" ".join(conditions)}
ORDER BY x.started_at DESC, x.stream DESC LIMIT $6::int8
"""  # noqa: S608 - of constants only: names and values are parameters


_SQL = {
    Operator.UNEQUAL: "<>",
    Operator.LESS: "<",
    Operator.AT_MOST: "<=",
    Operator.GREATER: ">",
    Operator.AT_LEAST: ">=",
}

# What ended before a time began before it, too: so each status gives its oldest rows by the listing's index.
EXPIRED = """
-- $1 partition int, $2 lowest stream text, $3 stream text (below it), $4 closed before timestamptz, $5 limit int8
WITH RECURSIVE statuses (status) AS (
    (SELECT status FROM perdure.executions ORDER BY status LIMIT 1)
    UNION ALL
    SELECT (SELECT x.status FROM perdure.executions x WHERE x.status > s.status ORDER BY x.status LIMIT 1)
    FROM statuses s WHERE s.status IS NOT NULL
)
SELECT x.stream FROM statuses
CROSS JOIN LATERAL (
    SELECT x.stream, x.started_at FROM perdure.executions x
    WHERE x.status = statuses.status AND x.started_at < $4::timestamptz AND x.closed_at < $4::timestamptz
      AND x.partition = $1::int AND x.stream >= $2::text AND x.stream < $3::text
    ORDER BY x.started_at, x.stream LIMIT $5::int8
) AS x
ORDER BY x.started_at, x.stream LIMIT $5::int8
"""

EXECUTION = """
-- $1 stream text
SELECT stream, partition, status, started_at, updated_at, busy, closed_at, error, correlation_id, attributes
FROM perdure.executions WHERE stream = $1
"""

COUNT_EXECUTIONS = """
SELECT split_part(stream, '/', 1) AS type, status, count(*) FROM perdure.executions GROUP BY 1, 2
"""

QUARANTINED = """
-- $1 limit int8
SELECT id, source, body, reason, attempts, at FROM perdure.quarantine ORDER BY at DESC, id DESC, partition LIMIT $1::int8
"""

FORGET_QUARANTINED = """
-- $1 id text[]
DELETE FROM perdure.quarantine WHERE id = ANY ($1::text[]) RETURNING id
"""

COUNT_ATTEMPT = """
-- $1 partition int, $2 message text
INSERT INTO perdure.attempts AS a (partition, message, count) VALUES ($1::int, $2::text, 1)
ON CONFLICT (partition, message) DO UPDATE SET count = a.count + 1, counted_at = now()
RETURNING count
"""

FORGET_ATTEMPTS = """
-- $1 partition int, $2 message text[]
DELETE FROM perdure.attempts WHERE partition = $1::int AND message = ANY ($2::text[])
"""

# A handful of rows: what lies in quarantine, and what is suspect now.
PRUNE_ATTEMPTS = """
-- $1 horizon interval
DELETE FROM perdure.attempts WHERE counted_at < now() - $1::interval
"""

# In portions, so that a long overdue clean-up is not one long transaction.
PRUNE_INBOX = """
-- $1 horizon interval, $2 limit int8
DELETE FROM perdure.inbox WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM perdure.inbox WHERE recorded_at < now() - $1::interval LIMIT $2::int8
))
"""
