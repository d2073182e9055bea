-- The bell says what it rings for: one channel, and 'position day type,type…' of a commit. A reader
-- whose types are not among them sleeps on: at thousands of prints a second the trader would ask
-- for a page of nothing at each commit of the feeds. Readers poll as well, so a bell that said too
-- little would cost time and lose nothing.
--
-- The append functions as they are (sql/0012_append_rows.sql, sql/0013_clock_steps.sql) but for
-- that; append_rows is given the types in place of the classes.
CREATE FUNCTION pg_temp.swapped(body text, item text, since text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    ASSERT position(item IN body) > 0, format('the function must have %s', item);
    RETURN replace(body, item, since);
END
$$;

DO $do$
DECLARE
    body text;
BEGIN
    body := pg_temp.swapped(
        pg_get_functiondef('append_event'::regproc),
        E'    PERFORM pg_notify(\n'
        '        CASE WHEN p_desk THEN ''striketape_desk'' ELSE ''striketape_market'' END,\n'
        '        new_position || '' '' || today);',
        E'    PERFORM pg_notify(\n'
        '        ''striketape'', new_position || '' '' || today || '' '' || p_type);');
    EXECUTE body;

    body := pg_temp.swapped(
        pg_get_functiondef('append_rows'::regproc),
        'p_has_market boolean, p_has_desk boolean', 'p_types text');
    body := pg_temp.swapped(body,
        E'    IF p_has_market THEN\n'
        '        PERFORM pg_notify(''striketape_market'', last_position || '' '' || today);\n'
        '    END IF;\n'
        '    IF p_has_desk THEN\n'
        '        PERFORM pg_notify(''striketape_desk'', last_position || '' '' || today);\n'
        '    END IF;',
        E'    PERFORM pg_notify(\n'
        '        ''striketape'', last_position || '' '' || today || '' '' || p_types);');
    DROP FUNCTION append_rows;
    EXECUTE body;

    body := pg_temp.swapped(
        pg_get_functiondef('append_events'::regproc),
        E'    any_market boolean;\n    any_desk boolean;', '    types text;');
    body := pg_temp.swapped(body,
        'SELECT bool_or(r.is_desk), bool_or(NOT r.is_desk) INTO any_desk, any_market',
        'SELECT string_agg(DISTINCT r.type, '','') INTO types');
    body := pg_temp.swapped(body,
        E'    IF any_market THEN\n'
        '        PERFORM pg_notify(''striketape_market'', (first_new - 1 + taken) || '' '' || today);\n'
        '    END IF;\n'
        '    IF any_desk THEN\n'
        '        PERFORM pg_notify(''striketape_desk'', (first_new - 1 + taken) || '' '' || today);\n'
        '    END IF;',
        E'    PERFORM pg_notify(\n'
        '        ''striketape'', (first_new - 1 + taken) || '' '' || today || '' '' || types);');
    EXECUTE body;
END
$do$;

REVOKE EXECUTE ON FUNCTION append_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_rows TO striketape_writer;
