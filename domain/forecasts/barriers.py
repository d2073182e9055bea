"""P4: does the price touch a strike before the expiry, does it finish beyond it (rules, 3.4).

Strikes nearest one and two standard deviations on both sides, and those of a decision. Outcomes
come from the highs and lows of the 5-second bars.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from domain.analytics.touch import p_finish_beyond, p_touch
from domain.analytics.traded import ExpiryRole
from domain.events.feeds import IbBarReceived
from domain.numbers import significant
from domain.session import Session
from domain.signals.bucket import metrics_of_role
from domain.signals.reading import Reading

MODEL = "P4"
TOUCH, FINISH = "P4_TOUCH", "P4_FINISH"
MODEL_VERSION = "1"
DEVIATIONS = (-2, -1, 1, 2)
OFF_MAX = 0.5
"""A strike so many standard deviations away from where it should be is not taken for it."""
GAP_MAX = timedelta(seconds=60)
BAR = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Strikes:
    """Of one published expiry, ascending."""

    expiry: date
    years: float
    strikes: tuple[float, ...]


@dataclass(slots=True)
class Barrier:
    """A predicted strike on its way; `holed`: bars were missing while it was not touched."""

    strike: float
    is_above: bool
    touched: bool = False
    holed: bool = False


@dataclass(slots=True)
class Watch:
    """The barriers of one symbol, and its bars as far as they tell of gaps."""

    barriers: dict[str, Barrier] = field(default_factory=dict)
    last_end: datetime | None = None
    last_close: float | None = None
    """Of the last bar of a regular session."""
    bars: int = 0
    """Of this session."""

    def bar(self, body: IbBarReceived, session: Session) -> None:
        if not session.open_at <= body.start < session.close_at:
            return
        before = session.open_at if self.last_end is None else max(self.last_end, session.open_at)
        if body.start < before:
            return
        if body.start - before > GAP_MAX:
            self.missed()
        self.last_end, self.last_close = body.start + BAR, body.close
        self.bars += 1
        for one in self.barriers.values():
            if not one.touched:
                reached = body.high >= one.strike if one.is_above else body.low <= one.strike
                one.touched = reached

    def missed(self) -> None:
        for one in self.barriers.values():
            one.holed = one.holed or not one.touched

    def outcome(self, barrier: Barrier, end: datetime) -> tuple[float, float] | None:
        """Touched and finished beyond, 0 or 1; None when the bars do not tell."""
        price = self.closing(end)
        if price is None or (barrier.holed and not barrier.touched):
            return None
        beyond = price > barrier.strike if barrier.is_above else price < barrier.strike
        return float(barrier.touched), float(beyond)

    def closing(self, end: datetime) -> float | None:
        """The last price of the session that ended then; None when its last bars are missing."""
        if self.last_end is None or end - self.last_end > GAP_MAX:
            return None
        return self.last_close


def nearest_strikes(
    strikes: Sequence[float], spot: float, variance: float
) -> list[tuple[int, float]]:
    """(standard deviations, strike) on both sides; the lower strike when two are as near."""
    deviation = spot * math.sqrt(variance)
    found: list[tuple[int, float]] = []
    for count in DEVIATIONS:
        goal = spot + count * deviation
        side = [k for k in strikes if (k - spot) * count > 0]
        nearest = min(side, key=lambda k: (abs(k - goal), k), default=None)
        if nearest is None or abs(nearest - goal) > OFF_MAX * deviation:
            continue
        if nearest not in [strike for _, strike in found]:
            found.append((count, nearest))
    return found


def values(
    reading: Reading, role: ExpiryRole, years: float, strike: float
) -> dict[str, float] | None:
    """Probabilities with the forecast variance (used) and with the implied one (shown)."""
    names = metrics_of_role(role)
    spot, variance = reading.number("spot_mid"), reading.number(names.variance)
    if spot is None or variance is None or variance <= 0:
        return None
    found = {
        "p": p_touch(spot, strike, variance),
        "p_finish": p_finish_beyond(spot, strike, variance),
        "strike": strike,
        "spot": spot,
        "variance": variance,
    }
    volatility = reading.number(names.atm_iv)
    if volatility is not None:
        implied = volatility * volatility * years
        found["p_implied"] = p_touch(spot, strike, implied)
        found["p_finish_implied"] = p_finish_beyond(spot, strike, implied)
    return {name: _rounded(value) for name, value in found.items()}


def _rounded(value: float) -> float:
    found = significant(value)
    assert found is not None, f"a probability must be finite, was {value}"
    return found + 0.0
