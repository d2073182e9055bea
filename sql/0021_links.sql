-- On which later days something is named as a cause or as a story. Its effects may be on any later
-- day, and each day of the log is two partitions with indexes of their own: to look into all days of
-- two years takes a second. What is named on its own day needs no row, and nearly everything is.
--
-- Derived from the log and noted behind it, so that no append pays for it: the keeper calls
-- note_links every night until it returns 0. Days beyond links_noted are looked into.
CREATE TABLE links (
    id uuid NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (id, day)
);
CREATE TABLE links_noted (position bigint NOT NULL);
INSERT INTO links_noted VALUES (0);
GRANT SELECT ON links, links_noted TO striketape_writer, striketape_reader, striketape_projector;

-- Note the next events, at most so many positions and never beyond a day; returns how many positions
-- that were. An id that is not known any more is one of a market event whose day was archived, so of
-- an earlier day.
CREATE FUNCTION note_links(p_positions_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    noted bigint;
    up_to bigint;
    today log_days;
BEGIN
    SELECT position INTO noted FROM links_noted FOR UPDATE;
    SELECT * INTO today FROM log_days WHERE first_position <= noted + 1
        ORDER BY first_position DESC LIMIT 1;
    SELECT least(
            noted + p_positions_max,
            (SELECT max(last_position) FROM commits),
            (SELECT min(first_position) - 1 FROM log_days WHERE day > today.day))
        INTO up_to;
    IF today IS NULL OR up_to <= noted THEN
        RETURN 0;
    END IF;
    -- With the day as a constant, so that the planner opens no other.
    EXECUTE format($note$
        INSERT INTO links
        SELECT DISTINCT named.id, %1$L::date
        FROM events AS e CROSS JOIN unnest(ARRAY[e.causation_id, e.correlation_id]) AS named (id)
        LEFT JOIN event_ids AS known ON known.event_id = named.id
        WHERE e.position > $1 AND e.position <= $2
            AND e.recorded_at >= %2$L::timestamptz AND e.recorded_at < %3$L::timestamptz
            AND (e.causation_id IS NOT NULL OR e.correlation_id <> e.event_id)
            AND named.id IS NOT NULL AND (known.position IS NULL OR known.position < $3)
        ON CONFLICT DO NOTHING
        $note$, today.day, today.day::timestamp AT TIME ZONE 'UTC',
        (today.day + 1)::timestamp AT TIME ZONE 'UTC')
        USING noted, up_to, today.first_position;
    UPDATE links_noted SET position = up_to;
    RETURN up_to - noted;
END
$$;
REVOKE EXECUTE ON FUNCTION note_links FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_links TO striketape_writer;
