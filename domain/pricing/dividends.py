"""Discrete dividends: present value, escrowed spot, forward, and the check of the forward.

Called by the surface and by every rule that prices a leg. A continuous yield is never used: it
puts forwards before an ex-date too low and bends the smile.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

import numpy as np

from domain.pricing.black_scholes import Bools, Floats
from domain.session import NEW_YORK, YEAR_SECONDS

_EX_TIME = time(9, 30)
FORWARD_STRIKES = 5
_SHORT_YEARS = 60 / 365


@dataclass(frozen=True, slots=True)
class Dividend:
    """Dollars a share; `estimated` when not yet declared (last year's of the same quarter)."""

    ex_date: date
    amount: float
    estimated: bool


def years_until(at: datetime, now: datetime) -> float:
    """ACT/365 fixed, in calendar time; negative in the past."""
    return (at - now).total_seconds() / YEAR_SECONDS


def ex_time(ex_date: date) -> datetime:
    """09:30 New York of the ex-date: from then on the share trades without the dividend."""
    return datetime.combine(ex_date, _EX_TIME, tzinfo=NEW_YORK)


def present_value(
    dividends: Sequence[Dividend], now: datetime, expiry_at: datetime, rate: float
) -> float:
    """Dollars a share of the dividends with an ex-time in (now, expiry_at]."""
    total = 0.0
    for dividend in dividends:
        at = ex_time(dividend.ex_date)
        if now < at <= expiry_at:
            total += dividend.amount * math.exp(-rate * years_until(at, now))
    return total


@dataclass(frozen=True, slots=True)
class Forward:
    """`spot_escrowed` = spot less the present value of dividends; `forward` is its growth at
    `rate`."""

    spot_escrowed: float
    forward: float
    years: float
    rate: float


def forward_of(
    spot: float, dividends: Sequence[Dividend], now: datetime, expiry_at: datetime, rate: float
) -> Forward:
    """Escrowed spot and forward of one expiry."""
    years = years_until(expiry_at, now)
    escrowed = spot - present_value(dividends, now, expiry_at, rate)
    return Forward(escrowed, escrowed * math.exp(rate * max(years, 0.0)), years, rate)


@dataclass(frozen=True, slots=True)
class ForwardCheck:
    """`implied` is the median forward of put-call parity, null when nothing could be compared."""

    implied: float | None
    ok: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ParityQuotes:
    """Both sides of strikes; `usable` when both quotes are, `tight` when their spreads are small
    as well. `difference` is the call's mid less the put's."""

    strikes: Floats
    call_bid: Floats
    call_ask: Floats
    put_bid: Floats
    put_ask: Floats
    usable: Bools
    tight: Bools
    difference: Floats

    @classmethod
    def of(
        cls,
        strikes: Floats,
        call_bid: Floats,
        call_ask: Floats,
        put_bid: Floats,
        put_ask: Floats,
        usable: Bools,
    ) -> ParityQuotes:
        """Of a whole chain at once, or of one expiry."""
        call_mid, put_mid = (call_bid + call_ask) / 2, (put_bid + put_ask) / 2
        tight = (call_ask - call_bid <= np.maximum(0.05, 0.05 * call_mid) + 1e-9) & (
            put_ask - put_bid <= np.maximum(0.05, 0.05 * put_mid) + 1e-9
        )
        difference = call_mid - put_mid
        return cls(
            strikes, call_bid, call_ask, put_bid, put_ask, usable, usable & tight, difference
        )

    def part(self, nodes: slice) -> ParityQuotes:
        """Those of one expiry, ascending."""
        return ParityQuotes(
            self.strikes[nodes],
            self.call_bid[nodes],
            self.call_ask[nodes],
            self.put_bid[nodes],
            self.put_ask[nodes],
            self.usable[nodes],
            self.tight[nodes],
            self.difference[nodes],
        )


def check_forward(
    quotes: ParityQuotes,
    spot: float,
    expected: Forward,
    tolerance_short: float,
    tolerance_long: float,
) -> ForwardCheck:
    """Compare the forward with what the quotes of its expiry say, over the 5 tight strikes nearest
    the spot.

    Tolerances are fractions, up to 60 days and beyond. Equal distance: the lower strike.
    """
    chosen = np.flatnonzero(quotes.tight)
    if chosen.size == 0:
        return ForwardCheck(None, False, "FORWARD_UNCHECKED")
    nearest = np.argsort(np.abs(quotes.strikes[chosen] - spot), kind="stable")[:FORWARD_STRIKES]
    used = chosen[nearest]
    growth = math.exp(expected.rate * max(expected.years, 0.0))
    implied = statistics.median((quotes.strikes[used] + growth * quotes.difference[used]).tolist())
    tolerance = tolerance_short if expected.years <= _SHORT_YEARS else tolerance_long
    if abs(implied / expected.forward - 1) > tolerance:
        return ForwardCheck(implied, False, "FORWARD_MISMATCH")
    return ForwardCheck(implied, True, "")
