-- Waking who follows the log. A follower that has read everything sets `awaited` in the rows of its partitions, looks at
-- the heads once more, and waits. The next commit that moves such a head clears it and notifies.
--
-- Both change the same row, so one of them is first: either the commit finds the flag and notifies, or the follower's
-- statement waited for the commit and its look finds the new head. So no event falls in between.
--
-- A NOTIFY makes its transaction hold a lock of the whole cluster while it commits. That is why a commit notifies only when
-- it was asked to, and once: a follower that is far behind, frozen or gone costs nothing, and without followers a commit
-- pays for looking at one boolean. A trigger, so that it holds for every version of the commit function; AFTER, because a
-- BEFORE trigger would lock the row in a step of its own at each commit.
ALTER TABLE perdure.partitions ADD COLUMN awaited boolean NOT NULL DEFAULT false;

CREATE FUNCTION perdure.wake_followers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE perdure.partitions SET awaited = false WHERE partition = new.partition;
    PERFORM pg_notify('perdure_events', new.partition::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER partitions_awaited AFTER UPDATE OF head ON perdure.partitions
    FOR EACH ROW WHEN (old.awaited AND new.head > old.head) EXECUTE FUNCTION perdure.wake_followers();
