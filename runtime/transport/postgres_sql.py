"""Every statement of the Postgres transport. Functions that they call are in `migrations/`."""

from __future__ import annotations

# First key of the advisory locks that prove a session's connection to be alive ("perd").
LOCK_CLASS = 0x70657264

# $1 queues text[], $2 keys text[], $3 bodies bytea[], $4 reply_to text[], $5 correlation_id text[].
# Gives the 0-based places of the messages that no queue takes. One notification for each queue that got something.
PUBLISH = """
WITH sent AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[])
        WITH ORDINALITY AS t (queue, key, body, reply_to, correlation_id, place)
), known AS MATERIALIZED (
    SELECT name FROM perdure.queues WHERE name = ANY ($1::text[])
), stored AS (
    INSERT INTO perdure.messages (queue, key, body, reply_to, correlation_id)
    SELECT queue, key, body, reply_to, correlation_id
    FROM sent WHERE queue IN (SELECT name FROM known) ORDER BY place
    RETURNING queue
), woken AS MATERIALIZED (
    SELECT pg_notify(perdure.transport_channel(queue), '') FROM (SELECT DISTINCT queue FROM stored) AS distinct_queues
)
SELECT ARRAY (SELECT place - 1 FROM sent WHERE queue NOT IN (SELECT name FROM known) ORDER BY place) AS unroutable,
       (SELECT count(*) FROM woken) AS woken
"""

# $1 queues text[], $2 payloads text[]: replies as notifications, in order. Who does not listen any more has lost them.
# No row is written, so its commit does not wait for the disk.
POST_REPLIES = """
SELECT count(pg_notify(perdure.transport_channel(queue), payload))
FROM (SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t (queue, payload, place) ORDER BY place) AS sent
"""

# $1 consumers bigint[], $2 queues text[], $3 rooms int[], $4 floors bigint[]: whom to feed, how much, and from which id
# on to look: the rows of what was handled lie in front of it until vacuum comes, and each look would pass them again.
# $5 queues text[], $6 ids bigint[], $7 consumers bigint[]: what was handled.
# An ack of a message that its consumer no longer holds does nothing. A row without id names a consumer that is gone.
# A consumer whose row is locked is being dropped right now: the same as gone, and nobody waits for anybody.
ACK_AND_CLAIM = """
WITH living AS MATERIALIZED (
    SELECT id FROM perdure.consumers WHERE id = ANY ($1::bigint[]) FOR KEY SHARE SKIP LOCKED
), acked AS (
    DELETE FROM perdure.messages m
    USING unnest($5::text[], $6::bigint[], $7::bigint[]) AS handled (queue, id, consumer)
    WHERE m.queue = handled.queue AND m.id = handled.id AND m.claimed_by = handled.consumer
), free AS MATERIALIZED (
    SELECT wanted.consumer, wanted.queue, message.id
    FROM unnest($1::bigint[], $2::text[], $3::int[], $4::bigint[]) AS wanted (consumer, queue, room, floor)
    JOIN living ON living.id = wanted.consumer
    CROSS JOIN LATERAL (
        SELECT m.id FROM perdure.messages m
        WHERE m.queue = wanted.queue AND m.id > wanted.floor AND m.claimed_by IS NULL
        ORDER BY m.id LIMIT wanted.room FOR UPDATE SKIP LOCKED
    ) AS message
), claimed AS (
    UPDATE perdure.messages m SET claimed_by = free.consumer, deliveries = m.deliveries + 1
    FROM free WHERE m.queue = free.queue AND m.id = free.id
    RETURNING m.claimed_by, m.id, m.key, m.body, m.reply_to, m.correlation_id, m.deliveries
)
SELECT claimed_by, id, key, body, reply_to, correlation_id, deliveries FROM claimed
UNION ALL
SELECT wanted.id, NULL, NULL, NULL, NULL, NULL, NULL FROM unnest($1::bigint[]) AS wanted (id)
WHERE wanted.id NOT IN (SELECT id FROM living)
"""

# $1 queue text, $2 ids bigint[], $3 consumer bigint, $4 dead queue text: move messages, as new ones.
DEAD_LETTER = """
WITH dead AS (
    DELETE FROM perdure.messages WHERE queue = $1 AND id = ANY ($2::bigint[]) AND claimed_by = $3
    RETURNING id, key, body, reply_to, correlation_id
), moved AS (
    INSERT INTO perdure.messages (queue, key, body, reply_to, correlation_id)
    SELECT $4, key, body, reply_to, correlation_id FROM dead ORDER BY id
)
SELECT pg_notify(perdure.transport_channel($4), '')
"""

# $1 queue text, $2 limit int: take replies for good; nobody acks a reply.
TAKE_REPLIES = """
DELETE FROM perdure.messages
WHERE queue = $1 AND id = ANY (ARRAY (SELECT id FROM perdure.messages WHERE queue = $1 ORDER BY id LIMIT $2))
RETURNING id, key, body, reply_to, correlation_id
"""

# $1 queue text, $2 handled ids bigint[], $3 consumer bigint.
ACK = "DELETE FROM perdure.messages WHERE queue = $1 AND id = ANY ($2::bigint[]) AND claimed_by = $3"

# $1 ttl interval. The lock is taken before the row can be seen, so nobody takes a young session for a dead one.
OPEN_SESSION = "INSERT INTO perdure.transport_sessions (expires_at) VALUES (now() + $1::interval) RETURNING id"
LOCK_SESSION = "SELECT pg_advisory_lock($1::int, $2::int)"

# $1 session int, $2 ttl interval. No row: others took the session for dead, and its messages are theirs.
BEAT = "UPDATE perdure.transport_sessions SET expires_at = now() + $2::interval WHERE id = $1 RETURNING id"

# $1 lock class int: sessions that stopped beating, or whose connection is gone.
DEAD_SESSIONS = """
SELECT id FROM perdure.transport_sessions s
WHERE expires_at < now()
   OR NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 2
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND classid = $1::int::oid AND objid = s.id::oid)
"""

RETIRE = "SELECT perdure.transport_retire($1::int[])"
DROP_CONSUMERS = "SELECT perdure.transport_drop_consumers($1::bigint[])"
SUBSCRIBE = "SELECT perdure.transport_subscribe($1::int, $2::text, $3::boolean)"
CHANNEL = "SELECT perdure.transport_channel($1::text)"
ADD_INBOX = "INSERT INTO perdure.queues (name, session_id) VALUES ($1, $2)"
DROP_INBOX = """
WITH dropped AS (DELETE FROM perdure.messages WHERE queue = $1)
DELETE FROM perdure.queues WHERE name = $1
"""
DECLARE_QUEUES = "INSERT INTO perdure.queues (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
KNOWN_QUEUES = "SELECT name FROM perdure.queues WHERE name = ANY ($1::text[])"
