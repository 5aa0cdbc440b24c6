-- The log and what commits with it. Text that is a key compares by bytes (COLLATE "C"): quicker, and the same
-- order as in Python. Columns stand widest first, so that rows carry no padding.

-- A partition's lease and its head in one row: whoever moves the head has proved its epoch under the same lock.
CREATE TABLE perdure.partitions (
    head       bigint  NOT NULL DEFAULT 0 CHECK (head >= 0),   -- newest offset
    expires_at timestamptz,
    partition  integer NOT NULL PRIMARY KEY CHECK (partition >= 0),
    epoch      integer NOT NULL DEFAULT 0 CHECK (epoch >= 0),  -- grows with every change of owner
    owner      text COLLATE "C",
    CHECK ((owner IS NULL) = (expires_at IS NULL))
) WITH (fillfactor = 25, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE perdure.nodes (
    beat_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,                           -- counts as dead from then on
    node       text COLLATE "C" NOT NULL PRIMARY KEY
) WITH (fillfactor = 50);

CREATE TABLE perdure.events (
    "offset"       bigint      NOT NULL,                       -- gapless within the partition, from 1
    recorded_at    timestamptz NOT NULL,
    partition      integer     NOT NULL,
    version        integer     NOT NULL CHECK (version >= 1),  -- gapless within the stream, from 1
    epoch          integer     NOT NULL,
    schema         smallint    NOT NULL,
    stream         text COLLATE "C" NOT NULL,
    type           text COLLATE "C" NOT NULL,
    causation_id   text COLLATE "C",
    correlation_id text COLLATE "C",
    trace          text COLLATE "C",
    data           bytea       NOT NULL,                       -- UTF-8 JSON, or what a codec made of it
    PRIMARY KEY (stream, version),
    CONSTRAINT events_partition_offset UNIQUE (partition, "offset")
);

CREATE TABLE perdure.inbox (
    digest      bigint      NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    stream      text COLLATE "C" NOT NULL,
    command_id  text COLLATE "C" NOT NULL,
    reply       bytea       NOT NULL,
    PRIMARY KEY (stream, command_id)
);
CREATE INDEX inbox_recorded_at ON perdure.inbox USING brin (recorded_at) WITH (pages_per_range = 32);

CREATE TABLE perdure.outbox (
    due_at         timestamptz,                                -- null: not known to have been published
    partition      integer NOT NULL,
    id             text COLLATE "C" NOT NULL,
    destination    text COLLATE "C" NOT NULL,
    routing_key    text COLLATE "C" NOT NULL,
    correlation_id text COLLATE "C",
    body           bytea   NOT NULL,
    PRIMARY KEY (partition, id)
);
CREATE INDEX outbox_new ON perdure.outbox (partition, id) WHERE due_at IS NULL;
CREATE INDEX outbox_due ON perdure.outbox (partition, due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE perdure.timers (
    due_at    timestamptz NOT NULL,
    partition integer     NOT NULL,
    number    integer     NOT NULL,
    stream    text COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, due_at, stream, number)
);

CREATE TABLE perdure.snapshots (
    recorded_at timestamptz NOT NULL DEFAULT now(),
    version     integer     NOT NULL CHECK (version >= 1),
    schema      smallint    NOT NULL,
    stream      text COLLATE "C" NOT NULL,
    code        text COLLATE "C" NOT NULL,
    checksum    bytea       NOT NULL,
    data        bytea       NOT NULL,
    PRIMARY KEY (stream, version)
);

-- One row an actor. Its type is the stream's name up to the first slash.
CREATE TABLE perdure.executions (
    started_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    closed_at      timestamptz,
    partition      integer     NOT NULL,
    busy           boolean     NOT NULL,
    stream         text COLLATE "C" NOT NULL PRIMARY KEY,
    status         text COLLATE "C" NOT NULL,
    correlation_id text COLLATE "C",
    error          text
) WITH (fillfactor = 85);
CREATE INDEX executions_newest ON perdure.executions (status, started_at DESC, stream DESC);
CREATE INDEX executions_unfinished ON perdure.executions (partition, stream) WHERE busy OR status = 'stuck';

CREATE TABLE perdure.quarantine (
    at        timestamptz NOT NULL,
    partition integer     NOT NULL,
    attempts  integer     NOT NULL,
    id        text COLLATE "C" NOT NULL,
    source    text COLLATE "C" NOT NULL,
    reason    text        NOT NULL,
    body      bytea       NOT NULL,
    PRIMARY KEY (partition, id)
);
CREATE INDEX quarantine_newest ON perdure.quarantine (at DESC, id DESC);

CREATE TABLE perdure.attempts (
    partition integer NOT NULL,
    count     integer NOT NULL,
    message   text COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, message)
);

-- The commit brings times as microseconds since 1970. Seconds and the rest apart: each is exact.
CREATE FUNCTION perdure.moment(micros bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT timestamptz 'epoch' + micros / 1000000 * interval '1 second' + micros % 1000000 * interval '1 microsecond'
$$;
