"""Whether a channel's numbers look like what they are configured to be: increments or totals.

Called by the stage with each record. Totals change little from one record to the next; increments
change by about their own size. The configured mode stands whatever this finds: it degrades.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.events.analytics import FlowModeContradicted
from domain.numbers import significant

RECORDS_MIN = 30
TOTALS_SHARE = 0.5


@dataclass(slots=True)
class FlowMode:
    """Sums over the records of one session."""

    records: int = 0
    size: float = 0.0
    change: float = 0.0
    previous: tuple[float, float] = (0.0, 0.0)
    is_contradicted: bool = False

    def add(self, calls: float, puts: float) -> None:
        if self.records:
            self.change += abs(calls - self.previous[0]) + abs(puts - self.previous[1])
            self.size += abs(calls) + abs(puts)
        self.previous = calls, puts
        self.records += 1

    @property
    def share(self) -> float | None:
        """Sum of changes over sum of sizes; below one half it looks like totals."""
        if self.records < RECORDS_MIN or self.size <= 0:
            return None
        return self.change / self.size

    def contradicts_increments(self) -> bool:
        """True the first time that increments look like totals."""
        share = self.share
        if self.is_contradicted or share is None or share >= TOTALS_SHARE:
            return False
        self.is_contradicted = True
        return True


def contradiction(mode: FlowMode, channel: str, at: datetime) -> FlowModeContradicted:
    """What is told of it."""
    return FlowModeContradicted(
        channel=channel,
        configured="increments",
        records=mode.records,
        change_share=significant(mode.share) or 0.0,
        at=at,
    )
