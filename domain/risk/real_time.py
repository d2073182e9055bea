"""Real seconds, told from market time and the speed on the log.

Lags of our own machinery (disconnection, mismatch, what-if, account values) count in real seconds
at any speed, and a stage may not look at a real clock. Used by the stages of risk and signals.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.events.system import ClockStarted


@dataclass(slots=True)
class RealTime:
    """`seconds` grows by elapsed market time over the speed in force while it passed.

    While the clock stands still (speed 0) nothing is counted: nothing can be due then.
    """

    seconds: float = 0.0
    speed: float = 1.0
    market_time: datetime | None = None

    def advance(self, market_time: datetime) -> None:
        if self.market_time is not None and market_time > self.market_time and self.speed > 0:
            self.seconds += (market_time - self.market_time).total_seconds() / self.speed
        if self.market_time is None or market_time > self.market_time:
            self.market_time = market_time

    def apply(self, started: ClockStarted) -> None:
        if started.speed < 0:
            raise ValueError(f"speed must be at least 0, was {started.speed}")
        self.speed = started.speed

    def since(self, seconds: float | None) -> float | None:
        """Real seconds since an earlier reading; None when there is none."""
        return None if seconds is None else self.seconds - seconds
