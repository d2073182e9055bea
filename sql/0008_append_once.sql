-- append_events again, quicker: ids are no longer looked for before they are written. Everything
-- that sql/0005_append.sql says of it holds.
CREATE OR REPLACE FUNCTION append_events(
    p_group uuid,
    p_anchor timestamptz,
    p_anchor_position bigint,
    p_elapsed_seconds double precision,
    p_accepts_clock boolean,
    s_name text[],
    call_first integer[],
    call_last integer[],
    call_checkpoint integer[],
    c_consumer text[],
    c_expected bigint[],
    c_position bigint[],
    t_event integer[],
    t_base timestamptz[],
    t_speed double precision[],
    k_stream integer[],
    k_type text[],
    k_schema integer[],
    k_desk boolean[],
    k_worker text[],
    k_build text[],
    e_kind integer[],
    e_offset integer[],
    e_expected integer[],
    e_id uuid[],
    e_digest bytea[],
    e_occurred_at timestamptz[],
    e_market_time timestamptz[],
    e_causation_id uuid[],
    e_correlation_id uuid[],
    e_input_position bigint[],
    e_ordinal integer[],
    e_data json[],
    OUT clock_now timestamptz,
    OUT recorded_at timestamptz,
    OUT outcomes integer[],
    OUT details text[],
    OUT positions bigint[],
    OUT versions integer[],
    OUT market_times timestamptz[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
-- One plan for the life of the connection, by index: left to itself the planner scans whole
-- tables, because it knows neither how long the arrays are nor that a repeat is rare.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    step_seconds double precision;
    stream_versions integer[];
    trial_versions integer[];
    checkpoint_positions bigint[];
    known_positions bigint[];
    known_same boolean[];
    ranks integer[];
    taken integer := 0;
    call_taken integer;
    clean boolean;
    tail record;
    base record;
    market_now timestamptz;
    market_floor timestamptz;
    first_new bigint;
    any_market boolean;
    any_desk boolean;
    bell text;
BEGIN
    clock_now := clock_timestamp();
    step_seconds := extract(epoch FROM clock_now - p_anchor) - p_elapsed_seconds;
    IF abs(step_seconds) > 60 AND NOT p_accepts_clock
        AND NOT EXISTS (SELECT FROM clock_accepted a WHERE a.position > p_anchor_position)
    THEN
        RAISE EXCEPTION 'the database clock must follow the monotonic clock, stepped by % s',
            round(step_seconds::numeric, 1) USING ERRCODE = 'ST001';
    END IF;

    IF cardinality(s_name) > 0 THEN
        INSERT INTO streams (stream, version)
            SELECT i.name, 0 FROM unnest(s_name) AS i (name)
            WHERE NOT EXISTS (SELECT FROM streams s WHERE s.stream = i.name)
            ORDER BY i.name
            ON CONFLICT (stream) DO NOTHING;
    END IF;
    IF cardinality(c_consumer) > 0 THEN
        INSERT INTO checkpoints (consumer, position)
            SELECT i.name, 0 FROM unnest(c_consumer) AS i (name)
            WHERE NOT EXISTS (SELECT FROM checkpoints c WHERE c.consumer = i.name)
            ORDER BY i.name
            ON CONFLICT (consumer) DO NOTHING;
    END IF;
    SELECT array_agg(l.version ORDER BY l.ord) INTO stream_versions FROM (
        SELECT s.version, i.ord
        FROM unnest(s_name) WITH ORDINALITY AS i (name, ord) JOIN streams s ON s.stream = i.name
        ORDER BY s.stream FOR UPDATE OF s) AS l;
    IF cardinality(c_consumer) > 0 THEN
        SELECT array_agg(l.position ORDER BY l.ord) INTO checkpoint_positions FROM (
            SELECT c.position, i.ord
            FROM unnest(c_consumer) WITH ORDINALITY AS i (name, ord)
            JOIN checkpoints c ON c.consumer = i.name
            ORDER BY c.consumer FOR UPDATE OF c) AS l;
    END IF;

    clean := NOT EXISTS (
            SELECT FROM unnest(e_kind, e_offset, e_expected) AS u (kind, number, expected)
            WHERE u.expected <> stream_versions[k_stream[u.kind]] + u.number)
        AND NOT EXISTS (
            SELECT FROM unnest(c_expected, checkpoint_positions) AS u (expected, position)
            WHERE u.expected <> u.position);

    -- Almost always every id is new, so nobody looks: the unique index tells, at the price of a
    -- second pass through the loop when it does. In that pass each call is weighed by itself.
    LOOP
        IF clean THEN
            taken := cardinality(e_id);
            outcomes := array_fill(0, ARRAY[cardinality(call_first)]);
            SELECT array_agg(u.ord), array_agg(stream_versions[k_stream[u.kind]] + u.number)
                INTO ranks, versions
                FROM unnest(e_kind, e_offset) WITH ORDINALITY AS u (kind, number, ord);
        ELSE
            SELECT array_agg(k.position ORDER BY i.ord), array_agg(k.digest = i.digest ORDER BY i.ord)
                INTO known_positions, known_same
                FROM unnest(e_id, e_digest) WITH ORDINALITY AS i (id, digest, ord)
                LEFT JOIN event_ids k ON k.event_id = i.id;
            taken := 0;
            outcomes := '{}';
            details := array_fill(NULL::text, ARRAY[cardinality(call_first)]);
            ranks := array_fill(NULL::integer, ARRAY[cardinality(e_id)]);
            versions := ranks;
            positions := known_positions;
            FOR item IN 1 .. cardinality(call_first) LOOP
                outcomes[item] := 0;
                trial_versions := stream_versions;
                call_taken := 0;
                FOR i IN call_first[item] .. call_last[item] LOOP
                    IF known_positions[i] IS NOT NULL THEN
                        IF NOT known_same[i] THEN
                            outcomes[item] := 2;
                            details[item] := format('event %s %s is at position %s with other content',
                                k_type[e_kind[i]], e_id[i], known_positions[i]);
                            EXIT;
                        END IF;
                    ELSIF e_expected[i] <> trial_versions[k_stream[e_kind[i]]] + 1 THEN
                        outcomes[item] := 1;
                        details[item] := format('next version of stream %s must be %s for %s, was %s',
                            s_name[k_stream[e_kind[i]]], e_expected[i], k_type[e_kind[i]],
                            trial_versions[k_stream[e_kind[i]]] + 1);
                        EXIT;
                    ELSE
                        trial_versions[k_stream[e_kind[i]]] := trial_versions[k_stream[e_kind[i]]] + 1;
                        call_taken := call_taken + 1;
                        ranks[i] := taken + call_taken;
                        versions[i] := trial_versions[k_stream[e_kind[i]]];
                    END IF;
                END LOOP;
                IF outcomes[item] = 0 AND call_checkpoint[item] > 0
                    AND c_expected[call_checkpoint[item]] <> checkpoint_positions[call_checkpoint[item]]
                THEN
                    outcomes[item] := 3;
                    details[item] := format('checkpoint of %s must be %s, was %s',
                        c_consumer[call_checkpoint[item]], c_expected[call_checkpoint[item]],
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
        END IF;

        BEGIN
            IF cardinality(c_consumer) > 0 THEN
                UPDATE checkpoints c SET position = u.position, moved_by = p_group
                    FROM unnest(outcomes, call_checkpoint) AS o (outcome, number),
                        LATERAL (SELECT c_consumer[o.number], c_position[o.number]) AS u (consumer, position)
                    WHERE o.outcome = 0 AND o.number > 0 AND c.consumer = u.consumer;
            END IF;
            IF taken = 0 THEN
                RETURN;
            END IF;

            PERFORM pg_advisory_xact_lock(7236002);
            SELECT t.last_position, t.recorded_at, t.market_time INTO tail
                FROM commits t ORDER BY t.last_position DESC LIMIT 1;
            first_new := coalesce(tail.last_position, 0) + 1;
            clock_now := clock_timestamp();
            recorded_at := greatest(clock_now, tail.recorded_at);
            SELECT k.real_at, k.base_market_time, k.speed INTO base
                FROM clock k ORDER BY k.position DESC LIMIT 1;
            IF base.real_at IS NULL THEN
                -- Before the first ClockStarted market time is real time, and binds nobody afterwards.
                market_now := recorded_at;
                market_floor := '-infinity';
            ELSE
                market_now := base.base_market_time + (recorded_at - base.real_at) * base.speed;
                market_floor := tail.market_time;
            END IF;
            IF cardinality(t_event) = 0 THEN
                SELECT array_agg(coalesce(u.given, greatest(market_now, market_floor)) ORDER BY u.ord)
                    INTO market_times
                    FROM unnest(e_market_time, e_kind) WITH ORDINALITY AS u (given, kind, ord);
            ELSE
                SELECT array_agg(
                        coalesce(u.given, greatest(market_floor, coalesce(started.base, market_now)))
                        ORDER BY u.ord)
                    INTO market_times
                    FROM unnest(e_market_time, e_kind) WITH ORDINALITY AS u (given, kind, ord)
                    LEFT JOIN LATERAL (
                        SELECT k.base FROM unnest(t_event, t_base) AS k (event, base)
                        WHERE k.event <= u.ord AND ranks[k.event] IS NOT NULL
                        ORDER BY k.event DESC LIMIT 1) AS started ON true;
                INSERT INTO clock (position, real_at, base_market_time, speed)
                    SELECT first_new - 1 + ranks[k.event], recorded_at, k.base, k.speed
                    FROM unnest(t_event, t_base, t_speed) AS k (event, base, speed)
                    WHERE ranks[k.event] IS NOT NULL;
            END IF;
            IF clean THEN
                SELECT array_agg(first_new - 1 + u.rank ORDER BY u.rank) INTO positions
                    FROM unnest(ranks) AS u (rank);
            ELSE
                SELECT array_agg(coalesce(first_new - 1 + u.rank, u.known) ORDER BY u.ord) INTO positions
                    FROM unnest(ranks, known_positions) WITH ORDINALITY AS u (rank, known, ord);
            END IF;

            INSERT INTO events (position, recorded_at, market_time, occurred_at, input_position, event_id,
                    causation_id, correlation_id, version, ordinal, schema, retention, stream, type,
                    worker, build, data)
                SELECT first_new - 1 + u.rank, recorded_at, u.market_time, u.occurred_at,
                    u.input_position, u.id, u.causation_id, coalesce(u.correlation_id, u.id), u.version,
                    coalesce(u.ordinal, 0), k_schema[u.kind],
                    CASE WHEN k_desk[u.kind] THEN 'desk'::retention ELSE 'market'::retention END,
                    s_name[k_stream[u.kind]], k_type[u.kind], k_worker[u.kind], k_build[u.kind], u.data
                FROM unnest(ranks, market_times, e_occurred_at, e_input_position, e_id, e_causation_id,
                        e_correlation_id, versions, e_ordinal, e_kind, e_data)
                    AS u (rank, market_time, occurred_at, input_position, id, causation_id,
                        correlation_id, version, ordinal, kind, data)
                WHERE u.rank IS NOT NULL;
            INSERT INTO event_ids (event_id, position, retention, digest)
                SELECT u.id, first_new - 1 + u.rank,
                    CASE WHEN k_desk[u.kind] THEN 'desk'::retention ELSE 'market'::retention END, u.digest
                FROM unnest(ranks, e_id, e_kind, e_digest) AS u (rank, id, kind, digest)
                WHERE u.rank IS NOT NULL;
            UPDATE streams s
                SET version = n.version,
                    first_position = CASE s.version WHEN 0 THEN n.first_position ELSE s.first_position END,
                    last_position = n.last_position
                FROM (
                    SELECT s_name[k_stream[u.kind]] AS stream, max(u.version) AS version,
                        first_new - 1 + min(u.rank) AS first_position,
                        first_new - 1 + max(u.rank) AS last_position
                    FROM unnest(e_kind, versions, ranks) AS u (kind, version, rank)
                    WHERE u.rank IS NOT NULL GROUP BY 1) AS n
                WHERE s.stream = n.stream;
            INSERT INTO commits (last_position, first_position, recorded_at, market_time, group_id)
                SELECT first_new - 1 + taken, first_new, recorded_at,
                    greatest(market_floor, u.market_time), p_group
                FROM unnest(market_times, ranks) AS u (market_time, rank) WHERE u.rank = taken;
            IF tail.recorded_at IS NULL
                OR (tail.recorded_at AT TIME ZONE 'UTC')::date < (recorded_at AT TIME ZONE 'UTC')::date
            THEN
                INSERT INTO log_days (first_position, day)
                    VALUES (first_new, (recorded_at AT TIME ZONE 'UTC')::date);
            END IF;
            IF p_accepts_clock THEN
                INSERT INTO clock_accepted (position) VALUES (first_new);
            END IF;

            SELECT bool_or(k_desk[u.kind]), bool_or(NOT k_desk[u.kind]) INTO any_desk, any_market
                FROM unnest(e_kind, ranks) AS u (kind, rank) WHERE u.rank IS NOT NULL;
            bell := (first_new - 1 + taken) || ' ' || (recorded_at AT TIME ZONE 'UTC')::date;
            IF any_market THEN
                PERFORM pg_notify('striketape_market', bell);
            END IF;
            IF any_desk THEN
                PERFORM pg_notify('striketape_desk', bell);
            END IF;
            RETURN;
        EXCEPTION WHEN unique_violation THEN
            IF NOT clean THEN
                RAISE;
            END IF;
            clean := false;
        END;
    END LOOP;
END
$$;
