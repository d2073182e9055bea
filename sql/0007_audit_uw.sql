-- Typed reading of what Unusual Whales sent, one table for each channel family. source_at is the
-- vendor's time, received_at ours when the bytes came, recorded_at the log's. The verbatim payload
-- is on the log under event_position (view market_events_jsonb); REST bodies, which people look up
-- by themselves, are here too. A payload that cannot be read is a row of uw_unread.
CREATE TABLE audit.uw_flow_alerts (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    source_at timestamptz NOT NULL,
    alert_id text NOT NULL,
    rule_name text,
    symbol text NOT NULL,
    option_symbol text NOT NULL,
    expiry date NOT NULL,
    option_right text NOT NULL,
    strike numeric NOT NULL,
    started_at timestamptz,
    price numeric,
    underlying_price double precision,
    total_size bigint NOT NULL,
    total_premium double precision NOT NULL,
    ask_side_premium double precision NOT NULL,
    bid_side_premium double precision NOT NULL,
    volume bigint,
    open_interest bigint,
    trade_count bigint,
    has_sweep boolean NOT NULL,
    has_floor boolean NOT NULL,
    has_multi_leg boolean NOT NULL
);
CREATE INDEX ON audit.uw_flow_alerts (symbol, source_at);

CREATE TABLE audit.uw_option_trades (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    source_at timestamptz NOT NULL,
    trade_id text NOT NULL,
    symbol text NOT NULL,
    option_symbol text NOT NULL,
    expiry date NOT NULL,
    option_right text NOT NULL,
    strike numeric NOT NULL,
    price numeric NOT NULL,
    size bigint NOT NULL,
    premium double precision NOT NULL,
    bid numeric,
    ask numeric,
    underlying_price double precision,
    implied_volatility double precision,
    delta double precision,
    gamma double precision,
    theta double precision,
    vega double precision,
    open_interest bigint,
    volume bigint,
    tagged_side smallint,
    tags text[] NOT NULL,
    report_flags text[] NOT NULL,
    exchange text,
    is_canceled boolean NOT NULL
);
CREATE INDEX ON audit.uw_option_trades (symbol, source_at);

CREATE TABLE audit.uw_gex_snapshot (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    source_at timestamptz NOT NULL,
    symbol text NOT NULL,
    price numeric,
    gamma_oi double precision,
    delta_oi double precision,
    charm_oi double precision,
    vanna_oi double precision,
    gamma_volume double precision,
    delta_volume double precision,
    charm_volume double precision,
    vanna_volume double precision,
    gamma_directed double precision,
    charm_directed double precision,
    vanna_directed double precision
);
CREATE INDEX ON audit.uw_gex_snapshot (symbol, source_at);

-- Channels gex_strike (expiry null) and gex_strike_expiry.
CREATE TABLE audit.uw_gex_strike (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    source_at timestamptz NOT NULL,
    symbol text NOT NULL,
    expiry date,
    strike numeric NOT NULL,
    price numeric,
    call_gamma_oi double precision,
    put_gamma_oi double precision,
    call_gamma_volume double precision,
    put_gamma_volume double precision,
    call_gamma_ask_volume double precision,
    call_gamma_bid_volume double precision,
    put_gamma_ask_volume double precision,
    put_gamma_bid_volume double precision
);
CREATE INDEX ON audit.uw_gex_strike (symbol, source_at);

CREATE TABLE audit.uw_news (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    source_at timestamptz NOT NULL,
    headline text NOT NULL,
    source text,
    tickers text[] NOT NULL
);
CREATE INDEX ON audit.uw_news (source_at);

CREATE TABLE audit.uw_price_ticks (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    source_at timestamptz NOT NULL,
    symbol text NOT NULL,
    price numeric NOT NULL,
    session_volume bigint
);
CREATE INDEX ON audit.uw_price_ticks (symbol, source_at);

CREATE TABLE audit.uw_rest_payloads (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    endpoint text NOT NULL,
    path text NOT NULL,
    query text NOT NULL,
    symbol text NOT NULL,
    status integer NOT NULL,
    payload json NOT NULL
);
CREATE INDEX ON audit.uw_rest_payloads (endpoint, received_at);

CREATE TABLE audit.uw_unread (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    type text NOT NULL,
    channel text NOT NULL,
    reason text NOT NULL
);

-- A rebuild grows in audit_building and is swapped in by name: readers see the old tables until
-- the moment the new ones are whole.
CREATE FUNCTION begin_audit_build() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wanted name;
BEGIN
    PERFORM pg_advisory_xact_lock(7236004);
    DROP SCHEMA IF EXISTS audit_building CASCADE;
    CREATE SCHEMA audit_building;
    FOR wanted IN SELECT tablename FROM pg_tables WHERE schemaname = 'audit' ORDER BY 1 LOOP
        EXECUTE format('CREATE TABLE audit_building.%I (LIKE audit.%I INCLUDING ALL)', wanted, wanted);
    END LOOP;
    PERFORM grant_audit('audit_building');
END
$$;

CREATE FUNCTION grant_audit(p_schema name) RETURNS void
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

-- False when what was built is not there any more: another rebuild began meanwhile.
CREATE FUNCTION swap_in_audit_build(p_generation uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    is_there boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(7236004);
    IF to_regclass('audit_building.projection_state') IS NULL THEN
        RETURN false;
    END IF;
    UPDATE audit_building.projection_state SET built_at = position
        WHERE generation = p_generation RETURNING true INTO is_there;
    IF is_there IS NULL THEN
        RETURN false;
    END IF;
    ALTER SCHEMA audit RENAME TO audit_replaced;
    ALTER SCHEMA audit_building RENAME TO audit;
    DROP SCHEMA audit_replaced CASCADE;
    RETURN true;
END
$$;

-- Upkeep for the keeper: typed ticks are kept as long as market events, desk tables for ever.
CREATE FUNCTION prune_audit_ticks(p_before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wanted name;
    gone bigint;
    total bigint := 0;
BEGIN
    FOR wanted IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'audit' AND tablename LIKE 'uw\_%'
    LOOP
        EXECUTE format('DELETE FROM audit.%I WHERE recorded_at < $1', wanted) USING p_before;
        GET DIAGNOSTICS gone = ROW_COUNT;
        total := total + gone;
    END LOOP;
    RETURN total;
END
$$;

SELECT grant_audit('audit');
REVOKE EXECUTE ON FUNCTION begin_audit_build, grant_audit, swap_in_audit_build, prune_audit_ticks
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_audit_build, swap_in_audit_build TO striketape_projector;
GRANT EXECUTE ON FUNCTION prune_audit_ticks TO striketape_projector, striketape_writer;
