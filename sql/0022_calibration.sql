-- How good every forecast is, for people and reports: the newest score of each model, symbol and
-- bucket, as CalibrationUpdated told it. symbol ALL is pooled; bucket ANY serves every bucket;
-- scheduled false are predictions made at decisions. ever and recent hold the scores, bins the
-- reliability diagram, coverage the intervals with Wilson's bounds and Kupiec's test.
CREATE TABLE audit.calibration (
    calibration_id text PRIMARY KEY,
    event_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    model text NOT NULL,
    symbol text NOT NULL,
    bucket text NOT NULL,
    scheduled boolean NOT NULL,
    kind text NOT NULL,
    as_of timestamptz NOT NULL,
    outcomes bigint NOT NULL,
    voided bigint NOT NULL,
    n_eff double precision NOT NULL,
    gate text NOT NULL,
    trust double precision,
    a double precision,
    b double precision,
    rank_correlation double precision,
    ever jsonb NOT NULL,
    recent jsonb NOT NULL,
    bins jsonb NOT NULL,
    coverage jsonb NOT NULL
);
COMMENT ON COLUMN audit.calibration.outcomes IS 'resolved predictions, whatever they overlap';
COMMENT ON COLUMN audit.calibration.n_eff IS 'what they are worth together';
COMMENT ON COLUMN audit.calibration.gate IS 'MODEL_TRUST by this record: pass, fail or empty';
