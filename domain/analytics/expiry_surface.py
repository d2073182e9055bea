"""What one expiry of the surface says: at-the-money level, skew, expected move, forward check.

Called by surface.py for each expiry at each refresh, and for constant maturities by the report.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from domain.events.analytics import Quality
from domain.pricing.black_scholes import TIME_FLOOR_YEARS, Bools, Floats
from domain.pricing.dividends import Forward, ForwardCheck, ParityQuotes

VALID_STRIKES_MIN = 5
DEVIATIONS_MAX = 4.0
EXPIRY_HOURS_MIN = 4.0
_STRADDLE_TO_SD = math.sqrt(math.pi / 2)


@dataclass(frozen=True, slots=True)
class ExpirySurface:
    """What one expiry says. Volatilities annualised, expected moves in dollars."""

    expiry: date
    days: int
    years: float
    forward: float
    rate: float
    quality: Quality
    reason: str
    valid_strikes: int
    atm_iv: float | None
    rr25: float | None
    bf25: float | None
    em_mean_abs: float | None
    em_1sd: float | None
    em_consistent: bool
    forward_ok: bool
    forward_reason: str

    @property
    def time_floored(self) -> bool:
        """Less than 60 s are left: its volatilities and greeks are those of 60 s."""
        return 0 < self.years < TIME_FLOOR_YEARS


@dataclass(frozen=True, slots=True)
class ExpiryColumns:
    """Nodes of one expiry, ascending strike. `delta` is absolute, of the out-of-the-money side."""

    log_moneyness: Floats
    iv: Floats
    own: Bools
    delta: Floats
    is_call: Bools
    quotes: ParityQuotes


def summarise(
    expiry: date,
    days: int,
    spot: float,
    forward: Forward,
    columns: ExpiryColumns,
    check: ForwardCheck,
) -> ExpirySurface:
    """One expiry at one refresh. Strikes beyond 4 sd of the money do not count as valid."""
    own, x = columns.own, columns.log_moneyness
    atm = _at_the_money(x[own], columns.iv[own])
    inside = own
    if atm is not None:
        inside = own & (np.abs(x) <= DEVIATIONS_MAX * atm * math.sqrt(max(forward.years, 0.0)))
    count = int(np.count_nonzero(inside))
    quality, reason = Quality.OK, ""
    if forward.years <= 0:
        quality, reason = Quality.EXPIRED, "EXPIRED"
    elif count < VALID_STRIKES_MIN:
        quality, reason = Quality.MISSING, "FEW_STRIKES"
        atm = None
    elif forward.years < TIME_FLOOR_YEARS:
        quality, reason = Quality.DEGRADED, "TIME_FLOORED"
    elif not check.ok:
        quality, reason = Quality.DEGRADED, check.reason
    rr25 = bf25 = None
    if atm is not None:
        rr25, bf25 = _wings(columns.delta[inside], columns.iv[inside], columns.is_call[inside], atm)
    straddle = _straddle(columns.quotes, forward.forward)
    em_1sd = None if straddle is None else _STRADDLE_TO_SD * straddle
    consistent = True
    if em_1sd is not None and atm is not None and forward.years > 0:
        consistent = 0.85 <= em_1sd / (spot * atm * math.sqrt(forward.years)) <= 1.15
    return ExpirySurface(
        expiry=expiry,
        days=days,
        years=forward.years,
        forward=forward.forward,
        rate=forward.rate,
        quality=quality,
        reason=reason,
        valid_strikes=count,
        atm_iv=atm,
        rr25=rr25,
        bf25=bf25,
        em_mean_abs=straddle,
        em_1sd=em_1sd,
        em_consistent=consistent,
        forward_ok=check.ok,
        forward_reason=check.reason,
    )


def _at_the_money(x: Floats, iv: Floats) -> float | None:
    """Total variance linear in x between the two strikes around the forward; T cancels out."""
    if x.size < 2 or x[0] > 0 or x[-1] < 0:
        return None
    return float(math.sqrt(np.interp(0.0, x, iv**2)))


def _wings(
    delta: Floats, iv: Floats, is_call: Bools, atm: float
) -> tuple[float | None, float | None]:
    """25-delta risk reversal and butterfly, linear in |delta|; null when 0.25 is not bracketed."""
    values = []
    for side in (is_call, ~is_call):
        order = np.argsort(delta[side], kind="stable")
        d, v = delta[side][order], iv[side][order]
        if d.size < 2 or d[0] > 0.25 or d[-1] < 0.25:
            return None, None
        values.append(float(np.interp(0.25, d, v)))
    call, put = values
    return call - put, (call + put) / 2 - atm


def _straddle(quotes: ParityQuotes, forward: float) -> float | None:
    """Straddle mid at the strike nearest the forward (tie: the lower); null without its quotes."""
    if not quotes.strikes.size:
        return None
    k = int(np.argmin(np.abs(quotes.strikes - forward)))
    if not quotes.usable[k]:
        return None
    total = quotes.call_bid[k] + quotes.call_ask[k] + quotes.put_bid[k] + quotes.put_ask[k]
    return float(total) / 2


def constant_maturity(expiries: Sequence[ExpirySurface], days: float) -> float | None:
    """IV(D): linear in total variance between neighbouring expiries, flat volatility outside.

    Both neighbours must be OK. Expiries with less than 4 hours left are not used.
    """
    horizon = days / 365
    used = [e for e in expiries if e.years >= EXPIRY_HOURS_MIN / (24 * 365)]
    if not used:
        return None
    later = next((i for i, e in enumerate(used) if e.years >= horizon), None)
    if later is None or later == 0:
        edge = used[-1] if later is None else used[0]
        return edge.atm_iv if edge.quality is Quality.OK else None
    low, high = used[later - 1], used[later]
    if high.years == horizon:
        return high.atm_iv if high.quality is Quality.OK else None
    if low.quality is not Quality.OK or high.quality is not Quality.OK:
        return None
    if low.atm_iv is None or high.atm_iv is None:
        return None
    v_low, v_high = low.atm_iv**2 * low.years, high.atm_iv**2 * high.years
    share = (horizon - low.years) / (high.years - low.years)
    return math.sqrt((v_low + share * (v_high - v_low)) / horizon)
