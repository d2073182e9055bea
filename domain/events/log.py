"""The log about itself: what was sealed, what was moved to the archive."""

from __future__ import annotations

from datetime import date

from domain.event import DeskEvent


class LogSealed(DeskEvent):
    """A stretch of the log is sealed: from here on a change of any of its events shows.

    Stream `seal/<retention class>`, one event a class, both for the same positions and in one
    append. `digest` covers every column of the class's events in the stretch and the digest
    before it (store/seal.py says which bytes); digests are 64 hex digits of SHA-256.
    """

    retention_class: str
    day: date
    """UTC day of recorded_at; a stretch never crosses midnight."""
    from_position: int
    to_position: int
    count: int
    """Events of the class in the stretch; the counts of both classes fill it without a gap."""
    digest: str
    previous_digest: str
    marks_digest: str
    """Of the marks of both classes, which name the first event that was touched."""
    key_id: str
    signature: str
    """HMAC-SHA256 with a key that is in no database."""


class LogArchived(DeskEvent):
    """A day of one class was written to the archive, read back and found to be what was sealed.

    Stream `archive/<retention class>`. From here on its events are read from the file; the
    partition goes.
    """

    retention_class: str
    day: date
    first_position: int
    last_position: int
    count: int
    file: str
    """Below the folder of the archive."""
    bytes: int
    sha256: str
