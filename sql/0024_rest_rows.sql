-- Rows of REST answers that are series or aggregates and may be restated, all endpoints in one table:
-- of each row what the newest answer of the day says, by the natural key that
-- domain/payloads/unusual_whales/row_keys.py names. The answers stay in uw_rest_payloads.
--
-- recorded_at, received_at and event_position are those of the answer that last changed the row: most
-- answers repeat a whole session minute by minute, and what says the same is not written again.
CREATE TABLE feed.uw_rest_rows (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz, day date NOT NULL,
    endpoint text NOT NULL, params text NOT NULL, row_key text NOT NULL, symbol text NOT NULL,
    row jsonb NOT NULL,
    PRIMARY KEY (day, endpoint, params, row_key, recorded_at)
) PARTITION BY RANGE (recorded_at);

-- Within a day a key is of one row. A constraint cannot say so, because it must hold recorded_at; this
-- function is the only writer, in transactions that one another's position keeps apart. A row that
-- jsonb cannot hold is one string (sql/0014_views_and_upkeep.sql).
CREATE FUNCTION restate_rest_rows(
    p_schema name, p_recorded_at timestamptz, p_position bigint, p_received_at timestamptz,
    p_endpoint text, p_params text, p_symbol text, p_keys text[], p_source_at timestamptz[],
    p_rows text[]
) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    starts_at timestamptz := date_trunc('day', p_recorded_at, 'UTC');
BEGIN
    EXECUTE format(
        'MERGE INTO %I.uw_rest_rows t USING ('
        '    SELECT told.row_key, told.source_at, as_jsonb(told.row::json) AS row'
        '    FROM unnest($7, $8, $9) AS told (row_key, source_at, row)'
        ') s ON t.day = $10 AND t.endpoint = $4 AND t.params = $5 AND t.row_key = s.row_key'
        '    AND t.recorded_at >= $11 AND t.recorded_at < $12 '
        'WHEN MATCHED AND t.row IS DISTINCT FROM s.row THEN UPDATE SET recorded_at = $1,'
        '    event_position = $2, received_at = $3, source_at = s.source_at, symbol = $6,'
        '    row = s.row '
        'WHEN NOT MATCHED THEN INSERT (recorded_at, event_position, received_at, source_at, day,'
        '    endpoint, params, row_key, symbol, row)'
        '    VALUES ($1, $2, $3, s.source_at, $10, $4, $5, s.row_key, $6, s.row)',
        p_schema)
    USING p_recorded_at, p_position, p_received_at, p_endpoint, p_params, p_symbol, p_keys,
        p_source_at, p_rows, (starts_at AT TIME ZONE 'UTC')::date, starts_at,
        starts_at + interval '24 hours';
END
$$;

-- Beside the answer that a row came of, as of every table: feed.uw_rest_rows_raw.
CREATE VIEW feed.uw_rest_rows_raw AS
    SELECT t.*, public.payload_jsonb(e.data) AS payload_jsonb
    FROM feed.uw_rest_rows t LEFT JOIN public.events_market e
        ON e.position = t.event_position AND e.recorded_at = t.recorded_at;

SELECT grant_projection('feed');
REVOKE EXECUTE ON FUNCTION restate_rest_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION restate_rest_rows TO striketape_projector;
