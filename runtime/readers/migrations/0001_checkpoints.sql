-- How far each reader of the log has come, by partition. It lies in the database that the reader writes to, so that it moves
-- in the transaction of the writes. The lease makes it rare that two processes do the same work; that it counts once is
-- the row's doing: whoever moves it says from where, and that it is the owner.
CREATE TABLE perdure.checkpoints (
    position     bigint      NOT NULL DEFAULT 0 CHECK (position >= 0), -- the newest offset that is done
    moved_at     timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    partition    integer     NOT NULL CHECK (partition >= 0),
    reader       text COLLATE "C" NOT NULL,
    owner        text COLLATE "C",
    trouble      text,                                                 -- why it does not go on
    PRIMARY KEY (reader, partition),
    CHECK ((owner IS NULL) = (leased_until IS NULL))
) WITH (fillfactor = 50);
