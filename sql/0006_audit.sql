-- Audit tables: what happened, row by row, for people and reports. Written by the audit projector
-- alone (projections/audit), from the log, in one transaction with projection_state; they can be
-- dropped and built again. event_position is the newest event that a row tells of: the way back to
-- the raw event. Times: *_at of market time, recorded_at of real time.
CREATE SCHEMA audit;

CREATE TABLE audit.projection_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    generation uuid NOT NULL,
    version integer NOT NULL,
    position bigint NOT NULL,
    built_at bigint NOT NULL
);

CREATE TABLE audit.signals (
    signal_id text PRIMARY KEY,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    strategy text NOT NULL,
    variant text NOT NULL,
    symbol text NOT NULL,
    direction text NOT NULL,
    state text NOT NULL,
    score double precision NOT NULL,
    probability double precision NOT NULL,
    confidence double precision,
    coverage double precision NOT NULL,
    bias double precision NOT NULL,
    clip_adjust double precision NOT NULL,
    rationale text,
    params_version bigint NOT NULL,
    features jsonb NOT NULL,
    gates jsonb NOT NULL,
    structure jsonb,
    risk_inputs jsonb,
    exit_plan jsonb,
    raised_at timestamptz,
    validated_at timestamptz,
    valid_until timestamptz,
    ended_at timestamptz,
    end_reason text
);

CREATE TABLE audit.decisions (
    decision_id text PRIMARY KEY,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    signal_id text NOT NULL,
    strategy text NOT NULL,
    symbol text NOT NULL,
    approved boolean NOT NULL,
    units bigint NOT NULL,
    denials text[] NOT NULL,
    checks jsonb NOT NULL,
    size jsonb,
    max_loss_usd numeric NOT NULL,
    max_profit_usd numeric,
    equity_usd numeric,
    broker_ready_id text NOT NULL,
    decided_at timestamptz NOT NULL,
    margin jsonb,
    entry_refused_codes text[]
);

CREATE TABLE audit.orders (
    order_ref text PRIMARY KEY,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    order_id bigint NOT NULL,
    perm_id bigint,
    purpose text NOT NULL,
    signal_id text NOT NULL,
    decision_id text NOT NULL,
    position_id text NOT NULL,
    symbol text NOT NULL,
    structure jsonb NOT NULL,
    action text NOT NULL,
    quantity bigint NOT NULL,
    order_type text NOT NULL,
    limit_price numeric NOT NULL,
    stop_price numeric,
    account text NOT NULL,
    attempt bigint NOT NULL,
    revision bigint NOT NULL,
    state text NOT NULL,
    filled bigint NOT NULL,
    remaining bigint NOT NULL,
    reason text,
    broker_code bigint,
    intended_at timestamptz NOT NULL,
    sent_at timestamptz,
    send_latency_seconds double precision,
    changed_at timestamptz
);
CREATE INDEX ON audit.orders (position_id);

CREATE TABLE audit.fills (
    exec_id text PRIMARY KEY,
    fill_id text NOT NULL,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    order_ref text NOT NULL,
    position_id text NOT NULL,
    contract jsonb,
    side text NOT NULL,
    quantity bigint NOT NULL,
    price numeric NOT NULL,
    executed_at timestamptz NOT NULL,
    corrects text NOT NULL,
    commission numeric
);
CREATE INDEX ON audit.fills (position_id);

CREATE TABLE audit.positions (
    position_id text PRIMARY KEY,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    signal_id text NOT NULL,
    decision_id text NOT NULL,
    strategy text NOT NULL,
    symbol text NOT NULL,
    direction text NOT NULL,
    structure jsonb NOT NULL,
    exit_plan jsonb NOT NULL,
    state text NOT NULL,
    planned_units bigint NOT NULL,
    units bigint,
    legs jsonb,
    average_entry_price numeric,
    average_exit_price numeric,
    stop_price numeric,
    max_loss_per_unit_usd numeric NOT NULL,
    risk_units numeric NOT NULL,
    realised_pnl numeric,
    fees numeric,
    pnl_over_max_loss numeric,
    explained jsonb,
    exit_reason text,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz
);
CREATE INDEX ON audit.positions (opened_at);

CREATE TABLE audit.adjustments (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    position_id text NOT NULL,
    con_id bigint NOT NULL,
    quantity bigint NOT NULL,
    kind text NOT NULL,
    evidence text NOT NULL
);

CREATE TABLE audit.publications (
    delivery_id text PRIMARY KEY,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    source_event_id text NOT NULL,
    kind text NOT NULL,
    vendor text NOT NULL,
    channel text NOT NULL,
    tier text,
    public_id text NOT NULL,
    trade_id text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    fields jsonb NOT NULL,
    reply_to text NOT NULL,
    approval_id text NOT NULL,
    policy_version bigint NOT NULL,
    event_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    attempted_at timestamptz,
    ended_at timestamptz,
    remote_id text,
    remote_at timestamptz,
    reason text
);
CREATE INDEX ON audit.publications (trade_id);

CREATE TABLE audit.withheld_publications (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    source_event_id text NOT NULL,
    reason text NOT NULL
);

CREATE TABLE audit.approvals (
    approval_id text PRIMARY KEY,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    kind text NOT NULL,
    subject_id text NOT NULL,
    revision bigint NOT NULL,
    text text NOT NULL,
    targets text[] NOT NULL,
    state text NOT NULL,
    who text,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    decided_at timestamptz
);

CREATE TABLE audit.reports (
    report_id text PRIMARY KEY,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    kind text NOT NULL,
    session_date date NOT NULL,
    prompt_version bigint NOT NULL,
    facts jsonb NOT NULL,
    headlines text[] NOT NULL,
    state text NOT NULL,
    due_at timestamptz NOT NULL,
    attempt bigint,
    model text,
    draft text,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd numeric,
    verdict text,
    findings text[],
    final_text text,
    reason text
);

CREATE TABLE audit.controls (
    event_position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    market_time timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    type text NOT NULL,
    who text NOT NULL,
    route text NOT NULL,
    reason text NOT NULL,
    detail jsonb NOT NULL
);

CREATE TABLE audit.alerts (
    alert_id text PRIMARY KEY,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    severity text NOT NULL,
    code text NOT NULL,
    text text NOT NULL,
    state text NOT NULL,
    acknowledged_by text,
    comment text,
    silent_until timestamptz
);
