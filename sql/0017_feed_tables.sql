-- Typed reading of what the feeds brought, one table for each channel family, written by a projection
-- of its own (projections/feed): what comes by the thousand must not hold up the audit of trades.
-- source_at is the vendor's time, received_at ours when the bytes came, recorded_at the log's, by
-- whose UTC day the tables are cut: old days are dropped whole. The raw event is under
-- (event_position, recorded_at); view <table>_raw shows its payload beside the row.
CREATE SCHEMA feed;

CREATE TABLE feed.projection_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    generation uuid NOT NULL,
    version integer NOT NULL,
    position bigint NOT NULL,
    built_at bigint NOT NULL
);

CREATE TABLE feed.uw_flow_alerts (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    expiry date NOT NULL, option_right text NOT NULL, strike numeric NOT NULL,
    option_symbol text NOT NULL, alert_id text NOT NULL, rule_id text, rule_name text,
    started_at timestamptz, price numeric, bid numeric, ask numeric, underlying_price numeric,
    total_size bigint NOT NULL, total_premium numeric, ask_side_premium numeric,
    bid_side_premium numeric, trade_count bigint, expiry_count bigint, open_interest bigint,
    volume bigint, ask_volume bigint, bid_volume bigint, mid_volume bigint, no_side_volume bigint,
    multi_volume bigint, stock_multi_volume bigint, has_sweep boolean NOT NULL,
    has_floor boolean NOT NULL, has_multi_leg boolean NOT NULL, has_single_leg boolean,
    all_opening_trades boolean, trade_ids text[] NOT NULL, exchanges text[] NOT NULL,
    conditions text[] NOT NULL,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_flow_alerts (symbol, source_at);

CREATE TABLE feed.uw_option_trades (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    expiry date NOT NULL, option_right text NOT NULL, strike numeric NOT NULL,
    premium numeric NOT NULL, trade_codes text[] NOT NULL, option_symbol text NOT NULL,
    trade_id text NOT NULL, created_at timestamptz, price numeric NOT NULL, size bigint NOT NULL,
    bid numeric, ask numeric, ewma_bid numeric, ewma_ask numeric, underlying_price numeric,
    implied_volatility double precision, delta double precision, gamma double precision,
    theta double precision, vega double precision, rho double precision,
    theoretical_price numeric, open_interest bigint, volume bigint, ask_volume bigint,
    bid_volume bigint, mid_volume bigint, no_side_volume bigint, multi_volume bigint,
    stock_multi_volume bigint, tags text[] NOT NULL, report_flags text[] NOT NULL, exchange text,
    is_canceled boolean NOT NULL, tagged_side smallint,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_option_trades (symbol, source_at);

CREATE TABLE feed.uw_gex_snapshot (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    price numeric, gamma_oi double precision, delta_oi double precision,
    charm_oi double precision, vanna_oi double precision, gamma_volume double precision,
    delta_volume double precision, charm_volume double precision, vanna_volume double precision,
    gamma_directed double precision, charm_directed double precision,
    vanna_directed double precision,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_gex_snapshot (symbol, source_at);

CREATE TABLE feed.uw_gex_strike (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    strike numeric NOT NULL, price numeric, call_delta_oi double precision,
    put_delta_oi double precision, call_gamma_oi double precision, put_gamma_oi double precision,
    call_charm_oi double precision, put_charm_oi double precision, call_vanna_oi double precision,
    put_vanna_oi double precision, call_delta_volume double precision,
    put_delta_volume double precision, call_gamma_volume double precision,
    put_gamma_volume double precision, call_charm_volume double precision,
    put_charm_volume double precision, call_vanna_volume double precision,
    put_vanna_volume double precision, call_gamma_ask_volume double precision,
    call_gamma_bid_volume double precision, put_gamma_ask_volume double precision,
    put_gamma_bid_volume double precision, call_charm_ask_volume double precision,
    call_charm_bid_volume double precision, put_charm_ask_volume double precision,
    put_charm_bid_volume double precision, call_vanna_ask_volume double precision,
    call_vanna_bid_volume double precision, put_vanna_ask_volume double precision,
    put_vanna_bid_volume double precision,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_gex_strike (symbol, source_at);

CREATE TABLE feed.uw_gex_strike_expiry (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    expiry date, strike numeric NOT NULL, price numeric, call_delta_oi double precision,
    put_delta_oi double precision, call_gamma_oi double precision, put_gamma_oi double precision,
    call_charm_oi double precision, put_charm_oi double precision, call_vanna_oi double precision,
    put_vanna_oi double precision, call_delta_volume double precision,
    put_delta_volume double precision, call_gamma_volume double precision,
    put_gamma_volume double precision, call_charm_volume double precision,
    put_charm_volume double precision, call_vanna_volume double precision,
    put_vanna_volume double precision, call_gamma_ask_volume double precision,
    call_gamma_bid_volume double precision, put_gamma_ask_volume double precision,
    put_gamma_bid_volume double precision, call_charm_ask_volume double precision,
    call_charm_bid_volume double precision, put_charm_ask_volume double precision,
    put_charm_bid_volume double precision, call_vanna_ask_volume double precision,
    call_vanna_bid_volume double precision, put_vanna_ask_volume double precision,
    put_vanna_bid_volume double precision,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_gex_strike_expiry (symbol, source_at);

CREATE TABLE feed.uw_news (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, headline text NOT NULL,
    source text, tickers text[] NOT NULL, is_trump_ts boolean,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_news (source_at);

CREATE TABLE feed.uw_price_ticks (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    price numeric NOT NULL, session_volume bigint,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_price_ticks (symbol, source_at);

-- Increments, not totals.
CREATE TABLE feed.uw_market_tide (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL,
    net_call_premium numeric NOT NULL, net_put_premium numeric NOT NULL, net_volume bigint,
    otm_net_call_premium numeric, otm_net_put_premium numeric, otm_net_volume bigint,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_market_tide (source_at);

-- Increments, not totals.
CREATE TABLE feed.uw_net_flow (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    net_call_premium numeric NOT NULL, net_call_volume bigint, net_put_premium numeric NOT NULL,
    net_put_volume bigint,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_net_flow (symbol, source_at);

CREATE TABLE feed.uw_trading_halts (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    state text NOT NULL, reason text,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_trading_halts (symbol, source_at);

-- A window is repeated while it fills: of (symbol, interval_type, window_start_at) the newest
-- source_at counts.
CREATE TABLE feed.uw_interval_flow (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    interval_type text NOT NULL, window_start_at timestamptz NOT NULL, transactions bigint,
    call_volume bigint, put_volume bigint, call_volume_ask_side bigint,
    call_volume_bid_side bigint, call_volume_neutral_side bigint, put_volume_ask_side bigint,
    put_volume_bid_side bigint, put_volume_neutral_side bigint, call_sweep_volume bigint,
    put_sweep_volume bigint, call_floor_volume bigint, put_floor_volume bigint,
    call_cross_volume bigint, put_cross_volume bigint, call_multi_volume bigint,
    put_multi_volume bigint, cumulative_net_call_delta double precision,
    cumulative_net_put_delta double precision, average_days_to_expiry double precision,
    average_out_of_the_money double precision, average_size double precision,
    average_premium numeric, net_call_premium numeric, net_put_premium numeric, open numeric,
    close numeric, implied_move_30d_open_bps double precision,
    implied_move_30d_close_bps double precision, volatility_30d_open_bps double precision,
    volatility_30d_close_bps double precision, delta_flow double precision,
    gamma_flow double precision, vega_flow double precision,
    directional_delta_flow double precision, directional_gamma_flow double precision,
    directional_vega_flow double precision,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_interval_flow (symbol, source_at);

CREATE TABLE feed.uw_contract_screener (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    expiry date NOT NULL, option_right text NOT NULL, strike numeric NOT NULL,
    option_symbol text NOT NULL, volume bigint NOT NULL, open_interest bigint,
    previous_open_interest bigint, trades bigint, premium numeric, ask_side_volume bigint,
    bid_side_volume bigint, neutral_volume bigint, mid_volume bigint, floor_volume bigint,
    sweep_volume bigint, cross_volume bigint, multi_leg_volume bigint,
    stock_multi_leg_volume bigint, days_of_oi_increases bigint, days_of_volume_above_oi bigint,
    open numeric, high numeric, low numeric, close numeric, average_price numeric,
    previous_close numeric, bid numeric, ask numeric, implied_volatility double precision,
    delta double precision, gamma double precision, theta double precision, vega double precision,
    ask_side_share_7_days double precision, bid_side_share_7_days double precision,
    is_new boolean,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_contract_screener (symbol, source_at);

CREATE TABLE feed.uw_lit_trades (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    reported_at timestamptz, kind text, price numeric NOT NULL, size bigint NOT NULL,
    session_volume bigint, settlement text, trade_code text, extended_hours_code text,
    sale_condition_code text, bid numeric, ask numeric, bid_quantity bigint, ask_quantity bigint,
    sector text, issue_type text, next_earnings_date date, average_30_day_volume double precision,
    market_cap numeric,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_lit_trades (symbol, source_at);

CREATE TABLE feed.uw_off_lit_trades (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    reported_at timestamptz, kind text, price numeric NOT NULL, size bigint NOT NULL,
    session_volume bigint, settlement text, trade_code text, extended_hours_code text,
    sale_condition_code text, bid numeric, ask numeric, bid_quantity bigint, ask_quantity bigint,
    sector text, issue_type text, next_earnings_date date, average_30_day_volume double precision,
    market_cap numeric,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_off_lit_trades (symbol, source_at);

CREATE TABLE feed.uw_custom_alerts (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, name text,
    alert_type text NOT NULL, configuration_id text, about text, about_type text,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_custom_alerts (source_at);

CREATE TABLE feed.uw_interpolated_iv (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, symbol text NOT NULL, session_date date NOT NULL,
    days bigint NOT NULL, volatility double precision, implied_move double precision,
    implied_move_percent double precision, is_exact boolean,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_interpolated_iv (symbol, recorded_at);

CREATE TABLE feed.uw_iv_term_structure (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, symbol text NOT NULL, session_date date NOT NULL,
    expiry date NOT NULL, volatility double precision, implied_move double precision,
    implied_move_percent double precision,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_iv_term_structure (symbol, recorded_at);

-- One row for each of a frame; a snapshot is whole with total_rows of one source_at.
CREATE TABLE feed.uw_periscope (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    total_rows bigint NOT NULL, has_more boolean NOT NULL, row_number bigint NOT NULL,
    strike numeric NOT NULL, expiry date NOT NULL, gamma double precision, charm double precision,
    vanna double precision,
    PRIMARY KEY (event_position, row_number, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_periscope (symbol, source_at);

CREATE TABLE feed.uw_futures_trades (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, source_at timestamptz NOT NULL, symbol text NOT NULL,
    price numeric NOT NULL, size bigint, side text,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_futures_trades (symbol, source_at);

-- REST answers. People look up bodies by themselves, so they are here too, as they came.
CREATE TABLE feed.uw_rest_payloads (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, endpoint text NOT NULL, path text NOT NULL,
    query text NOT NULL, symbol text NOT NULL, status integer NOT NULL, purpose text NOT NULL,
    gap_id text NOT NULL, headers jsonb NOT NULL, payload json NOT NULL,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.uw_rest_payloads (endpoint, recorded_at);

-- Frames that could not be read as what their channel carries, and why.
CREATE TABLE feed.uw_unread (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, type text NOT NULL, channel text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);

-- Messages of any vendor that did not become data, and why.
CREATE TABLE feed.rejected_messages (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    received_at timestamptz NOT NULL, vendor text NOT NULL, feed text NOT NULL,
    reason text NOT NULL, payload bytea NOT NULL,
    PRIMARY KEY (event_position, recorded_at)
) PARTITION BY RANGE (recorded_at);
