"""What can go wrong with the log (the tree is drawn in store/contract.py).

Raised by the store, caught by whoever appends. VersionConflict is also the eventsourcing
library's IntegrityError, so that code written for that library understands it.
"""

from __future__ import annotations

from uuid import UUID

from eventsourcing.persistence import IntegrityError


class StoreError(Exception):
    """The log could not do what was asked."""


class VersionConflict(StoreError, IntegrityError):
    """A stream is not at the expected version."""


class IdConflict(StoreError):
    """The id is on the log with other content."""


class CheckpointConflict(StoreError):
    """Another copy of this worker moved the checkpoint: stop."""


class OutcomeUnknown(StoreError):
    """The connection was lost in COMMIT and reading back failed too."""


class StoreUnavailable(StoreError):
    """Nothing was written, or the log could not be read."""


class ClockStepped(StoreError):
    """The database clock jumped; only ClockAccepted is admitted."""


class InvalidEvent(StoreError, ValueError):
    """The database cannot store the event, such as a payload that is no JSON text."""


class UnreadableEvent(StoreError):
    """This build cannot read an event: an unknown type or schema, or bytes that are not its body.

    `position`, `type` and `event_id` say which; the rest of the log is as readable as ever.
    """

    def __init__(self, position: int, type_name: str, event_id: UUID, reason: str) -> None:
        super().__init__(f"event {position} {type_name} {event_id} cannot be read: {reason}")
        self.position = position
        self.type = type_name
        self.event_id = event_id


class NotDurable(StoreError):
    """The database may lose what it confirmed."""
