-- Consumers look for messages from where they last found some. Those that are handed back lie before that, so the
-- notification says that they are there: '*', where an empty one only tells of new messages.
CREATE OR REPLACE FUNCTION perdure.transport_drop_consumers(dropped bigint[]) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    gone record;
BEGIN
    -- One order for everyone who drops several, or two of them could wait for each other.
    PERFORM FROM perdure.consumers WHERE id = ANY (dropped) ORDER BY id FOR UPDATE;
    FOR gone IN DELETE FROM perdure.consumers WHERE id = ANY (dropped) RETURNING id, queue LOOP
        UPDATE perdure.messages SET claimed_by = NULL WHERE queue = gone.queue AND claimed_by = gone.id;
        -- Also wakes the dropped consumer itself, which finds out that it was superseded.
        PERFORM pg_notify(perdure.transport_channel(gone.queue), '*');
    END LOOP;
END $$;
