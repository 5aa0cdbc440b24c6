-- What an execution can be found by: a flat object of text, numbers and bools. Null: none.
ALTER TABLE perdure.executions ADD COLUMN attributes jsonb;

-- For `attributes @> {"customer": "ACME"}`. Other comparisons look at rows one by one, newest first.
CREATE INDEX executions_attributes ON perdure.executions USING gin (attributes jsonb_path_ops);

-- Events leave the log only with their whole stream, and only by the commit below.
CREATE OR REPLACE FUNCTION perdure.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('perdure.forgetting', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'perdure.%: % refused, events are never changed or removed', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Record a new event that corrects the old one, or delete the whole instance with `perdure delete`.';
END
$$;

-- The commit with attributes and forgotten streams: everything as before, and two parts more.
CREATE FUNCTION perdure.commit_2(
    item_end           text,
    column_end         text,
    blob               bytea,
    heads              text,
    streams            text,
    new_events         text,
    new_marks          text,
    put_messages       text,
    changed_messages   text,
    removed_messages   text,
    set_timers         text,
    cleared_timers     text,
    new_snapshots      text,
    put_executions     text,
    put_quarantine     text,
    new_attributes     text,  -- stream, attributes: JSON, of rows that are there or put by this commit
    forgotten          text   -- stream: its events, snapshots and row go. Its inbox marks stay till they are too old, so
                              -- that a command which comes again does not find an actor that has not heard of it
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text[];
BEGIN
    PERFORM perdure.commit_1(item_end, column_end, blob, heads, streams, new_events, new_marks, put_messages,
                             changed_messages, removed_messages, set_timers, cleared_timers, new_snapshots,
                             put_executions, put_quarantine);
    IF new_attributes IS NOT NULL THEN
        part := string_to_array(new_attributes, column_end);
        UPDATE perdure.executions x SET attributes = n.attributes::jsonb
        FROM unnest(string_to_array(part[1], item_end), string_to_array(part[2], item_end)) AS n (stream, attributes)
        WHERE x.stream = n.stream;
    END IF;
    IF forgotten IS NOT NULL THEN
        part := string_to_array(forgotten, item_end);
        PERFORM set_config('perdure.forgetting', 'on', true);
        DELETE FROM perdure.events WHERE stream = ANY (part);
        PERFORM set_config('perdure.forgetting', 'off', true);
        DELETE FROM perdure.snapshots WHERE stream = ANY (part);
        DELETE FROM perdure.executions WHERE stream = ANY (part);
    END IF;
END
$$;
