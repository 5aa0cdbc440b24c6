"""The commit: one SQL statement, one round trip, one transaction.

It first moves the heads of the batch's partitions, in the order of their numbers (two writers never lock in
opposite orders), and only where three things hold under the row lock:

* the epoch is the writer's (fencing);
* every stream of the batch is at the version that its first commit builds on;
* the head is still where this statement's snapshot saw it. Versions are judged by that snapshot, so a writer
  that had to wait for the lock while another one appended must not trust its judgement.

Every other part looks its partition's head up, so a partition whose head did not move is left out whole, and the
answer names those that did. Because nothing waits for the client between lock and commit, a stopped client
cannot keep a head locked. The changes are netted beforehand: no two parts touch one row.

Parameters travel packed, see `packing.py`: `x text[]` below is what `string_to_array` makes of a text, `x int[]` what a
cast does, and `?` marks what may be null.
"""

COMMIT = """
-- perdure commit (the name that it shows in pg_stat_activity)
-- $1 separator text, $2 blob bytea
-- The batch's partitions, in order; a slot is a partition's place among them.
-- $3 partition int[], $4 epoch int[], $5 number of events int[]
WITH batch AS MATERIALIZED (
    SELECT * FROM unnest($3::text::int[], $4::text::int[], $5::text::int[])
                  WITH ORDINALITY AS b (partition, epoch, count, slot)
),
seen AS MATERIALIZED (
    SELECT partition, head FROM perdure.partitions WHERE partition = ANY ($3::text::int[])
),
-- $6 slot int[], $7 stream text[], $8 version int[]: one entry a stream
moved_stream AS MATERIALIZED (
    SELECT DISTINCT s.slot
    FROM unnest($6::text::int[], string_to_array($7, $1), $8::text::int[])
         AS s (slot, stream, version)
    WHERE s.version <> coalesce(
        (SELECT e.version FROM perdure.events e WHERE e.stream = s.stream ORDER BY e.version DESC LIMIT 1), 0)
),
locked AS MATERIALIZED (
    SELECT p.partition, b.count
    FROM batch b JOIN seen USING (partition) JOIN perdure.partitions p USING (partition)
    WHERE p.epoch = b.epoch AND p.head = seen.head
      AND NOT EXISTS (SELECT FROM moved_stream m WHERE m.slot = b.slot)
    ORDER BY p.partition
    FOR NO KEY UPDATE OF p
),
head AS (
    UPDATE perdure.partitions p SET head = p.head + l.count
    FROM locked l WHERE p.partition = l.partition
    RETURNING p.partition, p.head - l.count AS base
),
-- One row, so that a slot is looked up and not joined: the head before the batch, -1 where it did not move.
head_of AS MATERIALIZED (
    SELECT array_agg(coalesce(h.base, -1) ORDER BY b.slot) AS base, array_agg(b.partition ORDER BY b.slot) AS number,
           array_agg(b.epoch ORDER BY b.slot) AS epoch
    FROM batch b LEFT JOIN head h USING (partition)
),
-- $9 slot int[], $10 ordinal within the slot int[], $11 stream text[], $12 version int[],
-- $13 type text[], $14 schema int2[], $15 data's first byte int[], $16 its length int[],
-- $17 recorded_at int8[], $18 causation_id?, $19 correlation_id?, $20 trace? text[]
put_events AS (
    INSERT INTO perdure.events (partition, "offset", stream, version, epoch, type, schema, data, recorded_at,
                                causation_id, correlation_id, trace)
    SELECT h.number[e.slot], h.base[e.slot] + e.ordinal, e.stream, e.version, h.epoch[e.slot], e.type, e.schema,
           substring($2::bytea FROM e.begins FOR e.length), perdure.moment(e.recorded_at),
           substr(e.causation_id, 2), substr(e.correlation_id, 2), substr(e.trace, 2)
    FROM head_of h, unnest(
             $9::text::int[], $10::text::int[], string_to_array($11, $1), $12::text::int[],
             string_to_array($13, $1), $14::text::int2[], $15::text::int[], $16::text::int[],
             $17::text::int8[], string_to_array($18, $1, ''), string_to_array($19, $1, ''),
             string_to_array($20, $1, ''))
         AS e (slot, ordinal, stream, version, type, schema, begins, length, recorded_at, causation_id,
               correlation_id, trace)
    WHERE h.base[e.slot] >= 0
),
-- $21 slot int[], $22 stream text[], $23 command_id text[], $24 digest int8[],
-- $25 reply's first byte int[], $26 its length int[]
put_inbox AS (
    INSERT INTO perdure.inbox (stream, command_id, digest, reply)
    SELECT i.stream, i.command_id, i.digest, substring($2::bytea FROM i.begins FOR i.length)
    FROM head_of h, unnest(
             $21::text::int[], string_to_array($22, $1), string_to_array($23, $1),
             $24::text::int8[], $25::text::int[], $26::text::int[])
         AS i (slot, stream, command_id, digest, begins, length)
    WHERE h.base[i.slot] >= 0
),
-- $27 slot int[], $28 id text[], $29 destination text[], $30 routing_key text[],
-- $31 body's first byte int[], $32 its length int[], $33 correlation_id? text[], $34 due_at? int8[]
put_outbox AS (
    INSERT INTO perdure.outbox (partition, id, destination, routing_key, body, correlation_id, due_at)
    SELECT h.number[o.slot], o.id, o.destination, coalesce(o.routing_key, ''),
           substring($2::bytea FROM o.begins FOR o.length), substr(o.correlation_id, 2), perdure.moment(o.due_at)
    FROM head_of h, unnest(
             $27::text::int[], string_to_array($28, $1), string_to_array($29, $1),
             string_to_array($30, $1), $31::text::int[], $32::text::int[],
             string_to_array($33, $1, ''), $34::text::int8[])
         AS o (slot, id, destination, routing_key, begins, length, correlation_id, due_at)
    WHERE h.base[o.slot] >= 0
    ON CONFLICT (partition, id) DO UPDATE
    SET destination = excluded.destination, routing_key = excluded.routing_key, body = excluded.body,
        correlation_id = excluded.correlation_id, due_at = excluded.due_at
),
-- $35 slot int[], $36 id text[], $37 due_at int8[], $38 body's first byte int[] (null: as it is),
-- $39 its length int[]
redeliver AS (
    UPDATE perdure.outbox o
    SET due_at = perdure.moment(r.due_at),
        body = coalesce(substring($2::bytea FROM r.begins FOR r.length), o.body)
    FROM head_of h, unnest(
             $35::text::int[], string_to_array($36, $1), $37::text::int8[], $38::text::int[],
             $39::text::int[])
         AS r (slot, id, due_at, begins, length)
    WHERE h.base[r.slot] >= 0 AND o.partition = h.number[r.slot] AND o.id = r.id
),
-- $40 slot int[], $41 id text[]
remove_outbox AS (
    DELETE FROM perdure.outbox o
    USING head_of h, unnest($40::text::int[], string_to_array($41, $1)) AS r (slot, id)
    WHERE h.base[r.slot] >= 0 AND o.partition = h.number[r.slot] AND o.id = r.id
),
-- $42 slot int[], $43 due_at int8[], $44 stream text[], $45 number int[]
set_timers AS (
    INSERT INTO perdure.timers (partition, due_at, stream, number)
    SELECT h.number[t.slot], perdure.moment(t.due_at), t.stream, t.number
    FROM head_of h, unnest(
             $42::text::int[], $43::text::int8[], string_to_array($44, $1), $45::text::int[])
         AS t (slot, due_at, stream, number)
    WHERE h.base[t.slot] >= 0
    ON CONFLICT DO NOTHING
),
-- $46 slot int[], $47 due_at int8[], $48 stream text[], $49 number int[]
clear_timers AS (
    DELETE FROM perdure.timers t
    USING head_of h, unnest(
              $46::text::int[], $47::text::int8[], string_to_array($48, $1),
              $49::text::int[])
          AS c (slot, due_at, stream, number)
    WHERE h.base[c.slot] >= 0
      AND t.partition = h.number[c.slot] AND t.due_at = perdure.moment(c.due_at)
      AND t.stream = c.stream AND t.number = c.number
),
-- $50 slot int[], $51 stream text[], $52 version int[], $53 schema int2[],
-- $54 code text[], $55 data's first byte int[], $56 its length int[],
-- $57 checksum's first byte int[], $58 its length int[]
new_snapshot AS MATERIALIZED (
    SELECT n.stream, n.version, n.schema, coalesce(n.code, '') AS code,
           substring($2::bytea FROM n.begins FOR n.length) AS data,
           substring($2::bytea FROM n.sum_begins FOR n.sum_length) AS checksum
    FROM head_of h, unnest(
             $50::text::int[], string_to_array($51, $1), $52::text::int[],
             $53::text::int2[], string_to_array($54, $1), $55::text::int[], $56::text::int[],
             $57::text::int[], $58::text::int[])
         AS n (slot, stream, version, schema, code, begins, length, sum_begins, sum_length)
    WHERE h.base[n.slot] >= 0
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
-- $59 slot int[], $60 stream text[], $61 status text[], $62 busy int[],
-- $63 started_at int8[], $64 updated_at int8[], $65 closed_at? int8[], $66 error? text[],
-- $67 correlation_id? text[]
put_executions AS (
    INSERT INTO perdure.executions (partition, stream, status, busy, started_at, updated_at, closed_at, error,
                                    correlation_id)
    SELECT h.number[n.slot], n.stream, n.status, n.busy = 1, perdure.moment(n.started_at),
           perdure.moment(n.updated_at), perdure.moment(n.closed_at), substr(n.error, 2), substr(n.correlation_id, 2)
    FROM head_of h, unnest(
             $59::text::int[], string_to_array($60, $1), string_to_array($61, $1),
             $62::text::int[], $63::text::int8[], $64::text::int8[], $65::text::int8[],
             string_to_array($66, $1, ''), string_to_array($67, $1, ''))
         AS n (slot, stream, status, busy, started_at, updated_at, closed_at, error, correlation_id)
    WHERE h.base[n.slot] >= 0
    ON CONFLICT (stream) DO UPDATE
    SET partition = excluded.partition, status = excluded.status, busy = excluded.busy,
        started_at = excluded.started_at, updated_at = excluded.updated_at, closed_at = excluded.closed_at,
        error = excluded.error, correlation_id = excluded.correlation_id
),
-- $68 slot int[], $69 id text[], $70 source text[], $71 body's first byte int[],
-- $72 its length int[], $73 reason text[], $74 attempts int[], $75 at int8[]
put_quarantine AS (
    INSERT INTO perdure.quarantine (partition, id, source, body, reason, attempts, at)
    SELECT h.number[q.slot], q.id, coalesce(q.source, ''), substring($2::bytea FROM q.begins FOR q.length),
           coalesce(q.reason, ''), q.attempts, perdure.moment(q.at)
    FROM head_of h, unnest(
             $68::text::int[], string_to_array($69, $1), string_to_array($70, $1),
             $71::text::int[], $72::text::int[], string_to_array($73, $1), $74::text::int[],
             $75::text::int8[])
         AS q (slot, id, source, begins, length, reason, attempts, at)
    WHERE h.base[q.slot] >= 0
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
