-- The log. One parent for both retention classes, split first by class and then by UTC day of
-- recorded_at: one order needs one table to read, and the planner prunes both levels from
-- constants, so that a tail read opens at most two leaves, and one that wants desk events alone
-- never opens a market leaf. Two parents would need a UNION in every reader for the same plan.
--
-- A unique index of a partitioned table protects nothing across days. Stream versions, event ids
-- and the tail of the order therefore live in unpartitioned tables (0003). Positions are dense
-- and unique because append_events (0005), the only writer, gives them under one lock.
CREATE TYPE retention AS ENUM ('market', 'desk');

CREATE TABLE events (
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
    retention retention NOT NULL,
    stream text NOT NULL,
    type text NOT NULL,
    worker text NOT NULL,
    build text NOT NULL,
    -- json, not jsonb: payloads of vendors are kept byte for byte.
    data json NOT NULL
) PARTITION BY LIST (retention);

CREATE TABLE events_market PARTITION OF events FOR VALUES IN ('market')
    PARTITION BY RANGE (recorded_at);
CREATE TABLE events_desk PARTITION OF events FOR VALUES IN ('desk')
    PARTITION BY RANGE (recorded_at);

CREATE INDEX events_position ON events (position);
CREATE INDEX events_stream ON events (stream, version);
-- Feed events are no emissions and have no cause: these cost them nothing.
CREATE INDEX events_emission ON events (worker, input_position, ordinal)
    WHERE input_position IS NOT NULL;
CREATE INDEX events_causation ON events (causation_id) WHERE causation_id IS NOT NULL;
CREATE INDEX events_desk_type ON events_desk (type, position);
CREATE INDEX events_desk_correlation ON events_desk (correlation_id);
CREATE INDEX events_market_correlation ON events_market (correlation_id)
    WHERE input_position IS NOT NULL;

-- The roles have no right to change events; these stop the owner as well.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: events are facts', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER events_are_facts BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
-- Row triggers reach every leaf by themselves; truncation has none, so each leaf gets its own.
CREATE TRIGGER events_stay BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_stay BEFORE TRUNCATE ON events_market
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_stay BEFORE TRUNCATE ON events_desk
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- For people with SQL: data as jsonb, which has operators and indexes and loses the exact bytes.
CREATE VIEW events_jsonb AS
    SELECT position, recorded_at, market_time, occurred_at, retention, stream, version, type,
           schema, event_id, causation_id, correlation_id, worker, build, input_position, ordinal,
           data::jsonb AS data
    FROM events;
CREATE VIEW desk_events_jsonb AS SELECT * FROM events_jsonb WHERE retention = 'desk';
CREATE VIEW market_events_jsonb AS SELECT * FROM events_jsonb WHERE retention = 'market';

GRANT SELECT ON events, events_market, events_desk, events_jsonb, desk_events_jsonb,
    market_events_jsonb TO striketape_writer, striketape_reader, striketape_projector;
