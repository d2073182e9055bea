-- Days are made ahead of time as plain tables and then attached: ATTACH takes a lock that appends
-- do not feel, CREATE ... PARTITION OF would stop them. There is no DEFAULT partition, because
-- one forbids to detach concurrently. Called by the store when it opens and by the keeper.
CREATE FUNCTION make_partitions(from_day date, days integer) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made text[] := '{}';
    family text;
    leaf text;
    wanted date;
BEGIN
    IF days NOT BETWEEN 1 AND 400 THEN
        RAISE EXCEPTION 'days must be from 1 to 400, was %', days;
    END IF;
    PERFORM pg_advisory_xact_lock(7236003);
    FOREACH family IN ARRAY ARRAY['events_market', 'events_desk'] LOOP
        FOR wanted IN SELECT from_day + step FROM generate_series(0, days - 1) AS step LOOP
            leaf := family || to_char(wanted, '_YYYYMMDD');
            CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES)', leaf, family);
            EXECUTE format(
                'CREATE TRIGGER events_stay BEFORE TRUNCATE ON %I '
                'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', leaf);
            EXECUTE format(
                'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                family, leaf, wanted::timestamp AT TIME ZONE 'UTC',
                (wanted + 1)::timestamp AT TIME ZONE 'UTC');
            EXECUTE format(
                'GRANT SELECT ON %I TO striketape_writer, striketape_reader, striketape_projector',
                leaf);
            made := made || leaf;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

REVOKE EXECUTE ON FUNCTION make_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_partitions TO striketape_writer;

SELECT make_partitions((clock_timestamp() AT TIME ZONE 'UTC')::date, 3);
