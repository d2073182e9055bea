"""Flow alerts of the vendor by direction, over the last 15 minutes.

Called by the stage with each alert. Bullish are calls bought at the ask and puts sold at the bid,
with at least 60 % of the premium on that side; bearish the other way round.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from domain.instruments import Right
from domain.payloads.unusual_whales import FlowAlert

WINDOW_SECONDS = 15 * 60.0
SHARE_MIN = 0.60
ALERTS_MAX = 10_000


def direction_of(alert: FlowAlert) -> int:
    """+1 bullish, -1 bearish, 0 neither."""
    total = alert.total_premium
    if total is None or total <= 0:
        return 0
    sign = 1 if alert.right is Right.CALL else -1
    if alert.ask_side_premium is not None and float(alert.ask_side_premium / total) >= SHARE_MIN:
        return sign
    if alert.bid_side_premium is not None and float(alert.bid_side_premium / total) >= SHARE_MIN:
        return -sign
    return 0


@dataclass(slots=True)
class FlowAlerts:
    """Epoch seconds of the alerts of each direction."""

    bullish: deque[float] = field(default_factory=lambda: deque(maxlen=ALERTS_MAX))
    bearish: deque[float] = field(default_factory=lambda: deque(maxlen=ALERTS_MAX))
    at: float | None = None
    """When the last alert of any direction came."""

    def add(self, direction: int, at: float) -> None:
        self.at = at
        if direction:
            side = self.bullish if direction > 0 else self.bearish
            side.append(at)
            while side[0] <= at - WINDOW_SECONDS:
                side.popleft()

    def counts(self, now: float) -> tuple[int, int]:
        """Bullish and bearish ones of the last 15 minutes."""
        after = now - WINDOW_SECONDS
        bullish, bearish = (sum(at > after for at in side) for side in (self.bullish, self.bearish))
        return bullish, bearish
