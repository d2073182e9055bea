"""The vendor's REST limits: a fixed minute window, calls in flight, a day quota, and headers.

The quota's day turns over at 20:00 New York, in market time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from adapters.market_model.contract import SimClock
from adapters.unusual_whales.sandbox.settings import UwSandboxSettings
from domain.session import new_york

WINDOW_SECONDS = 60.0
HUGE = 1_000_000
QUOTA_DAY_BEGINS = timedelta(hours=20)


class CallLimits:
    """Counts calls, refused ones too. The window starts with the first call after the last one
    ended; its cap is 120 times the clock's speed."""

    def __init__(
        self, settings: UwSandboxSettings, clock: SimClock, seconds: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._seconds = seconds
        self._ends = 0.0
        self.used = 0
        self.used_today = 0
        self.in_flight = 0
        self._quota_day = self._day()

    def _day(self) -> date:
        return (new_york(self._clock.now()) + timedelta(days=1) - QUOTA_DAY_BEGINS).date()

    def turn_over(self) -> bool:
        """Begin another quota day if it is time; whether it was."""
        day = self._day()
        if day == self._quota_day:
            return False
        self._quota_day, self.used_today = day, 0
        return True

    @property
    def cap(self) -> int:
        return round(self._settings.calls_a_minute * max(1.0, self._clock.speed))

    def count(self) -> None:
        now = self._seconds()
        if now >= self._ends:
            self._ends, self.used = now + WINDOW_SECONDS, 0
        self.used += 1
        self.used_today += 1

    def refusal(self, *, quota_spent: bool) -> tuple[str, dict[str, str]] | None:
        """Body text and headers of a 429 for the call just counted, None when it may go on."""
        if quota_spent or self.used_today > self._settings.calls_a_day:
            limit = self._settings.calls_a_day
            return (
                f'{{"code":"daily_request_limit_hit","message":"Your limit is {limit} a day"}}',
                {},
            )
        if self.in_flight > self._settings.calls_in_flight_max:
            return (
                '{"message":"More than 3 concurrent requests are not allowed"}',
                {"Retry-After": "1"},
            )
        if self.used > self.cap:
            return (
                f'{{"message":"Exceeded the rate limit of {self.cap} requests in 60 seconds"}}',
                {},
            )
        return None

    def headers(self, *, huge_remaining: bool = False) -> dict[str, str]:
        left = max(0.0, self._ends - self._seconds())
        return {
            "x-uw-daily-req-count": str(self.used_today),
            "x-uw-token-req-limit": str(self._settings.calls_a_day),
            "x-uw-minute-req-counter": str(self.used),
            "x-uw-req-per-minute-remaining": str(
                HUGE if huge_remaining else max(0, self.cap - self.used)
            ),
            "x-uw-req-per-minute-reset": str(round(left * 1000)),
        }
