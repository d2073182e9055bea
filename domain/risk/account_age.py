"""How old the account's equity is, told by the feed that only speaks when something changes.

The broker sends account values every three minutes and the P&L stream about once a second, both
only on change. An account without positions, and without a fill since its last value, cannot
change: there the heartbeat of the connection says that the value still stands. Used by risk and
by the strategies.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class AccountAge:
    """Readings of RealTime, in real seconds; None for never on this connection."""

    value_at: float | None = None
    stream_at: float | None = None
    heartbeat_at: float | None = None
    moved_since_value: bool = False
    """A fill or a change of positions came after the last value."""

    def value_seen(self, at: float) -> None:
        self.value_at, self.moved_since_value = at, False

    def heard(self, at: float) -> None:
        """Any sign of life of the account or the connection."""
        self.heartbeat_at = at

    def disconnected(self) -> None:
        """What was heard on an earlier connection says nothing about this one."""
        self.value_at = self.stream_at = self.heartbeat_at = None

    def value_age(self, now: float, *, has_positions: bool) -> float | None:
        """Age of net liquidation as it counts; None before the first value."""
        if self.value_at is None:
            return None
        quiet = not has_positions and not self.moved_since_value
        if quiet and self.heartbeat_at is not None:
            return now - max(self.value_at, self.heartbeat_at)
        return now - self.value_at

    def stream_age(self, now: float, *, has_positions: bool) -> float | None:
        """Age of the P&L stream; 0 while there is no position whose P&L it could tell."""
        if not has_positions and not self.moved_since_value:
            return 0.0
        return None if self.stream_at is None else now - self.stream_at
