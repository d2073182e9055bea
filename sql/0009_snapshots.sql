-- States of workers and views, cut between inputs: a cache that saves recovery the fold of the whole
-- log. Rows may be deleted at any time, by anybody who may write them. `build`, `code` and `mac` keep
-- a program from reading what it did not write itself (run/snapshots.py).
CREATE TABLE snapshots (
    owner text NOT NULL,
    position bigint NOT NULL,
    build text NOT NULL,
    code text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    mac bytea NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (owner, build, code, position)
);
-- Compressed already.
ALTER TABLE snapshots ALTER COLUMN state SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, DELETE ON snapshots TO striketape_writer;
GRANT SELECT ON snapshots TO striketape_reader;
