"""The statements of a commit. The usual one calls the function of `migrations/0005_commit.sql`, which does all the work;
the others look for the guilty one when that was refused.
"""

COMMIT = """
-- perdure commit (the name that it shows in pg_stat_activity)
-- $1 item_end text, $2 column_end text, $3 blob bytea, $4 … $15 the parts, null or text; see 0005_commit.sql
-- $16 attributes, $17 forgotten, null or text; see 0009_attributes.sql
SELECT perdure.commit_2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""

COMMIT_LEAVING = """
-- perdure commit
-- As COMMIT, and $18 what forgotten streams leave behind; see 0010_left_behind.sql. Not one statement for both: the usual
-- batch has nothing of the kind, and need not pay for the question
SELECT perdure.commit_3($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""

REFUSED = "PD001"
"""The function's SQLSTATE for a batch that holds a fenced partition or a stream at another version."""

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
