"""The statements of checkpoints. See `migrations/0001_checkpoints.sql`."""

ADD = """
-- $1 reader text, $2 partition int[]
INSERT INTO perdure.checkpoints (reader, partition) SELECT $1::text, unnest($2::int[]) ON CONFLICT DO NOTHING
"""

ADD_AT = """
-- $1 reader text, $2 partition int[], $3 position int8[]
INSERT INTO perdure.checkpoints (reader, partition, position)
SELECT $1::text, p.partition, p.position FROM unnest($2::int[], $3::int8[]) AS p (partition, position)
ON CONFLICT DO NOTHING
"""

# A row that is locked has a batch under way: whoever holds it is alive, or its end is about to free it.
CLAIM = """
-- $1 reader text, $2 partition int[], $3 owner text, $4 ttl interval
WITH free AS MATERIALIZED (
    SELECT partition FROM perdure.checkpoints
    WHERE reader = $1::text AND partition = ANY ($2::int[])
      AND (owner IS NULL OR owner = $3::text OR leased_until < now())
    FOR UPDATE SKIP LOCKED
)
UPDATE perdure.checkpoints c SET owner = $3::text, leased_until = now() + $4::interval
FROM free WHERE c.reader = $1::text AND c.partition = free.partition
RETURNING c.partition, c.position
"""

LOCK = """
-- $1 reader text, $2 partition int, $3 owner text, $4 position int8
SELECT 1 FROM perdure.checkpoints
WHERE reader = $1::text AND partition = $2::int AND owner = $3::text AND position = $4::int8 FOR UPDATE
"""

MOVE = """
-- $1 reader text, $2 partition int, $3 owner text, $4 from int8, $5 to int8, $6 ttl interval
UPDATE perdure.checkpoints
SET position = $5::int8, moved_at = now(), leased_until = now() + $6::interval, trouble = NULL
WHERE reader = $1::text AND partition = $2::int AND owner = $3::text AND position = $4::int8
RETURNING 1
"""

TROUBLE = """
-- $1 reader text, $2 partition int[], $3 owner text, $4 trouble text
UPDATE perdure.checkpoints SET trouble = $4::text
WHERE reader = $1::text AND partition = ANY ($2::int[]) AND owner = $3::text
"""

RELEASE = """
-- $1 reader text, $2 owner text
UPDATE perdure.checkpoints SET owner = NULL, leased_until = NULL WHERE reader = $1::text AND owner = $2::text
"""

# Whoever works on it is put out at its next batch, and begins anew.
RESET = """
-- $1 reader text
UPDATE perdure.checkpoints SET position = 0, moved_at = now(), owner = NULL, leased_until = NULL, trouble = NULL
WHERE reader = $1::text RETURNING partition
"""

LIST = """
SELECT reader, partition, position, moved_at, CASE WHEN leased_until > now() THEN owner END AS owner, trouble
FROM perdure.checkpoints ORDER BY reader, partition
"""
