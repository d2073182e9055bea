-- The views of sql/0002_events.sql failed as a whole on one payload that jsonb cannot hold: a
-- string with \u0000, a number beyond numeric. Payloads of vendors are kept as they came, so such
-- ones are there. They are shown as one string, the payload's text; jsonb_typeof(data) = 'string'
-- finds them. As SQL and without an exception block, so that the planner can take it apart.
CREATE FUNCTION as_jsonb(json) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE RETURN
    CASE WHEN pg_input_is_valid($1::text, 'jsonb') THEN $1::jsonb ELSE to_jsonb($1::text) END;

CREATE OR REPLACE VIEW events_jsonb AS
    SELECT position, recorded_at, market_time, occurred_at, retention, stream, version, type,
           schema, event_id, causation_id, correlation_id, worker, build, input_position, ordinal,
           as_jsonb(data) AS data
    FROM events;

-- Upkeep by steps: at most so many rows of a table in one call, the oldest, so that none runs into
-- the writer's time limits. Rows stand by position and recorded_at rises with it, hence only the
-- first ones are looked at. The keeper calls both every night until nothing goes any more.
DROP FUNCTION prune_commits(timestamptz);
CREATE FUNCTION prune_commits(p_before timestamptz, p_rows_max integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM commits WHERE last_position IN (
            SELECT last_position FROM (
                SELECT last_position, recorded_at FROM commits
                ORDER BY last_position LIMIT p_rows_max) AS oldest
            WHERE recorded_at < least(p_before, clock_timestamp() - interval '1 day')
                AND last_position < (SELECT max(last_position) FROM commits))
        RETURNING 1)
    SELECT count(*) FROM gone
$$;

DROP FUNCTION prune_audit_ticks(timestamptz);
CREATE FUNCTION prune_audit_ticks(p_before timestamptz, p_rows_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wanted name;
    gone bigint;
    total bigint := 0;
BEGIN
    FOR wanted IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'audit' AND tablename LIKE 'uw\_%'
    LOOP
        EXECUTE format($delete$
            DELETE FROM audit.%1$I WHERE event_position IN (
                SELECT event_position FROM (
                    SELECT event_position, recorded_at FROM audit.%1$I
                    ORDER BY event_position LIMIT $2) AS oldest
                WHERE recorded_at < $1)
            $delete$, wanted) USING p_before, p_rows_max;
        GET DIAGNOSTICS gone = ROW_COUNT;
        total := total + gone;
    END LOOP;
    RETURN total;
END
$$;
REVOKE EXECUTE ON FUNCTION prune_commits, prune_audit_ticks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_commits, prune_audit_ticks TO striketape_writer;
