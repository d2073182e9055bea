"""The day's quota of REST calls, by the vendor's own headers.

Its day turns over at 20:00 New York. Refused calls count too. Before the first answer nothing is
known of it, and nothing is held back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from adapters.unusual_whales.limiter import Rank, whole
from domain.session import new_york

TURNS_OVER_HOUR = 20
"""New York hour at which the vendor's quota day begins."""
USEFUL_SHARE_MAX = 0.90
"""Part of the quota beyond which only needed calls go on."""
SCHEDULED_SHARE_MAX = 0.97
"""Part of the quota beyond which only gap fills go on."""


def next_quota_day(now: datetime) -> datetime:
    """When the quota turns over next."""
    local = new_york(now)
    turn = local.replace(hour=TURNS_OVER_HOUR, minute=0, second=0, microsecond=0)
    return turn if local < turn else turn + timedelta(days=1)


class DayQuota:
    """Calls of the quota day: counted by us, corrected by each answer."""

    def __init__(self) -> None:
        self.limit: int | None = None
        """None until an answer has told it."""
        self._used = 0
        self._turns_over_at: datetime | None = None
        self._is_spent = False

    def _turn_over(self, now: datetime) -> None:
        if self._turns_over_at is None or now >= self._turns_over_at:
            self._turns_over_at = next_quota_day(now)
            self._used, self._is_spent = 0, False

    def count(self, now: datetime) -> None:
        """One call goes out."""
        self._turn_over(now)
        self._used += 1

    def observe(self, headers: Mapping[str, str], now: datetime) -> None:
        """Learn the size of the quota and how much of it is used, by whomever."""
        self._turn_over(now)
        self.limit = whole(headers, "x-uw-token-req-limit") or self.limit
        used = whole(headers, "x-uw-daily-req-count")
        if used is not None:
            self._used = used

    def spend(self, now: datetime) -> None:
        """The vendor says that nothing is left."""
        self._turn_over(now)
        self._is_spent = True

    def left(self, now: datetime) -> int | None:
        """Calls left of the day, None while the quota is not known."""
        self._turn_over(now)
        if self._is_spent:
            return 0
        return None if self.limit is None else max(0, self.limit - self._used)

    def share(self, now: datetime) -> float:
        """Used part of the quota; 0 while it is not known."""
        self._turn_over(now)
        if self._is_spent:
            return 1.0
        return self._used / self.limit if self.limit else 0.0

    def allows(self, rank: Rank, now: datetime) -> bool:
        """Whether a call of that rank may still be made in this quota day."""
        share = self.share(now)
        if rank is Rank.GAP_FILL:
            return not self._is_spent
        return share < (USEFUL_SHARE_MAX if rank is Rank.USEFUL else SCHEDULED_SHARE_MAX)
