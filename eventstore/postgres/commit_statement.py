"""The commit: one SQL statement, one round trip, one transaction.

It first moves the heads of the batch's partitions, in the order of their numbers (two writers never lock in
opposite orders), and only where three things hold under the row lock:

* the epoch is the writer's (fencing);
* every stream of the batch is at the version that its first commit builds on;
* the head is still where this statement's snapshot saw it. Versions are judged by that snapshot, so a writer
  that had to wait for the lock while another one appended must not trust its judgement.

Every other part joins the heads that moved, so a partition whose head did not move is left out whole, and the
answer names those that did. Because nothing waits for the client between lock and commit, a stopped client
cannot keep a head locked. The changes are netted beforehand: no two parts touch one row.
"""

COMMIT = """
-- $1 partition int[], $2 epoch int[], $3 number of events int[]: one entry a partition
-- $4 partition int[], $5 stream text[], $6 version int[]: one entry a stream
WITH batch AS MATERIALIZED (
    SELECT * FROM unnest($1::int[], $2::int[], $3::int[]) AS b (partition, epoch, count)
),
seen AS MATERIALIZED (
    SELECT partition, head FROM perdure.partitions WHERE partition = ANY ($1::int[])
),
moved_stream AS MATERIALIZED (
    SELECT DISTINCT s.partition
    FROM unnest($4::int[], $5::text[], $6::int[]) AS s (partition, stream, version)
    WHERE s.version <> coalesce(
        (SELECT e.version FROM perdure.events e WHERE e.stream = s.stream ORDER BY e.version DESC LIMIT 1), 0)
),
locked AS MATERIALIZED (
    SELECT p.partition, b.count
    FROM batch b JOIN seen USING (partition) JOIN perdure.partitions p USING (partition)
    WHERE p.epoch = b.epoch AND p.head = seen.head
      AND NOT EXISTS (SELECT FROM moved_stream m WHERE m.partition = p.partition)
    ORDER BY p.partition
    FOR NO KEY UPDATE OF p
),
head AS (
    UPDATE perdure.partitions p SET head = p.head + l.count
    FROM locked l WHERE p.partition = l.partition
    RETURNING p.partition, p.epoch, p.head - l.count AS base
),
-- $7 partition int[], $8 ordinal within the partition's part of the batch int[], $9 stream text[],
-- $10 version int[], $11 type text[], $12 schema int2[], $13 data bytea[], $14 recorded_at timestamptz[],
-- $15 causation_id text[], $16 correlation_id text[], $17 trace text[]
put_events AS (
    INSERT INTO perdure.events (partition, "offset", stream, version, epoch, type, schema, data, recorded_at,
                                causation_id, correlation_id, trace)
    SELECT h.partition, h.base + e.ordinal, e.stream, e.version, h.epoch, e.type, e.schema, e.data, e.recorded_at,
           e.causation_id, e.correlation_id, e.trace
    FROM unnest($7::int[], $8::int[], $9::text[], $10::int[], $11::text[], $12::int2[], $13::bytea[],
                $14::timestamptz[], $15::text[], $16::text[], $17::text[])
         AS e (partition, ordinal, stream, version, type, schema, data, recorded_at, causation_id, correlation_id,
               trace)
    JOIN head h USING (partition)
),
-- $18 partition int[], $19 stream text[], $20 command_id text[], $21 digest int8[], $22 reply bytea[]
put_inbox AS (
    INSERT INTO perdure.inbox (stream, command_id, digest, reply)
    SELECT i.stream, i.command_id, i.digest, i.reply
    FROM unnest($18::int[], $19::text[], $20::text[], $21::int8[], $22::bytea[])
         AS i (partition, stream, command_id, digest, reply)
    JOIN head h USING (partition)
),
-- $23 partition int[], $24 id text[], $25 destination text[], $26 routing_key text[], $27 body bytea[],
-- $28 correlation_id text[], $29 due_at timestamptz[]
put_outbox AS (
    INSERT INTO perdure.outbox (partition, id, destination, routing_key, body, correlation_id, due_at)
    SELECT o.partition, o.id, o.destination, o.routing_key, o.body, o.correlation_id, o.due_at
    FROM unnest($23::int[], $24::text[], $25::text[], $26::text[], $27::bytea[], $28::text[], $29::timestamptz[])
         AS o (partition, id, destination, routing_key, body, correlation_id, due_at)
    JOIN head h USING (partition)
    ON CONFLICT (partition, id) DO UPDATE
    SET destination = excluded.destination, routing_key = excluded.routing_key, body = excluded.body,
        correlation_id = excluded.correlation_id, due_at = excluded.due_at
),
-- $30 partition int[], $31 id text[], $32 due_at timestamptz[], $33 body bytea[] (null: as it is)
redeliver AS (
    UPDATE perdure.outbox o SET due_at = r.due_at, body = coalesce(r.body, o.body)
    FROM unnest($30::int[], $31::text[], $32::timestamptz[], $33::bytea[]) AS r (partition, id, due_at, body)
    JOIN head h USING (partition)
    WHERE o.partition = r.partition AND o.id = r.id
),
-- $34 partition int[], $35 id text[]
remove_outbox AS (
    DELETE FROM perdure.outbox o
    USING unnest($34::int[], $35::text[]) AS r (partition, id) JOIN head h USING (partition)
    WHERE o.partition = r.partition AND o.id = r.id
),
-- $36 partition int[], $37 due_at timestamptz[], $38 stream text[], $39 number int[]
set_timers AS (
    INSERT INTO perdure.timers (partition, due_at, stream, number)
    SELECT t.partition, t.due_at, t.stream, t.number
    FROM unnest($36::int[], $37::timestamptz[], $38::text[], $39::int[]) AS t (partition, due_at, stream, number)
    JOIN head h USING (partition)
    ON CONFLICT DO NOTHING
),
-- $40 partition int[], $41 due_at timestamptz[], $42 stream text[], $43 number int[]
clear_timers AS (
    DELETE FROM perdure.timers t
    USING unnest($40::int[], $41::timestamptz[], $42::text[], $43::int[]) AS c (partition, due_at, stream, number)
          JOIN head h USING (partition)
    WHERE t.partition = c.partition AND t.due_at = c.due_at AND t.stream = c.stream AND t.number = c.number
),
-- $44 partition int[], $45 stream text[], $46 version int[], $47 schema int2[], $48 code text[], $49 data bytea[],
-- $50 checksum bytea[]
new_snapshot AS MATERIALIZED (
    SELECT n.*
    FROM unnest($44::int[], $45::text[], $46::int[], $47::int2[], $48::text[], $49::bytea[], $50::bytea[])
         AS n (partition, stream, version, schema, code, data, checksum)
    JOIN head h USING (partition)
),
put_snapshots AS (
    INSERT INTO perdure.snapshots (stream, version, schema, code, data, checksum)
    SELECT stream, version, schema, code, data, checksum FROM new_snapshot
    ON CONFLICT (stream, version) DO UPDATE
    SET schema = excluded.schema, code = excluded.code, data = excluded.data, checksum = excluded.checksum,
        recorded_at = excluded.recorded_at
),
-- The newest one before stays in reserve, in case the new one is damaged.
drop_snapshots AS (
    DELETE FROM perdure.snapshots s USING new_snapshot n
    WHERE s.stream = n.stream
      AND s.version < (SELECT r.version FROM perdure.snapshots r WHERE r.stream = n.stream AND r.version < n.version
                       ORDER BY r.version DESC LIMIT 1)
),
-- $51 partition int[], $52 stream text[], $53 status text[], $54 busy bool[], $55 started_at timestamptz[],
-- $56 updated_at timestamptz[], $57 closed_at timestamptz[], $58 error text[], $59 correlation_id text[]
put_executions AS (
    INSERT INTO perdure.executions AS x (partition, stream, status, busy, started_at, updated_at, closed_at, error,
                                         correlation_id)
    SELECT n.partition, n.stream, n.status, n.busy, n.started_at, n.updated_at, n.closed_at, n.error, n.correlation_id
    FROM unnest($51::int[], $52::text[], $53::text[], $54::bool[], $55::timestamptz[], $56::timestamptz[],
                $57::timestamptz[], $58::text[], $59::text[])
         AS n (partition, stream, status, busy, started_at, updated_at, closed_at, error, correlation_id)
    JOIN head h USING (partition)
    ON CONFLICT (stream) DO UPDATE
    SET partition = excluded.partition, status = excluded.status, busy = excluded.busy,
        started_at = excluded.started_at, updated_at = excluded.updated_at, closed_at = excluded.closed_at,
        error = excluded.error, correlation_id = excluded.correlation_id
),
-- $60 partition int[], $61 id text[], $62 source text[], $63 body bytea[], $64 reason text[], $65 attempts int[],
-- $66 at timestamptz[]
put_quarantine AS (
    INSERT INTO perdure.quarantine (partition, id, source, body, reason, attempts, at)
    SELECT q.partition, q.id, q.source, q.body, q.reason, q.attempts, q.at
    FROM unnest($60::int[], $61::text[], $62::text[], $63::bytea[], $64::text[], $65::int[], $66::timestamptz[])
         AS q (partition, id, source, body, reason, attempts, at)
    JOIN head h USING (partition)
    ON CONFLICT (partition, id) DO UPDATE
    SET source = excluded.source, body = excluded.body, reason = excluded.reason, attempts = excluded.attempts,
        at = excluded.at
)
SELECT partition FROM head
"""

LOCK_HEADS = """
-- $1 partition int[]
SELECT partition, epoch FROM perdure.partitions WHERE partition = ANY ($1::int[])
ORDER BY partition FOR NO KEY UPDATE
"""

VERSIONS = """
-- $1 stream text[]
SELECT s.stream, e.version
FROM unnest($1::text[]) AS s (stream)
CROSS JOIN LATERAL (
    SELECT version FROM perdure.events WHERE stream = s.stream ORDER BY version DESC LIMIT 1
) AS e
"""

HANDLED = """
-- $1 stream text[], $2 command_id text[]
SELECT i.stream, i.command_id
FROM unnest($1::text[], $2::text[]) AS c (stream, command_id)
JOIN perdure.inbox i ON i.stream = c.stream AND i.command_id = c.command_id
"""
