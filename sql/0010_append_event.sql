-- A group of one event, the usual one of a worker that decides: the same promises as
-- append_events (sql/0008_append_once.sql), in scalars, at about half its price. It takes only the
-- plain case. Anything else (another version, a repeated id, a checkpoint that stands elsewhere)
-- ends it with ST002 or unique_violation and nothing written, and the caller asks append_events,
-- which says what is wrong. Clock events always go there.
CREATE FUNCTION append_event(
    p_group uuid,
    p_anchor timestamptz,
    p_anchor_position bigint,
    p_elapsed_seconds double precision,
    p_consumer text,
    p_consumer_expected bigint,
    p_consumer_position bigint,
    p_stream text,
    p_type text,
    p_schema integer,
    p_desk boolean,
    p_worker text,
    p_build text,
    p_expected integer,
    p_id uuid,
    p_digest bytea,
    p_occurred_at timestamptz,
    p_market_time timestamptz,
    p_causation_id uuid,
    p_correlation_id uuid,
    p_input_position bigint,
    p_ordinal integer,
    p_data json,
    OUT clock_now timestamptz,
    OUT recorded_at timestamptz,
    OUT new_position bigint,
    OUT new_version integer,
    OUT new_market_time timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    step_seconds double precision;
    tail record;
    base record;
    class retention := CASE WHEN p_desk THEN 'desk'::retention ELSE 'market'::retention END;
    today date;
BEGIN
    clock_now := clock_timestamp();
    step_seconds := extract(epoch FROM clock_now - p_anchor) - p_elapsed_seconds;
    IF abs(step_seconds) > 60
        AND NOT EXISTS (SELECT FROM clock_accepted a WHERE a.position > p_anchor_position)
    THEN
        RAISE EXCEPTION 'the database clock must follow the monotonic clock, stepped by % s',
            round(step_seconds::numeric, 1) USING ERRCODE = 'ST001';
    END IF;

    SELECT s.version + 1 INTO new_version FROM streams s WHERE s.stream = p_stream FOR UPDATE;
    IF new_version IS NULL THEN
        INSERT INTO streams (stream, version) VALUES (p_stream, 0);
        new_version := 1;
    END IF;
    IF p_expected <> new_version THEN
        RAISE EXCEPTION 'not the plain case' USING ERRCODE = 'ST002';
    END IF;
    IF p_consumer IS NOT NULL THEN
        UPDATE checkpoints c SET position = p_consumer_position, moved_by = p_group
            WHERE c.consumer = p_consumer AND c.position = p_consumer_expected;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'not the plain case' USING ERRCODE = 'ST002';
        END IF;
    END IF;

    PERFORM pg_advisory_xact_lock(7236002);
    SELECT t.last_position, t.recorded_at, t.market_time INTO tail
        FROM commits t ORDER BY t.last_position DESC LIMIT 1;
    SELECT k.real_at, k.base_market_time, k.speed INTO base
        FROM clock k ORDER BY k.position DESC LIMIT 1;
    new_position := coalesce(tail.last_position, 0) + 1;
    clock_now := clock_timestamp();
    recorded_at := greatest(clock_now, tail.recorded_at);
    today := (recorded_at AT TIME ZONE 'UTC')::date;
    new_market_time := coalesce(
        p_market_time,
        CASE WHEN base.real_at IS NULL THEN recorded_at
            ELSE greatest(
                base.base_market_time + (recorded_at - base.real_at) * base.speed,
                tail.market_time)
        END);

    INSERT INTO events (position, recorded_at, market_time, occurred_at, input_position, event_id,
            causation_id, correlation_id, version, ordinal, schema, retention, stream, type,
            worker, build, data)
        VALUES (new_position, recorded_at, new_market_time, p_occurred_at, p_input_position, p_id,
            p_causation_id, p_correlation_id, new_version, p_ordinal, p_schema, class, p_stream,
            p_type, p_worker, p_build, p_data);
    INSERT INTO event_ids (event_id, position, retention, digest)
        VALUES (p_id, new_position, class, p_digest);
    UPDATE streams s
        SET version = new_version,
            first_position = CASE s.version WHEN 0 THEN new_position ELSE s.first_position END,
            last_position = new_position
        WHERE s.stream = p_stream;
    INSERT INTO commits (last_position, first_position, recorded_at, market_time, group_id)
        VALUES (new_position, new_position, recorded_at,
            CASE WHEN base.real_at IS NULL THEN new_market_time
                ELSE greatest(tail.market_time, new_market_time) END, p_group);
    IF tail.recorded_at IS NULL OR (tail.recorded_at AT TIME ZONE 'UTC')::date < today THEN
        INSERT INTO log_days (first_position, day) VALUES (new_position, today);
    END IF;
    PERFORM pg_notify('striketape_' || class, new_position || ' ' || today);
END
$$;

REVOKE EXECUTE ON FUNCTION append_event FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_event TO striketape_writer;
