-- What a signal tells of its confidence and of its direction, for people and reports: how good the
-- model behind it has been, and the feature table where the signal's own features are the terms of
-- another score. Null, and empty, for signals of versions that did not tell it.
ALTER TABLE audit.signals
    ADD record jsonb,
    ADD directional jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN audit.signals.record IS
    'of the model behind confidence, at the moment of the signal: outcomes, skill, hit rate';
COMMENT ON COLUMN audit.signals.directional IS
    'of sold premium: features with their contributions to the log-odds of the direction';
