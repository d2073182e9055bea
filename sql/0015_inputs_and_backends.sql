-- What archived files answer, and the name of a lost connection.

-- Which inputs the emissions in a file answer, so that recovery and verify-decisions of many days
-- need not open every later file for each page. 0 and 0 when there is no emission in it; null in a
-- row from before this migration until the archiver has looked (store/archiver.py).
ALTER TABLE archived_days ADD COLUMN first_input bigint, ADD COLUMN last_input bigint;

-- A process number may be somebody else's by the time that a group is settled (the server was
-- restarted): only together with its start it names a connection. Both are null for a login whose
-- activity the owner of these functions may not see; then the number alone must do.
CREATE FUNCTION backend_started() RETURNS timestamptz
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
$$;
DROP FUNCTION end_backend(integer);
CREATE FUNCTION end_backend(p_pid integer, p_started timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    still_there boolean;
BEGIN
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE pid = p_pid AND (p_started IS NULL OR backend_start = p_started))
        INTO still_there;
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE pid = p_pid AND datname = current_database() AND usename = session_user
            AND (p_started IS NULL OR backend_start = p_started);
    RETURN still_there;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN still_there;
END
$$;
REVOKE EXECUTE ON FUNCTION backend_started, end_backend FROM PUBLIC;
GRANT EXECUTE ON FUNCTION backend_started, end_backend TO striketape_writer;
