-- The log for people in psql: data as JSON. Type json, not jsonb, keeps \u0000; whatever is no JSON at all
-- (encrypted, damaged) shows as a string, so that one bad event can't hide the others.
CREATE FUNCTION perdure.readable(data bytea) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN convert_from(data, 'UTF8')::json;
EXCEPTION WHEN OTHERS THEN
    RETURN to_json(encode(data, 'escape'));
END
$$;

CREATE VIEW perdure.events_readable AS
SELECT stream, version, type, perdure.readable(data) AS data, recorded_at, partition, "offset", epoch, schema,
       causation_id, correlation_id, trace
FROM perdure.events;
