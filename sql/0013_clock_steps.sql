-- A step of the database clock stays refused, for everybody, until ClockAccepted is on the log.
-- Each writer compares the clock with its own monotonic one from append to append; a process that
-- starts anew cannot know of a step before it, and would have taken the new time for good.
-- Here is what a running one noticed: at most one row, gone with the acceptance.
CREATE TABLE clock_steps (
    position bigint PRIMARY KEY,
    noticed_at timestamptz NOT NULL,
    step_seconds double precision NOT NULL
);
GRANT SELECT ON clock_steps TO striketape_writer, striketape_reader, striketape_projector;

-- The step that made an append functions raise ST001, unless it was accepted meanwhile. The
-- transaction that noticed it is rolled back, so it is noted in one of its own.
CREATE FUNCTION note_clock_step(
    p_anchor timestamptz, p_anchor_position bigint, p_elapsed_seconds double precision
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    step_seconds double precision :=
        extract(epoch FROM clock_timestamp() - p_anchor) - p_elapsed_seconds;
BEGIN
    PERFORM pg_advisory_xact_lock(7236002);
    IF abs(step_seconds) > 60
        AND NOT EXISTS (SELECT FROM clock_accepted a WHERE a.position > p_anchor_position)
        AND NOT EXISTS (SELECT FROM clock_steps)
    THEN
        INSERT INTO clock_steps VALUES (p_anchor_position, clock_timestamp(), step_seconds);
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION note_clock_step FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_clock_step TO striketape_writer;

-- The append functions of sql/0012_append_rows.sql and sql/0010_append_event.sql as they are, with
-- one look at the table before anything else.
DO $do$
DECLARE
    item regprocedure;
    before text;
    since text;
    look text;
BEGIN
    FOR item, look IN
        SELECT p.oid, CASE p.proname WHEN 'append_events' THEN 'NOT p_accepts_clock AND ' ELSE '' END
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
            AND p.proname IN ('append_event', 'append_rows', 'append_events')
    LOOP
        before := pg_get_functiondef(item);
        since := replace(before, E'    IF abs(step_seconds) > 60', format($look$
    IF %sEXISTS (SELECT FROM clock_steps) THEN
        SELECT c.step_seconds INTO step_seconds FROM clock_steps c;
        RAISE EXCEPTION 'the database clock must follow the monotonic clock, stepped by %% s',
            round(step_seconds::numeric, 1) USING ERRCODE = 'ST001';
    END IF;
    IF abs(step_seconds) > 60$look$, look));
        since := replace(since,
            E'        INSERT INTO clock_accepted (position) VALUES (first_new);',
            E'        INSERT INTO clock_accepted (position) VALUES (first_new);\n'
            '        DELETE FROM clock_steps;');
        ASSERT since LIKE '%FROM clock_steps%', format('%s must look at the clock', item);
        ASSERT look = '' OR since LIKE '%DELETE FROM clock_steps%', format('%s must accept', item);
        EXECUTE since;
    END LOOP;
END
$do$;
