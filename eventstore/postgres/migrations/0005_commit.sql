-- The commit: one call, so one round trip and one transaction, in which nothing waits for the client.
--
-- It first moves the heads of the batch's partitions, in the order of their numbers (two writers never lock in opposite
-- orders), and each only under the writer's own epoch: that is the fence. From then on nobody else writes to these
-- partitions until the end, and every statement below sees all that was written before, because in READ COMMITTED each
-- statement of a volatile function has a snapshot of its own. So what is checked here stays true.
--
-- All or nothing: a fenced partition or a stream at another version raises PD001, a command id or a version that exists
-- already violates its unique key. Which commit was to blame is found by the slower way, see commit.py.
--
-- A part of the batch (what it does to one table) is one text: its columns, each ended by column_end but for the last;
-- null where there is nothing to do. A column of numbers is an array literal; of texts, their concatenation with
-- item_end in between; of texts that may be null, null is written as nothing and any other with a character in front;
-- of times, microseconds since 1970; of bytes, two columns: where in the blob each begins, from 1, and its length. A column
-- of nulls alone is empty. One single empty text looks like none at all and becomes null, which is read as ''.
--
-- The name ends in a version. A later migration that changes what the commit takes or does makes commit_2 beside it, so
-- that nodes of the version before go on while a cluster is upgraded.
CREATE FUNCTION perdure.commit_1(
    item_end           text,
    column_end         text,
    blob               bytea,
    heads              text,  -- partition, epoch, number of events. A slot below is a place among these, from 1
    streams            text,  -- stream, version: where it must be; but for those that begin with this commit's events
    new_events         text,  -- slot, ordinal in the batch's events of that slot, stream, version, type, schema,
                              -- data (2 columns), recorded_at, causation_id?, correlation_id?, trace?
    new_marks          text,  -- stream, command_id, digest, reply (2)
    put_messages       text,  -- partition, id, destination, routing_key, body (2), correlation_id?, due_at?
    changed_messages   text,  -- partition, id, due_at, body? (2)
    removed_messages   text,  -- partition, id
    set_timers         text,  -- partition, due_at, stream, number
    cleared_timers     text,  -- the same
    new_snapshots      text,  -- stream, version, schema, code, data (2), checksum (2)
    put_executions     text,  -- known (1: likely to have a row), partition, stream, status, busy, started_at,
                              -- updated_at, closed_at?, error?, correlation_id?
    put_quarantine     text   -- partition, id, source, body (2), reason, attempts, at
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part       text[];  -- the columns of the part at hand
    partitions int[];
    epochs     int[];
    counts     int[];
    bases      bigint[];  -- each slot's head before this batch
    base       bigint;
    changed    int := 0;
    missing    int;
BEGIN
    part := string_to_array(heads, column_end);
    partitions := part[1]::int[];
    epochs := part[2]::int[];
    counts := part[3]::int[];
    FOR slot IN 1 .. cardinality(partitions) LOOP
        UPDATE perdure.partitions p SET head = p.head + counts[slot]
        WHERE p.partition = partitions[slot] AND p.epoch = epochs[slot]
        RETURNING p.head - counts[slot] INTO base;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'partition % is not at epoch %', partitions[slot], epochs[slot] USING ERRCODE = 'PD001';
        END IF;
        bases[slot] := base;
    END LOOP;

    IF streams IS NOT NULL THEN
        part := string_to_array(streams, column_end);
        PERFORM FROM unnest(string_to_array(part[1], item_end), part[2]::int[]) AS s (stream, version)
        WHERE s.version <> coalesce(
            (SELECT e.version FROM perdure.events e WHERE e.stream = s.stream ORDER BY e.version DESC LIMIT 1), 0);
        IF FOUND THEN
            RAISE EXCEPTION 'a stream is at another version' USING ERRCODE = 'PD001';
        END IF;
    END IF;

    IF new_events IS NOT NULL THEN
        part := string_to_array(new_events, column_end);
        INSERT INTO perdure.events (partition, "offset", stream, version, epoch, type, schema, data, recorded_at,
                                    causation_id, correlation_id, trace)
        SELECT partitions[e.slot], bases[e.slot] + e.ordinal, e.stream, e.version, epochs[e.slot], e.type, e.schema,
               substring(blob FROM e.begins FOR e.length), perdure.moment(e.recorded_at),
               substr(e.causation_id, 2), substr(e.correlation_id, 2), substr(e.trace, 2)
        FROM unnest(part[1]::int[], part[2]::int[], string_to_array(part[3], item_end), part[4]::int[],
                    string_to_array(part[5], item_end), part[6]::int2[], part[7]::int[], part[8]::int[],
                    part[9]::int8[], string_to_array(part[10], item_end, ''), string_to_array(part[11], item_end, ''),
                    string_to_array(part[12], item_end, ''))
             AS e (slot, ordinal, stream, version, type, schema, begins, length, recorded_at, causation_id,
                   correlation_id, trace);
    END IF;

    IF new_marks IS NOT NULL THEN
        part := string_to_array(new_marks, column_end);
        INSERT INTO perdure.inbox (stream, command_id, digest, reply)
        SELECT i.stream, i.command_id, i.digest, substring(blob FROM i.begins FOR i.length)
        FROM unnest(string_to_array(part[1], item_end), string_to_array(part[2], item_end), part[3]::int8[],
                    part[4]::int[], part[5]::int[])
             AS i (stream, command_id, digest, begins, length);
    END IF;

    IF put_messages IS NOT NULL THEN
        part := string_to_array(put_messages, column_end);
        INSERT INTO perdure.outbox (partition, id, destination, routing_key, body, correlation_id, due_at)
        SELECT o.partition, o.id, o.destination, coalesce(o.routing_key, ''),
               substring(blob FROM o.begins FOR o.length), substr(o.correlation_id, 2), perdure.moment(o.due_at)
        FROM unnest(part[1]::int[], string_to_array(part[2], item_end), string_to_array(part[3], item_end),
                    string_to_array(part[4], item_end), part[5]::int[], part[6]::int[],
                    string_to_array(part[7], item_end, ''), part[8]::int8[])
             AS o (partition, id, destination, routing_key, begins, length, correlation_id, due_at)
        ON CONFLICT (partition, id) DO UPDATE
        SET destination = excluded.destination, routing_key = excluded.routing_key, body = excluded.body,
            correlation_id = excluded.correlation_id, due_at = excluded.due_at;
    END IF;

    IF changed_messages IS NOT NULL THEN
        part := string_to_array(changed_messages, column_end);
        UPDATE perdure.outbox o
        SET due_at = perdure.moment(r.due_at),
            body = coalesce(substring(blob FROM r.begins FOR r.length), o.body)
        FROM unnest(part[1]::int[], string_to_array(part[2], item_end), part[3]::int8[], part[4]::int[],
                    part[5]::int[])
             AS r (partition, id, due_at, begins, length)
        WHERE o.partition = r.partition AND o.id = r.id;
    END IF;

    IF removed_messages IS NOT NULL THEN
        part := string_to_array(removed_messages, column_end);
        DELETE FROM perdure.outbox o
        USING unnest(part[1]::int[], string_to_array(part[2], item_end)) AS r (partition, id)
        WHERE o.partition = r.partition AND o.id = r.id;
    END IF;

    IF set_timers IS NOT NULL THEN
        part := string_to_array(set_timers, column_end);
        INSERT INTO perdure.timers (partition, due_at, stream, number)
        SELECT t.partition, perdure.moment(t.due_at), t.stream, t.number
        FROM unnest(part[1]::int[], part[2]::int8[], string_to_array(part[3], item_end), part[4]::int[])
             AS t (partition, due_at, stream, number)
        ON CONFLICT DO NOTHING;
    END IF;

    IF cleared_timers IS NOT NULL THEN
        part := string_to_array(cleared_timers, column_end);
        DELETE FROM perdure.timers t
        USING unnest(part[1]::int[], part[2]::int8[], string_to_array(part[3], item_end), part[4]::int[])
              AS c (partition, due_at, stream, number)
        WHERE t.partition = c.partition AND t.due_at = perdure.moment(c.due_at)
          AND t.stream = c.stream AND t.number = c.number;
    END IF;

    IF new_snapshots IS NOT NULL THEN
        part := string_to_array(new_snapshots, column_end);
        INSERT INTO perdure.snapshots (stream, version, schema, code, data, checksum)
        SELECT n.stream, n.version, n.schema, coalesce(n.code, ''), substring(blob FROM n.begins FOR n.length),
               substring(blob FROM n.sum_begins FOR n.sum_length)
        FROM unnest(string_to_array(part[1], item_end), part[2]::int[], part[3]::int2[],
                    string_to_array(part[4], item_end), part[5]::int[], part[6]::int[], part[7]::int[], part[8]::int[])
             AS n (stream, version, schema, code, begins, length, sum_begins, sum_length)
        ON CONFLICT (stream, version) DO UPDATE
        SET schema = excluded.schema, code = excluded.code, data = excluded.data, checksum = excluded.checksum,
            recorded_at = excluded.recorded_at;
        -- The newest one before stays in reserve, in case the new one is damaged.
        DELETE FROM perdure.snapshots s
        USING unnest(string_to_array(part[1], item_end), part[2]::int[]) AS n (stream, version)
        WHERE s.stream = n.stream
          AND s.version < (SELECT r.version FROM perdure.snapshots r
                           WHERE r.stream = n.stream AND r.version < n.version ORDER BY r.version DESC LIMIT 1);
    END IF;

    -- A plain update costs half of an upsert that finds its row. The hint may be wrong: missing rows are put after all.
    IF put_executions IS NOT NULL THEN
        part := string_to_array(put_executions, column_end);
        missing := cardinality(array_positions(part[1]::int[], 1));
        IF missing > 0 THEN
            UPDATE perdure.executions x
            SET partition = n.partition, status = n.status, busy = n.busy = 1,
                started_at = perdure.moment(n.started_at), updated_at = perdure.moment(n.updated_at),
                closed_at = perdure.moment(n.closed_at), error = substr(n.error, 2),
                correlation_id = substr(n.correlation_id, 2)
            FROM unnest(part[1]::int[], part[2]::int[], string_to_array(part[3], item_end),
                        string_to_array(part[4], item_end), part[5]::int[], part[6]::int8[], part[7]::int8[],
                        part[8]::int8[], string_to_array(part[9], item_end, ''),
                        string_to_array(part[10], item_end, ''))
                 AS n (known, partition, stream, status, busy, started_at, updated_at, closed_at, error, correlation_id)
            WHERE n.known = 1 AND x.stream = n.stream;
            GET DIAGNOSTICS changed = ROW_COUNT;
            missing := missing - changed;
        END IF;
        IF missing > 0 OR changed < cardinality(part[1]::int[]) THEN
            INSERT INTO perdure.executions (partition, stream, status, busy, started_at, updated_at, closed_at, error,
                                            correlation_id)
            SELECT n.partition, n.stream, n.status, n.busy = 1, perdure.moment(n.started_at),
                   perdure.moment(n.updated_at), perdure.moment(n.closed_at), substr(n.error, 2),
                   substr(n.correlation_id, 2)
            FROM unnest(part[1]::int[], part[2]::int[], string_to_array(part[3], item_end),
                        string_to_array(part[4], item_end), part[5]::int[], part[6]::int8[], part[7]::int8[],
                        part[8]::int8[], string_to_array(part[9], item_end, ''),
                        string_to_array(part[10], item_end, ''))
                 AS n (known, partition, stream, status, busy, started_at, updated_at, closed_at, error, correlation_id)
            WHERE n.known = 0 OR missing > 0
            ON CONFLICT (stream) DO UPDATE
            SET partition = excluded.partition, status = excluded.status, busy = excluded.busy,
                started_at = excluded.started_at, updated_at = excluded.updated_at, closed_at = excluded.closed_at,
                error = excluded.error, correlation_id = excluded.correlation_id;
        END IF;
    END IF;

    IF put_quarantine IS NOT NULL THEN
        part := string_to_array(put_quarantine, column_end);
        INSERT INTO perdure.quarantine (partition, id, source, body, reason, attempts, at)
        SELECT q.partition, q.id, coalesce(q.source, ''), substring(blob FROM q.begins FOR q.length),
               coalesce(q.reason, ''), q.attempts, perdure.moment(q.at)
        FROM unnest(part[1]::int[], string_to_array(part[2], item_end), string_to_array(part[3], item_end),
                    part[4]::int[], part[5]::int[], string_to_array(part[6], item_end), part[7]::int[],
                    part[8]::int8[])
             AS q (partition, id, source, begins, length, reason, attempts, at)
        ON CONFLICT (partition, id) DO UPDATE
        SET source = excluded.source, body = excluded.body, reason = excluded.reason, attempts = excluded.attempts,
            at = excluded.at;
    END IF;
END
$$;
