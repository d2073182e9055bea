-- The floor that appends, reads and sizes are held against: the envelope of an event as plain
-- columns, day partitions, two indexes. No versions are checked, no id is unique, no order is
-- kept, nobody is woken: what is left is what Postgres itself costs. Never changed with the log.
CREATE SCHEMA floor;

CREATE TABLE floor.events (
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    market_time timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    input_position bigint,
    event_id uuid NOT NULL,
    causation_id uuid,
    correlation_id uuid NOT NULL,
    version integer NOT NULL,
    ordinal integer NOT NULL,
    schema integer NOT NULL,
    retention smallint NOT NULL,
    stream text NOT NULL,
    type text NOT NULL,
    worker text NOT NULL,
    build text NOT NULL,
    data json NOT NULL
) PARTITION BY RANGE (recorded_at);

CREATE INDEX ON floor.events (position);
CREATE INDEX ON floor.events (stream, version);

DO $$
DECLARE
    day date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
BEGIN
    FOR step IN 0 .. 2 LOOP
        EXECUTE format(
            'CREATE TABLE floor.%I PARTITION OF floor.events FOR VALUES FROM (%L) TO (%L)',
            'events_' || to_char(day + step, 'YYYYMMDD'),
            (day + step)::timestamp AT TIME ZONE 'UTC',
            (day + step + 1)::timestamp AT TIME ZONE 'UTC');
    END LOOP;
END
$$;
