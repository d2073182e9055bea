-- Schemas of projections are built beside the live one and swapped in by the name of the
-- projection: audit, feed. Tables cut by day are built without days; who writes makes them.
--
-- Days are made as plain tables and then attached, which readers and writers do not feel
-- (sql/0004_partitions.sql says more).
CREATE FUNCTION make_feed_days(p_schema name, p_from date, p_days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    family name;
    leaf name;
    wanted date;
    made integer := 0;
BEGIN
    IF p_schema NOT IN ('feed', 'feed_building') OR p_days NOT BETWEEN 1 AND 400 THEN
        RAISE EXCEPTION 'days must be from 1 to 400 and of feed, were % of %', p_days, p_schema;
    END IF;
    PERFORM pg_advisory_xact_lock(7236005);
    FOR family IN
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = p_schema AND c.relkind = 'p' ORDER BY 1
    LOOP
        FOR wanted IN SELECT p_from + step FROM generate_series(0, p_days - 1) AS step LOOP
            leaf := family || to_char(wanted, '_YYYYMMDD');
            CONTINUE WHEN to_regclass(format('%I.%I', p_schema, leaf)) IS NOT NULL;
            EXECUTE format('CREATE TABLE %1$I.%2$I (LIKE %1$I.%3$I INCLUDING ALL EXCLUDING INDEXES)',
                p_schema, leaf, family);
            EXECUTE format('ALTER TABLE %1$I.%2$I ATTACH PARTITION %1$I.%3$I FOR VALUES FROM (%4$L) '
                'TO (%5$L)', p_schema, family, leaf, wanted::timestamp AT TIME ZONE 'UTC',
                (wanted + 1)::timestamp AT TIME ZONE 'UTC');
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

-- Upkeep for the keeper: typed ticks go with their day, when its market events have left Postgres.
-- One call drops the oldest such day of all tables; 0 says that there is none.
CREATE FUNCTION prune_feed_days(p_before date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    leaf name;
    oldest text;
    gone integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(7236005);
    SELECT min(right(c.relname, 8)) INTO oldest
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'feed' AND c.relispartition AND c.relkind = 'r'
        AND right(c.relname, 8) < to_char(p_before, 'YYYYMMDD');
    FOR leaf IN
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'feed' AND c.relispartition AND c.relkind = 'r'
            AND right(c.relname, 8) = oldest ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE feed.%I', leaf);
        gone := gone + 1;
    END LOOP;
    RETURN gone;
END
$$;

-- The payload of a market event, as far as jsonb can hold it (as_jsonb of
-- sql/0014_views_and_upkeep.sql says more): of one that it cannot the whole event as a string.
CREATE FUNCTION payload_jsonb(json) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE RETURN
    CASE WHEN pg_input_is_valid($1::text, 'jsonb') THEN $1::jsonb -> 'payload'
        ELSE to_jsonb($1::text) END;

-- Views that show the raw payload beside the row; null when the event is archived.
CREATE FUNCTION make_feed_views(p_schema name) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    family name;
BEGIN
    FOR family IN
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = p_schema AND c.relkind = 'p' AND c.relname LIKE 'uw\_%' ORDER BY 1
    LOOP
        EXECUTE format(
            'CREATE VIEW %1$I.%2$I AS SELECT t.*, public.payload_jsonb(e.data) AS payload_jsonb '
            'FROM %1$I.%3$I t LEFT JOIN public.events_market e '
            'ON e.position = t.event_position AND e.recorded_at = t.recorded_at',
            p_schema, family || '_raw', family);
    END LOOP;
END
$$;

CREATE FUNCTION grant_projection(p_schema name) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO striketape_projector, striketape_reader, '
        'striketape_writer', p_schema);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO striketape_reader, '
        'striketape_writer', p_schema);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I '
        'TO striketape_projector', p_schema);
END
$$;

-- Empties the schema that is under construction; the position behind which it is to be built. Of
-- the feed that is the first whose market events are in Postgres, whatever the archive holds.
CREATE FUNCTION begin_projection_build(p_name name) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    building name := p_name || '_building';
    wanted record;
BEGIN
    IF p_name NOT IN ('audit', 'feed') THEN
        RAISE EXCEPTION 'projection must be audit or feed, was %', p_name;
    END IF;
    PERFORM pg_advisory_xact_lock(7236004);
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', building);
    EXECUTE format('CREATE SCHEMA %I', building);
    FOR wanted IN
        SELECT c.relname AS name,
            CASE c.relkind WHEN 'p' THEN 'PARTITION BY RANGE (recorded_at)' ELSE '' END AS cut
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = p_name AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1
    LOOP
        EXECUTE format('CREATE TABLE %1$I.%2$I (LIKE %3$I.%2$I INCLUDING ALL) %4$s',
            building, wanted.name, p_name, wanted.cut);
    END LOOP;
    IF p_name = 'feed' THEN
        PERFORM make_feed_views(building);
    END IF;
    PERFORM grant_projection(building);
    IF p_name = 'audit' THEN
        RETURN 0;
    END IF;
    RETURN coalesce((SELECT min(position) - 1 FROM events_market),
        (SELECT max(position) FROM events_desk), 0);
END
$$;

-- False when what was built is not there any more: another rebuild began meanwhile.
CREATE FUNCTION swap_in_projection_build(p_name name, p_generation uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    building name := p_name || '_building';
    is_there boolean;
BEGIN
    IF p_name NOT IN ('audit', 'feed') THEN
        RAISE EXCEPTION 'projection must be audit or feed, was %', p_name;
    END IF;
    PERFORM pg_advisory_xact_lock(7236004);
    IF to_regclass(format('%I.projection_state', building)) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('UPDATE %I.projection_state SET built_at = position '
        'WHERE generation = $1 RETURNING true', building) INTO is_there USING p_generation;
    IF is_there IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', p_name, p_name || '_replaced');
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', building, p_name);
    EXECUTE format('DROP SCHEMA %I CASCADE', p_name || '_replaced');
    RETURN true;
END
$$;

SELECT make_feed_views('feed');
SELECT grant_projection('feed');
REVOKE EXECUTE ON FUNCTION make_feed_days, prune_feed_days, make_feed_views, grant_projection,
    begin_projection_build, swap_in_projection_build FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_projection_build, swap_in_projection_build, make_feed_days
    TO striketape_projector;
GRANT EXECUTE ON FUNCTION prune_feed_days TO striketape_writer;
DROP FUNCTION begin_audit_build();
DROP FUNCTION swap_in_audit_build(uuid);
DROP FUNCTION grant_audit(name);
