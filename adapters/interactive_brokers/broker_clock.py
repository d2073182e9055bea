"""The broker's clock against ours, from answers to current-time requests.

An answer is the broker's time in whole seconds. It was given between our sending and receiving,
so each bounds the offset from both sides; the answers of a minute together leave a narrow range.
Pure; used by market_data.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from domain.events.feed_health import FeedClockMeasured

MINUTE_SECONDS = 60.0
OFFSET_SECONDS_MAX = 2.0


@dataclass(slots=True)
class BrokerClock:
    """Collects answers; `take` gives a measurement once a minute."""

    feed: str
    low: float = float("-inf")
    high: float = float("inf")
    round_trip: float = float("inf")
    began: datetime | None = None
    is_off: bool = False
    """The last measurement was beyond the limit, surely so."""

    def take(self, epoch: int, sent: datetime, received: datetime) -> FeedClockMeasured | None:
        """Answers that contradict each other begin anew: one of the clocks has stepped."""
        low, high = epoch - received.timestamp(), epoch + 1 - sent.timestamp()
        if low > self.high or high < self.low:
            self._begin(received)
        if self.began is None:
            self.began = received
        self.low, self.high = max(self.low, low), min(self.high, high)
        self.round_trip = min(self.round_trip, (received - sent).total_seconds())
        if not 0 <= (received - self.began).total_seconds() < MINUTE_SECONDS:
            measured = self._measured(received)
            self._begin(received)
            return measured
        return None

    def _begin(self, at: datetime) -> None:
        self.began = at
        self.low, self.high, self.round_trip = float("-inf"), float("inf"), float("inf")

    def _measured(self, at: datetime) -> FeedClockMeasured:
        self.is_off = self.low > OFFSET_SECONDS_MAX or self.high < -OFFSET_SECONDS_MAX
        return FeedClockMeasured(
            feed=self.feed,
            offset_seconds=round((self.low + self.high) / 2, 3),
            round_trip_seconds=round(self.round_trip, 6),
            measured_at=at,
        )


OurTime = Callable[[], datetime | None]
"""None while market time does not run like real time: then there is nothing to measure."""
