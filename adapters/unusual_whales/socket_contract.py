"""What the socket client says: messages, what became of joins, and states of the connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class UwMessage:
    """One data frame: `payload` is element 1 of it, byte for byte."""

    channel: str
    payload: bytes
    connection: str
    sequence: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class UwRejected:
    """Bytes that are no data frame, with the reason."""

    reason: str
    raw: bytes
    connection: str
    sequence: int
    received_at: datetime


UwItem: TypeAlias = UwMessage | UwRejected


@dataclass(frozen=True, slots=True)
class UwSocketState:
    """connected: upgraded, joins sent; ready: joins are answered or given up; down: no
    connection."""

    state: Literal["connected", "ready", "down"]
    reason: str
    connection: str
    is_overrun: bool = False
    """The connection was given up because the queue was full."""


@dataclass(frozen=True, slots=True)
class UwJoin:
    """What became of the join of a channel. An answer may still come after a refusal."""

    channel: str
    is_accepted: bool
    reason: str
    connection: str
    at: datetime


@dataclass(frozen=True, slots=True)
class UwSocketTiming:
    """How long the client waits for the vendor."""

    join_seconds_max: float = 10.0
    """Then a join without an answer counts as refused."""
    ping_seconds: float = 25.0
    """A ping without an answer within half of it ends the connection."""


class UwSocketListener:
    """Hears what happens on the socket at the moment it does, in the vendor's order, whatever is
    still queued. To be overridden; must not block."""

    def on_state(self, state: UwSocketState) -> None:
        """The connection came to this state."""

    def on_join(self, join: UwJoin) -> None:
        """A join was answered, or given up."""

    def on_data(self, message: UwMessage) -> None:
        """A message was queued."""
