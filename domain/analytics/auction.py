"""Closing-auction imbalance of the underlyings and of the basket of large constituents.

Called by the stage with broker ticks 34, 35 and 36. One basket serves all: SPY uses it whole,
QQQ its Nasdaq-listed members, IWM its own imbalance and half the basket's.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from domain.analytics.daily import SESSIONS_20, DailyBar

FRESH_SECONDS = 30.0
BASKET_SHARE_MIN = 0.60
INDICATIVE_SHARE_MIN = 0.30
MODEL_SCALE = 0.004
PERSIST_SECONDS = 60.0
PAIRED_TICK, INDICATIVE_TICK, IMBALANCE_TICK = 34, 35, 36
AUCTION_TICKS = frozenset({PAIRED_TICK, INDICATIVE_TICK, IMBALANCE_TICK})
"""Not 61, the regulatory imbalance: it is told once, and no measure is made of it."""
NASDAQ = frozenset({"NASDAQ", "ISLAND", "NMS"})


@dataclass(slots=True)
class AuctionTicks:
    """The newest of each tick of one contract; `at` is the epoch second of the last one."""

    paired: float = 0.0
    indicative: float = 0.0
    imbalance: float | None = None
    at: float = 0.0

    def apply(self, kind: int, price: float, size: float, at: float) -> None:
        """`kind` is one of AUCTION_TICKS."""
        if kind == PAIRED_TICK:
            self.paired = size
        elif kind == INDICATIVE_TICK:
            self.indicative = price if price > 0 else 0.0
        else:
            self.imbalance = size
        self.at = at

    def signed(self, mid: float, *, is_signed: bool) -> float | None:
        """q in shares, + to buy. Unsigned feeds: the side of the indicative price."""
        if self.imbalance is None:
            return None
        if is_signed:
            return self.imbalance
        if self.indicative <= 0 or mid <= 0 or self.indicative == mid:
            return None
        return math.copysign(abs(self.imbalance), self.indicative - mid)


@dataclass(frozen=True, slots=True)
class Member:
    """A member at one moment: signed shares, price, ADV20, paired shares, indicative price."""

    symbol: str
    signed: float | None
    price: float
    average_daily_volume: float
    paired: float
    indicative: float
    fresh: bool
    is_nasdaq: bool


@dataclass(frozen=True, slots=True)
class Usual:
    """Of a member's earlier sessions: ADV20 in shares, half days left out, and the last close in
    dollars; 0 where there is none."""

    average_daily_volume: float
    close: float


NOTHING_USUAL = Usual(0.0, 0.0)


def usual_of(bars: Mapping[date, DailyBar], today: date, half_days: Container[date]) -> Usual:
    """Of the sessions before `today`."""
    days = sorted(day for day in bars if day < today)
    volumes = [bars[day].volume for day in days if day not in half_days][-SESSIONS_20:]
    return Usual(
        math.fsum(volumes) / len(volumes) if volumes else 0.0,
        bars[days[-1]].close if days else 0.0,
    )


@dataclass(frozen=True, slots=True)
class Imbalance:
    """Q as a share of ADV; `reason` when it is null."""

    q: float | None
    paired_ratio: float | None
    ind_dev_bps: float | None
    reason: str


NO_DATA = Imbalance(None, None, None, "NO_AUCTION_DATA")


def _basket_for(symbol: str, members: Iterable[Member]) -> list[Member]:
    ordered = sorted(members, key=lambda member: member.symbol)
    return [m for m in ordered if m.is_nasdaq] if symbol == "QQQ" else ordered


def imbalance_of(symbol: str, own: Member | None, members: Iterable[Member]) -> Imbalance:
    """Q of a symbol from its own auction and the basket's fresh members.

    Both sums are over the fresh ones: those that are silent say neither buy nor sell. They count
    where it is asked whether enough of the basket is known.
    """
    basket = _basket_for(symbol, members)
    weighted = [(m, 1.0) for m in basket]
    if symbol == "IWM":
        weighted = [(m, 0.5) for m in basket]
        if own is not None:
            weighted.append((own, 1.0))
    known = [(m, w) for m, w in weighted if m.average_daily_volume > 0 and m.price > 0]
    total = math.fsum(w * m.average_daily_volume * m.price for m, w in known)
    fresh = [(m, w) for m, w in known if m.fresh and m.signed is not None]
    covered = math.fsum(w * m.average_daily_volume * m.price for m, w in fresh)
    if total <= 0 or covered < BASKET_SHARE_MIN * total:
        return NO_DATA
    net = math.fsum(w * (m.signed or 0.0) * m.price for m, w in fresh)
    gross = math.fsum(w * (m.paired + abs(m.signed or 0.0)) * m.price for m, w in fresh)
    paired = math.fsum(w * m.paired * m.price for m, w in fresh)
    indicated = [(m, w) for m, w in fresh if m.indicative > 0]
    weight = math.fsum(w * m.average_daily_volume * m.price for m, w in indicated)
    deviation = None
    if weight >= INDICATIVE_SHARE_MIN * total:
        deviation = (
            math.fsum(
                w * m.average_daily_volume * m.price * 1e4 * (m.indicative / m.price - 1)
                for m, w in indicated
            )
            / weight
        )
    return Imbalance(net / covered, paired / gross if gross > 0 else None, deviation, "")


def impact_bps(q: float, rv_hat_day: float, scale: float) -> float:
    """k: expected move to the close in basis points, square-root law [ALM05] [TOTH11]."""
    return math.copysign(1e4 * scale * math.sqrt(rv_hat_day) * math.sqrt(abs(q)), q)


@dataclass(slots=True)
class AuctionRun:
    """What has been seen since the first publication of the session."""

    first_at: datetime | None = None
    first_mid: float | None = None
    first_q: float | None = None
    first_own: float | None = None
    """Signed shares of the underlying's own auction."""
    sampled_at: float = 0.0
    by_bucket: dict[int, float] = field(default_factory=dict)
    """The last imbalance of each 10 seconds."""
    is_over: bool = False
    persist: float = 0.0
    sign: float = 0.0
    held_seconds: float = 0.0
    """How long the imbalance has been on its side."""
    samples: int = 0

    def sample(self, q: float, mid: float, dt: float) -> None:
        sign = float((q > 0) - (q < 0))
        if self.first_mid is None:
            self.first_mid, self.persist = mid, sign
        else:
            self.persist += (1.0 - 2.0 ** (-dt / PERSIST_SECONDS)) * (sign - self.persist)
            self.held_seconds = self.held_seconds + dt if sign == self.sign else 0.0
        self.sign = sign
        self.samples += 1

    def moved_bps(self, mid: float) -> float | None:
        return None if self.first_mid is None else 1e4 * (mid / self.first_mid - 1)


def score(q: float) -> float:
    """z_Q from the model, until 20 sessions have been seen."""
    return max(-4.0, min(4.0, q / MODEL_SCALE))


def fresh_ticks(ticks: Mapping[str, AuctionTicks], symbol: str, now: float) -> bool:
    found = ticks.get(symbol)
    return found is not None and found.imbalance is not None and now - found.at <= FRESH_SECONDS
