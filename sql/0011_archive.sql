-- Days that were moved to the archive. A row is written when the day's file was read back and fits
-- the seals, and before its partition goes: readers that find no partition find the row. Written
-- by the owner of the tables alone (store/archiver.py), because only the owner may drop a day.
CREATE TABLE archived_days (
    retention retention NOT NULL,
    day date NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    events bigint NOT NULL,
    -- Below the folder of the archive, which is a setting, so that the archive can be moved.
    file text NOT NULL,
    bytes bigint NOT NULL,
    sha256 text NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (retention, day)
);
CREATE INDEX archived_days_position ON archived_days (last_position);

GRANT SELECT ON archived_days TO striketape_writer, striketape_reader, striketape_projector;
