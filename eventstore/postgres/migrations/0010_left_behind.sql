-- The commit in which forgotten streams leave events behind: everything as before, and one part more. They are the stream's
-- from version 1 on, at the partition's next offsets like all events. So a stream that was forgotten does not begin unseen:
-- who believes that there was none violates the unique key of its first version.
CREATE FUNCTION perdure.commit_3(
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
    new_attributes     text,
    forgotten          text,
    left_behind        text   -- the columns of new_events; counted in heads, and their ordinals likewise
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part       text[];
    partitions int[];
    epochs     int[];
    counts     int[];
BEGIN
    PERFORM perdure.commit_2(item_end, column_end, blob, heads, streams, new_events, new_marks, put_messages,
                             changed_messages, removed_messages, set_timers, cleared_timers, new_snapshots,
                             put_executions, put_quarantine, new_attributes, forgotten);
    IF left_behind IS NOT NULL THEN
        part := string_to_array(heads, column_end);
        partitions := part[1]::int[];
        epochs := part[2]::int[];
        counts := part[3]::int[];
        part := string_to_array(left_behind, column_end);
        INSERT INTO perdure.events (partition, "offset", stream, version, epoch, type, schema, data, recorded_at,
                                    causation_id, correlation_id, trace)
        SELECT p.partition, p.head - counts[e.slot] + e.ordinal, e.stream, e.version, epochs[e.slot], e.type, e.schema,
               substring(blob FROM e.begins FOR e.length), perdure.moment(e.recorded_at),
               substr(e.causation_id, 2), substr(e.correlation_id, 2), substr(e.trace, 2)
        FROM unnest(part[1]::int[], part[2]::int[], string_to_array(part[3], item_end), part[4]::int[],
                    string_to_array(part[5], item_end), part[6]::int2[], part[7]::int[], part[8]::int[],
                    part[9]::int8[], string_to_array(part[10], item_end, ''), string_to_array(part[11], item_end, ''),
                    string_to_array(part[12], item_end, ''))
             AS e (slot, ordinal, stream, version, type, schema, begins, length, recorded_at, causation_id,
                   correlation_id, trace)
        JOIN perdure.partitions p ON p.partition = partitions[e.slot];
    END IF;
END
$$;
