-- History is append-only, whoever is connected. Statement triggers: an insert pays nothing.
CREATE FUNCTION perdure.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'perdure.%: % refused, events are never changed or removed', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Record a new event that corrects the old one.';
END
$$;

CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON perdure.events
    FOR EACH STATEMENT EXECUTE FUNCTION perdure.refuse_change();
-- Fires in replication sessions too: ALWAYS.
ALTER TABLE perdure.events ENABLE ALWAYS TRIGGER events_never_change;
