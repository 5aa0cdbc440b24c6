"""The statements of leases. Each locks partitions in the order of their numbers, as the commit does."""

# One round trip: the node lives, its leases are renewed, and this is what the cluster looks like. A lease that
# was lost between this statement's snapshot and its locks shows as free: certainly not this node's any more.
BEAT = """
-- $1 node text, $2 ttl interval
WITH alive AS (
    INSERT INTO perdure.nodes AS n (node, beat_at, expires_at) VALUES ($1::text, now(), now() + $2::interval)
    ON CONFLICT (node) DO UPDATE SET beat_at = excluded.beat_at, expires_at = excluded.expires_at
),
forgotten AS (
    DELETE FROM perdure.nodes WHERE expires_at < now() - interval '1 day' AND node <> $1::text
),
mine AS MATERIALIZED (
    SELECT partition FROM perdure.partitions WHERE owner = $1::text ORDER BY partition FOR NO KEY UPDATE
),
renewed AS (
    UPDATE perdure.partitions p SET expires_at = now() + $2::interval FROM mine WHERE p.partition = mine.partition
    RETURNING p.partition, p.epoch, p.expires_at
)
SELECT now() AS now,
       ARRAY(SELECT node FROM perdure.nodes WHERE expires_at > now() AND node <> $1::text) || $1::text AS nodes,
       p.partition,
       coalesce(r.epoch, p.epoch) AS epoch,
       CASE WHEN r.partition IS NOT NULL THEN $1::text WHEN p.owner <> $1::text THEN p.owner END AS owner,
       CASE WHEN r.partition IS NOT NULL THEN r.expires_at WHEN p.owner <> $1::text THEN p.expires_at END AS expires_at
FROM perdure.partitions p LEFT JOIN renewed r USING (partition)
ORDER BY p.partition
"""

CLAIM = """
-- $1 node text, $2 partition int[], $3 ttl interval
WITH free AS MATERIALIZED (
    SELECT partition FROM perdure.partitions
    WHERE partition = ANY ($2::int[]) AND (owner IS NULL OR expires_at <= now())
    ORDER BY partition FOR NO KEY UPDATE
)
UPDATE perdure.partitions p SET owner = $1::text, epoch = p.epoch + 1, expires_at = now() + $3::interval
FROM free WHERE p.partition = free.partition
RETURNING p.partition, p.epoch, p.owner, p.expires_at
"""

RELEASE = """
-- $1 node text, $2 partition int[], $3 epoch int[]
WITH mine AS MATERIALIZED (
    SELECT p.partition
    FROM unnest($2::int[], $3::int[]) AS l (partition, epoch) JOIN perdure.partitions p USING (partition)
    WHERE p.owner = $1::text AND p.epoch = l.epoch
    ORDER BY p.partition FOR NO KEY UPDATE OF p
)
UPDATE perdure.partitions p SET owner = NULL, expires_at = NULL FROM mine WHERE p.partition = mine.partition
"""

LEAVE = """
-- $1 node text
WITH gone AS (
    DELETE FROM perdure.nodes WHERE node = $1::text
),
mine AS MATERIALIZED (
    SELECT partition FROM perdure.partitions WHERE owner = $1::text ORDER BY partition FOR NO KEY UPDATE
)
UPDATE perdure.partitions p SET owner = NULL, expires_at = NULL FROM mine WHERE p.partition = mine.partition
"""
