-- The Postgres transport: queues as rows.
--
-- A message is free (claimed_by is null) or claimed by a consumer. A consumer belongs to a transport session, which
-- is one database connection. Invariant: claimed_by names an existing consumer, because a consumer's row is deleted
-- only by transport_drop_consumers, which frees its messages in the same transaction, and because a claim holds a
-- key-share lock on its consumer's row.

CREATE SCHEMA IF NOT EXISTS perdure;

CREATE TABLE perdure.transport_sessions (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- also the second key of the session's advisory lock
    expires_at timestamptz NOT NULL
);

CREATE TABLE perdure.queues (
    name       text PRIMARY KEY,
    session_id integer -- a reply queue vanishes with its session; null: the queue is durable
);

CREATE TABLE perdure.consumers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id integer NOT NULL,
    queue      text NOT NULL,
    exclusive  boolean NOT NULL
);

-- One index only, and it does not hold claimed_by: a claim is a heap-only update. Rows live for milliseconds, so
-- vacuum has to come by count, not by share of the table.
CREATE TABLE perdure.messages (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    queue          text NOT NULL,
    key            text NOT NULL,
    body           bytea NOT NULL,
    reply_to       text,
    correlation_id text,
    deliveries     integer NOT NULL DEFAULT 0,
    claimed_by     bigint,
    PRIMARY KEY (queue, id)
) WITH (
    fillfactor = 60,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000
);

-- The notification channel of a queue; a channel's name is shorter than a queue's may be.
CREATE FUNCTION perdure.transport_channel(queue text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN 'perdure_' || md5(queue);

-- Drop consumers and hand their unacked messages back.
CREATE FUNCTION perdure.transport_drop_consumers(dropped bigint[]) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    gone record;
BEGIN
    -- One order for everyone who drops several, or two of them could wait for each other.
    PERFORM FROM perdure.consumers WHERE id = ANY (dropped) ORDER BY id FOR UPDATE;
    FOR gone IN DELETE FROM perdure.consumers WHERE id = ANY (dropped) RETURNING id, queue LOOP
        UPDATE perdure.messages SET claimed_by = NULL WHERE queue = gone.queue AND claimed_by = gone.id;
        -- Also wakes the dropped consumer itself, which finds out that it was superseded.
        PERFORM pg_notify(perdure.transport_channel(gone.queue), '');
    END LOOP;
END $$;

-- End sessions: their consumers go, their reply queues with what is in them too.
CREATE FUNCTION perdure.transport_retire(retired integer[]) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM perdure.transport_drop_consumers(
        ARRAY (SELECT id FROM perdure.consumers WHERE session_id = ANY (retired)));
    DELETE FROM perdure.messages m USING perdure.queues q WHERE q.session_id = ANY (retired) AND m.queue = q.name;
    DELETE FROM perdure.queues WHERE session_id = ANY (retired);
    DELETE FROM perdure.transport_sessions WHERE id = ANY (retired);
END $$;

-- Add a consumer; an exclusive one takes the place of the exclusive one before it. Null: the queue does not exist.
CREATE FUNCTION perdure.transport_subscribe(of_session integer, to_queue text, exclusively boolean) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    consumer bigint;
BEGIN
    IF exclusively THEN
        PERFORM FROM perdure.queues WHERE name = to_queue FOR UPDATE; -- one takeover at a time
    ELSE
        PERFORM FROM perdure.queues WHERE name = to_queue;
    END IF;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF exclusively THEN
        PERFORM perdure.transport_drop_consumers(
            ARRAY (SELECT c.id FROM perdure.consumers c WHERE c.queue = to_queue AND c.exclusive));
    END IF;
    INSERT INTO perdure.consumers (session_id, queue, exclusive)
        VALUES (of_session, to_queue, exclusively) RETURNING id INTO consumer;
    RETURN consumer;
END $$;
