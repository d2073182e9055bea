-- What was computed of the market, beside what the feeds brought: the metrics of each closed minute,
-- one row each, and those of a symbol whose bars have stopped. Every five seconds they are in hot state
-- and on the log; a history of minutes is a twelfth of it and what people look at. Cut by day like its
-- neighbours, it is dropped and rebuilt with them.
--
-- value is null for texts and for what is not known; reason then says why.
CREATE TABLE feed.metrics (
    recorded_at timestamptz NOT NULL, event_position bigint NOT NULL,
    source_at timestamptz NOT NULL, symbol text NOT NULL, name text NOT NULL,
    value double precision, text_value text, unit text NOT NULL, as_of timestamptz NOT NULL,
    quality text NOT NULL, reason text NOT NULL, params_version bigint NOT NULL,
    PRIMARY KEY (event_position, name, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON feed.metrics (symbol, name, source_at);
SELECT grant_projection('feed');
