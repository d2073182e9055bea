-- Appending, third version. One order of locks for everybody: the lock of the log first, and
-- nothing else after it, because all that follows is written under it anyway. Whoever holds it is
-- the only writer, so that no row is locked before it is written and no two writers ever wait for
-- each other in a circle. It is held to the end of the transaction, so visible order is position
-- order.
--
-- append_event takes one event in scalars, append_rows a group of plain calls as rows. Both know
-- the plain case alone: anything else (another version, a repeated id, a checkpoint that stands
-- elsewhere or nowhere, the clock's own events) ends them with ST002 or unique_violation and
-- nothing written, and the caller asks append_events, which weighs each call of the group by itself
-- and says what is wrong with it. Almost no group needs that. What sql/0005_append.sql promises
-- holds for all three. They count on the planner's settings of the writer (store/postgres.py).
--
-- Prefixes: call_ calls, t_ clock starts. Numbers into another list count from 1. A null
-- correlation is the event's own id. Ids, and consumers, differ within a group (store/appender.py
-- sees to it).
CREATE TYPE event_row AS (
    stream text,
    type text,
    worker text,
    build text,
    schema integer,
    is_desk boolean,
    stream_number integer,
    number_in_stream integer,
    expected_version integer,
    event_id uuid,
    digest bytea,
    occurred_at timestamptz,
    market_time timestamptz,
    causation_id uuid,
    correlation_id uuid,
    input_position bigint,
    ordinal integer,
    data json
);
-- What a group appends to one stream; first and last number events of the group.
CREATE TYPE stream_row AS (
    stream text,
    expected_version integer,
    events integer,
    first integer,
    last integer
);
CREATE TYPE consumer_row AS (
    consumer text,
    expected_position bigint,
    position bigint
);

CREATE OR REPLACE FUNCTION append_event(
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
    today date;
    market_now timestamptz;
BEGIN
    clock_now := clock_timestamp();
    step_seconds := extract(epoch FROM clock_now - p_anchor) - p_elapsed_seconds;
    IF abs(step_seconds) > 60
        AND NOT EXISTS (SELECT FROM clock_accepted a WHERE a.position > p_anchor_position)
    THEN
        RAISE EXCEPTION 'the database clock must follow the monotonic clock, stepped by % s',
            round(step_seconds::numeric, 1) USING ERRCODE = 'ST001';
    END IF;

    PERFORM pg_advisory_xact_lock(7236002);
    SELECT t.last_position, t.recorded_at, t.market_time, k.real_at, k.base_market_time, k.speed
        INTO tail
        FROM (VALUES (1)) AS one (row)
        LEFT JOIN LATERAL (
            SELECT last_position, recorded_at, market_time FROM commits
            ORDER BY last_position DESC LIMIT 1) AS t ON true
        LEFT JOIN LATERAL (
            SELECT real_at, base_market_time, speed FROM clock
            ORDER BY position DESC LIMIT 1) AS k ON true;
    new_position := coalesce(tail.last_position, 0) + 1;
    clock_now := clock_timestamp();
    recorded_at := greatest(clock_now, tail.recorded_at);
    today := (recorded_at AT TIME ZONE 'UTC')::date;
    -- Before the first ClockStarted market time is real time, and binds nobody afterwards.
    market_now := CASE WHEN tail.real_at IS NULL THEN recorded_at
        ELSE greatest(
            tail.base_market_time + (recorded_at - tail.real_at) * tail.speed, tail.market_time)
        END;
    new_market_time := coalesce(p_market_time, market_now);

    UPDATE streams s
        SET version = s.version + 1, last_position = new_position
        WHERE s.stream = p_stream RETURNING s.version INTO new_version;
    IF new_version IS NULL THEN
        new_version := 1;
        INSERT INTO streams (stream, version, first_position, last_position)
            VALUES (p_stream, 1, new_position, new_position);
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

    -- Into the family itself: the parent would look for the way to it, at each event.
    IF p_desk THEN
        INSERT INTO events_desk (position, recorded_at, market_time, occurred_at, input_position,
                event_id, causation_id, correlation_id, version, ordinal, schema, retention, stream,
                type, worker, build, data)
            VALUES (new_position, recorded_at, new_market_time, p_occurred_at, p_input_position,
                p_id, p_causation_id, p_correlation_id, new_version, p_ordinal, p_schema, 'desk',
                p_stream, p_type, p_worker, p_build, p_data);
    ELSE
        INSERT INTO events_market (position, recorded_at, market_time, occurred_at, input_position,
                event_id, causation_id, correlation_id, version, ordinal, schema, retention, stream,
                type, worker, build, data)
            VALUES (new_position, recorded_at, new_market_time, p_occurred_at, p_input_position,
                p_id, p_causation_id, p_correlation_id, new_version, p_ordinal, p_schema, 'market',
                p_stream, p_type, p_worker, p_build, p_data);
    END IF;
    INSERT INTO event_ids (event_id, position, retention, digest)
        VALUES (p_id, new_position,
            CASE WHEN p_desk THEN 'desk'::retention ELSE 'market'::retention END, p_digest);
    INSERT INTO commits (last_position, first_position, recorded_at, market_time, group_id)
        VALUES (new_position, new_position, recorded_at,
            CASE WHEN tail.real_at IS NULL THEN new_market_time
                ELSE greatest(tail.market_time, new_market_time) END, p_group);
    IF tail.recorded_at IS NULL OR (tail.recorded_at AT TIME ZONE 'UTC')::date < today THEN
        INSERT INTO log_days (first_position, day) VALUES (new_position, today);
    END IF;
    PERFORM pg_notify(
        CASE WHEN p_desk THEN 'striketape_desk' ELSE 'striketape_market' END,
        new_position || ' ' || today);
END
$$;

CREATE FUNCTION append_rows(
    p_group uuid,
    p_anchor timestamptz,
    p_anchor_position bigint,
    p_elapsed_seconds double precision,
    p_consumers consumer_row[],
    p_streams stream_row[],
    p_expects boolean,
    p_has_market boolean,
    p_has_desk boolean,
    p_last_market_time timestamptz,
    p_rows event_row[],
    OUT clock_now timestamptz,
    OUT recorded_at timestamptz,
    OUT first_position bigint,
    OUT versions integer[],
    OUT market_now timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    step_seconds double precision;
    tail record;
    today date;
    last_position bigint;
    changed integer;
BEGIN
    clock_now := clock_timestamp();
    step_seconds := extract(epoch FROM clock_now - p_anchor) - p_elapsed_seconds;
    IF abs(step_seconds) > 60
        AND NOT EXISTS (SELECT FROM clock_accepted a WHERE a.position > p_anchor_position)
    THEN
        RAISE EXCEPTION 'the database clock must follow the monotonic clock, stepped by % s',
            round(step_seconds::numeric, 1) USING ERRCODE = 'ST001';
    END IF;

    PERFORM pg_advisory_xact_lock(7236002);
    SELECT t.last_position, t.recorded_at, t.market_time, k.real_at, k.base_market_time, k.speed
        INTO tail
        FROM (VALUES (1)) AS one (row)
        LEFT JOIN LATERAL (
            SELECT last_position, recorded_at, market_time FROM commits
            ORDER BY last_position DESC LIMIT 1) AS t ON true
        LEFT JOIN LATERAL (
            SELECT real_at, base_market_time, speed FROM clock
            ORDER BY position DESC LIMIT 1) AS k ON true;
    first_position := coalesce(tail.last_position, 0) + 1;
    clock_now := clock_timestamp();
    recorded_at := greatest(clock_now, tail.recorded_at);
    today := (recorded_at AT TIME ZONE 'UTC')::date;
    last_position := first_position - 1 + cardinality(p_rows);
    -- Before the first ClockStarted market time is real time, and binds nobody afterwards.
    market_now := CASE WHEN tail.real_at IS NULL THEN recorded_at
        ELSE greatest(
            tail.base_market_time + (recorded_at - tail.real_at) * tail.speed, tail.market_time)
        END;

    SELECT array_agg(coalesce(s.version, 0) ORDER BY n.number) INTO versions
        FROM unnest(p_streams) WITH ORDINALITY
            AS n (stream, expected_version, events, first, last, number)
        LEFT JOIN streams s ON s.stream = n.stream;
    IF p_expects AND EXISTS (
        SELECT FROM unnest(p_streams) WITH ORDINALITY
            AS n (stream, expected_version, events, first, last, number)
        WHERE n.expected_version <> versions[n.number] + 1)
    THEN
        RAISE EXCEPTION 'not the plain case' USING ERRCODE = 'ST002';
    END IF;
    IF cardinality(p_consumers) > 0 THEN
        UPDATE checkpoints c SET position = n.position, moved_by = p_group
            FROM unnest(p_consumers) AS n
            WHERE c.consumer = n.consumer AND c.position = n.expected_position;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed <> cardinality(p_consumers) THEN
            RAISE EXCEPTION 'not the plain case' USING ERRCODE = 'ST002';
        END IF;
    END IF;

    INSERT INTO events (position, recorded_at, market_time, occurred_at, input_position, event_id,
            causation_id, correlation_id, version, ordinal, schema, retention, stream, type,
            worker, build, data)
        SELECT first_position - 1 + r.number, recorded_at, coalesce(r.market_time, market_now),
            r.occurred_at, r.input_position, r.event_id, r.causation_id,
            coalesce(r.correlation_id, r.event_id),
            versions[r.stream_number] + r.number_in_stream, r.ordinal, r.schema,
            CASE WHEN r.is_desk THEN 'desk'::retention ELSE 'market'::retention END,
            r.stream, r.type, r.worker, r.build, r.data
        FROM unnest(p_rows) WITH ORDINALITY AS r (stream, type, worker, build, schema,
            is_desk, stream_number, number_in_stream, expected_version, event_id, digest,
            occurred_at, market_time, causation_id, correlation_id, input_position, ordinal, data,
            number);
    INSERT INTO event_ids (event_id, position, retention, digest)
        SELECT r.event_id, first_position - 1 + r.number,
            CASE WHEN r.is_desk THEN 'desk'::retention ELSE 'market'::retention END, r.digest
        FROM unnest(p_rows) WITH ORDINALITY AS r (stream, type, worker, build, schema,
            is_desk, stream_number, number_in_stream, expected_version, event_id, digest,
            occurred_at, market_time, causation_id, correlation_id, input_position, ordinal, data,
            number);
    UPDATE streams s
        SET version = s.version + n.events, last_position = first_position - 1 + n.last
        FROM unnest(p_streams) AS n WHERE s.stream = n.stream;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed < cardinality(p_streams) THEN
        INSERT INTO streams (stream, version, first_position, last_position)
            SELECT n.stream, n.events, first_position - 1 + n.first, first_position - 1 + n.last
            FROM unnest(p_streams) AS n
            ON CONFLICT (stream) DO NOTHING;
    END IF;
    INSERT INTO commits (last_position, first_position, recorded_at, market_time, group_id)
        VALUES (last_position, first_position, recorded_at,
            CASE WHEN tail.real_at IS NULL THEN coalesce(p_last_market_time, market_now)
                ELSE greatest(tail.market_time, coalesce(p_last_market_time, market_now)) END,
            p_group);
    IF tail.recorded_at IS NULL OR (tail.recorded_at AT TIME ZONE 'UTC')::date < today THEN
        INSERT INTO log_days (first_position, day) VALUES (first_position, today);
    END IF;
    IF p_has_market THEN
        PERFORM pg_notify('striketape_market', last_position || ' ' || today);
    END IF;
    IF p_has_desk THEN
        PERFORM pg_notify('striketape_desk', last_position || ' ' || today);
    END IF;
END
$$;

DROP FUNCTION append_events;
CREATE FUNCTION append_events(
    p_group uuid,
    p_anchor timestamptz,
    p_anchor_position bigint,
    p_elapsed_seconds double precision,
    p_consumers consumer_row[],
    p_streams stream_row[],
    p_accepts_clock boolean,
    call_first integer[],
    call_last integer[],
    call_checkpoint integer[],
    t_event integer[],
    t_base timestamptz[],
    t_speed double precision[],
    p_rows event_row[],
    OUT clock_now timestamptz,
    OUT recorded_at timestamptz,
    OUT outcomes integer[],
    OUT details text[],
    OUT positions bigint[],
    OUT versions integer[],
    OUT market_times timestamptz[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    step_seconds double precision;
    tail record;
    today date;
    first_new bigint;
    market_now timestamptz;
    stream_versions integer[];
    trial_versions integer[];
    checkpoint_positions bigint[];
    known_positions bigint[];
    known_same boolean[];
    row_streams integer[];
    row_expected integer[];
    ranks integer[];
    taken integer := 0;
    call_taken integer;
    any_market boolean;
    any_desk boolean;
BEGIN
    clock_now := clock_timestamp();
    step_seconds := extract(epoch FROM clock_now - p_anchor) - p_elapsed_seconds;
    IF abs(step_seconds) > 60 AND NOT p_accepts_clock
        AND NOT EXISTS (SELECT FROM clock_accepted a WHERE a.position > p_anchor_position)
    THEN
        RAISE EXCEPTION 'the database clock must follow the monotonic clock, stepped by % s',
            round(step_seconds::numeric, 1) USING ERRCODE = 'ST001';
    END IF;

    PERFORM pg_advisory_xact_lock(7236002);
    SELECT t.last_position, t.recorded_at, t.market_time, k.real_at, k.base_market_time, k.speed
        INTO tail
        FROM (VALUES (1)) AS one (row)
        LEFT JOIN LATERAL (
            SELECT last_position, recorded_at, market_time FROM commits
            ORDER BY last_position DESC LIMIT 1) AS t ON true
        LEFT JOIN LATERAL (
            SELECT real_at, base_market_time, speed FROM clock
            ORDER BY position DESC LIMIT 1) AS k ON true;
    first_new := coalesce(tail.last_position, 0) + 1;
    clock_now := clock_timestamp();
    recorded_at := greatest(clock_now, tail.recorded_at);
    today := (recorded_at AT TIME ZONE 'UTC')::date;
    -- Before the first ClockStarted market time is real time, and binds nobody afterwards.
    market_now := CASE WHEN tail.real_at IS NULL THEN recorded_at
        ELSE greatest(
            tail.base_market_time + (recorded_at - tail.real_at) * tail.speed, tail.market_time)
        END;

    SELECT array_agg(coalesce(s.version, 0) ORDER BY i.number) INTO stream_versions
        FROM unnest(p_streams) WITH ORDINALITY
            AS i (stream, expected_version, events, first, last, number)
        LEFT JOIN streams s ON s.stream = i.stream;
    SELECT array_agg(coalesce(c.position, 0) ORDER BY i.number) INTO checkpoint_positions
        FROM unnest(p_consumers) WITH ORDINALITY
            AS i (consumer, expected_position, position, number)
        LEFT JOIN checkpoints c ON c.consumer = i.consumer;
    SELECT array_agg(k.position ORDER BY r.number),
            array_agg(k.digest = r.digest ORDER BY r.number),
            array_agg(r.stream_number ORDER BY r.number),
            array_agg(r.expected_version ORDER BY r.number)
        INTO known_positions, known_same, row_streams, row_expected
        FROM unnest(p_rows) WITH ORDINALITY AS r (stream, type, worker, build, schema,
            is_desk, stream_number, number_in_stream, expected_version, event_id, digest,
            occurred_at, market_time, causation_id, correlation_id, input_position, ordinal, data,
            number)
        LEFT JOIN event_ids k ON k.event_id = r.event_id;

    outcomes := array_fill(0, ARRAY[cardinality(call_first)]);
    details := array_fill(NULL::text, ARRAY[cardinality(call_first)]);
    ranks := array_fill(NULL::integer, ARRAY[cardinality(p_rows)]);
    versions := ranks;
    positions := known_positions;
    FOR item IN 1 .. cardinality(call_first) LOOP
        trial_versions := stream_versions;
        call_taken := 0;
        FOR i IN call_first[item] .. call_last[item] LOOP
            IF known_positions[i] IS NOT NULL THEN
                IF NOT known_same[i] THEN
                    outcomes[item] := 2;
                    details[item] := format('event %s %s is at position %s with other content',
                        p_rows[i].type, p_rows[i].event_id, known_positions[i]);
                    EXIT;
                END IF;
            ELSIF row_expected[i] <> trial_versions[row_streams[i]] + 1 THEN
                outcomes[item] := 1;
                details[item] := format('next version of stream %s must be %s for %s, was %s',
                    p_streams[row_streams[i]].stream, row_expected[i], p_rows[i].type,
                    trial_versions[row_streams[i]] + 1);
                EXIT;
            ELSE
                trial_versions[row_streams[i]] := trial_versions[row_streams[i]] + 1;
                call_taken := call_taken + 1;
                ranks[i] := taken + call_taken;
                versions[i] := trial_versions[row_streams[i]];
            END IF;
        END LOOP;
        IF outcomes[item] = 0 AND call_checkpoint[item] > 0
            AND p_consumers[call_checkpoint[item]].expected_position
                <> checkpoint_positions[call_checkpoint[item]]
        THEN
            outcomes[item] := 3;
            details[item] := format('checkpoint of %s must be %s, was %s',
                p_consumers[call_checkpoint[item]].consumer,
                p_consumers[call_checkpoint[item]].expected_position,
                checkpoint_positions[call_checkpoint[item]]);
        END IF;
        IF outcomes[item] = 0 THEN
            stream_versions := trial_versions;
            taken := taken + call_taken;
        ELSE
            FOR i IN call_first[item] .. call_last[item] LOOP
                ranks[i] := NULL;
                versions[i] := NULL;
            END LOOP;
        END IF;
    END LOOP;

    IF cardinality(p_consumers) > 0 THEN
        INSERT INTO checkpoints AS c (consumer, position, moved_by)
            SELECT p_consumers[o.number].consumer, p_consumers[o.number].position, p_group
            FROM unnest(outcomes, call_checkpoint) AS o (outcome, number)
            WHERE o.outcome = 0 AND o.number > 0
            ON CONFLICT (consumer) DO UPDATE
                SET position = excluded.position, moved_by = excluded.moved_by;
    END IF;
    IF taken = 0 THEN
        RETURN;
    END IF;

    SELECT array_agg(
            coalesce(r.market_time, greatest(
                CASE WHEN tail.real_at IS NOT NULL THEN tail.market_time END,
                coalesce(started.base, market_now)))
            ORDER BY r.number),
            array_agg(coalesce(first_new - 1 + ranks[r.number], known_positions[r.number])
                ORDER BY r.number)
        INTO market_times, positions
        FROM unnest(p_rows) WITH ORDINALITY AS r (stream, type, worker, build, schema,
            is_desk, stream_number, number_in_stream, expected_version, event_id, digest,
            occurred_at, market_time, causation_id, correlation_id, input_position, ordinal, data,
            number)
        LEFT JOIN LATERAL (
            SELECT k.base FROM unnest(t_event, t_base) AS k (event, base)
            WHERE k.event <= r.number AND ranks[k.event] IS NOT NULL
            ORDER BY k.event DESC LIMIT 1) AS started ON true;
    INSERT INTO clock (position, real_at, base_market_time, speed)
        SELECT first_new - 1 + ranks[k.event], recorded_at, k.base, k.speed
        FROM unnest(t_event, t_base, t_speed) AS k (event, base, speed)
        WHERE ranks[k.event] IS NOT NULL;
    INSERT INTO events (position, recorded_at, market_time, occurred_at, input_position, event_id,
            causation_id, correlation_id, version, ordinal, schema, retention, stream, type,
            worker, build, data)
        SELECT positions[r.number], recorded_at, market_times[r.number], r.occurred_at,
            r.input_position, r.event_id, r.causation_id, coalesce(r.correlation_id, r.event_id),
            versions[r.number], r.ordinal, r.schema,
            CASE WHEN r.is_desk THEN 'desk'::retention ELSE 'market'::retention END,
            r.stream, r.type, r.worker, r.build, r.data
        FROM unnest(p_rows) WITH ORDINALITY AS r (stream, type, worker, build, schema,
            is_desk, stream_number, number_in_stream, expected_version, event_id, digest,
            occurred_at, market_time, causation_id, correlation_id, input_position, ordinal, data,
            number)
        WHERE ranks[r.number] IS NOT NULL;
    INSERT INTO event_ids (event_id, position, retention, digest)
        SELECT r.event_id, positions[r.number],
            CASE WHEN r.is_desk THEN 'desk'::retention ELSE 'market'::retention END, r.digest
        FROM unnest(p_rows) WITH ORDINALITY AS r (stream, type, worker, build, schema,
            is_desk, stream_number, number_in_stream, expected_version, event_id, digest,
            occurred_at, market_time, causation_id, correlation_id, input_position, ordinal, data,
            number)
        WHERE ranks[r.number] IS NOT NULL;
    INSERT INTO streams AS s (stream, version, first_position, last_position)
        SELECT p_streams[u.stream].stream, max(u.version), first_new - 1 + min(u.rank),
            first_new - 1 + max(u.rank)
        FROM unnest(row_streams, versions, ranks) AS u (stream, version, rank)
        WHERE u.rank IS NOT NULL GROUP BY u.stream
        ON CONFLICT (stream) DO UPDATE
            SET version = excluded.version, last_position = excluded.last_position;
    INSERT INTO commits (last_position, first_position, recorded_at, market_time, group_id)
        SELECT first_new - 1 + taken, first_new, recorded_at,
            greatest(CASE WHEN tail.real_at IS NOT NULL THEN tail.market_time END, u.market_time),
            p_group
        FROM unnest(market_times, ranks) AS u (market_time, rank) WHERE u.rank = taken;
    IF tail.recorded_at IS NULL OR (tail.recorded_at AT TIME ZONE 'UTC')::date < today THEN
        INSERT INTO log_days (first_position, day) VALUES (first_new, today);
    END IF;
    IF p_accepts_clock THEN
        INSERT INTO clock_accepted (position) VALUES (first_new);
    END IF;

    SELECT bool_or(r.is_desk), bool_or(NOT r.is_desk) INTO any_desk, any_market
        FROM unnest(p_rows) WITH ORDINALITY AS r (stream, type, worker, build, schema,
            is_desk, stream_number, number_in_stream, expected_version, event_id, digest,
            occurred_at, market_time, causation_id, correlation_id, input_position, ordinal, data,
            number)
        WHERE ranks[r.number] IS NOT NULL;
    IF any_market THEN
        PERFORM pg_notify('striketape_market', (first_new - 1 + taken) || ' ' || today);
    END IF;
    IF any_desk THEN
        PERFORM pg_notify('striketape_desk', (first_new - 1 + taken) || ' ' || today);
    END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION append_rows, append_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_rows, append_events TO striketape_writer;
