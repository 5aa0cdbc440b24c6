-- Counts of messages that lie in quarantine stay for a while, because copies of the same message may still come. With
-- a time they can be pruned like inbox marks.
ALTER TABLE perdure.attempts ADD COLUMN counted_at timestamptz NOT NULL DEFAULT now();
