-- What keeps the log in order, unpartitioned. Written by append_events alone.

-- Version of each stream, and between which positions its events lie (bounds for reading it).
CREATE TABLE streams (
    stream text PRIMARY KEY,
    version integer NOT NULL,
    first_position bigint NOT NULL DEFAULT 0,
    last_position bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Idempotency: where an id is, and a digest of what it stands for (stream, type and body without
-- transport fields). Ids of desk events stay for ever, those of market events go with their day.
CREATE TABLE event_ids (
    event_id uuid PRIMARY KEY,
    position bigint NOT NULL,
    retention retention NOT NULL,
    digest bytea NOT NULL
);

-- Consumed position of each worker, moved by compare and set together with what it appends.
-- moved_by is the group that moved it last: how a lost answer to COMMIT is settled.
CREATE TABLE checkpoints (
    consumer text PRIMARY KEY,
    position bigint NOT NULL,
    moved_by uuid
) WITH (fillfactor = 50);

-- One row for each group, never updated: its tail, read by index under the lock, gives the next
-- position and the least recorded_at. A counter row would slow appends under a long snapshot.
-- Old rows serve nobody; prune_commits removes them.
CREATE TABLE commits (
    last_position bigint PRIMARY KEY,
    first_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    market_time timestamptz NOT NULL,
    group_id uuid NOT NULL
);

-- First position of each UTC day that has events: from a position to the partitions to read.
CREATE TABLE log_days (
    first_position bigint PRIMARY KEY,
    day date NOT NULL UNIQUE
);

-- Base of market_time: the newest row counts. real_at is recorded_at of its ClockStarted.
CREATE TABLE clock (
    position bigint PRIMARY KEY,
    real_at timestamptz NOT NULL,
    base_market_time timestamptz NOT NULL,
    speed double precision NOT NULL
);

-- Positions of ClockAccepted: whoever noticed a clock step at an earlier position may go on.
CREATE TABLE clock_accepted (
    position bigint PRIMARY KEY
);

GRANT SELECT ON streams, event_ids, checkpoints, commits, log_days, clock, clock_accepted
    TO striketape_writer, striketape_reader, striketape_projector;
