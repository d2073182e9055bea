"""The implied-volatility surface: one volatility for each (expiry, strike), and what it says.

Called by the stage at each chain refresh. Only out-of-the-money quotes are inverted; early
exercise is taken out of far puts first. Expiries with fewer than 5 valid strikes are missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from domain.analytics.chain import ChainTable, Integers, Layout, column
from domain.analytics.expiry_surface import (
    VALID_STRIKES_MIN,
    ExpiryColumns,
    ExpirySurface,
    summarise,
)
from domain.analytics.quotes import effective_age, is_wide, two_sided
from domain.pricing.american import early_exercise_premium
from domain.pricing.black_scholes import (
    Bools,
    Floats,
    IvReason,
    delta_and_vega,
    implied_vol,
)
from domain.pricing.dividends import Forward, ParityQuotes, check_forward

HALF_WIDTH_MAX = 0.05
VEGA_POINT_MIN = 0.0005
PREMIUM_DEVIATIONS = 1.5
PREMIUM_DAYS = 10
PREMIUM_CACHE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ChainClock:
    """What an evaluation is told about the moment: epoch seconds, spot, each expiry's forward
    with the rate behind it."""

    now: float
    session_date: date
    spot: float
    spot_fresh: bool
    forwards: Sequence[Forward]
    age_limits: tuple[float, float, float]
    """Seconds for DTE 0, DTE 1 and beyond."""
    quiet_max: float
    exposure_iv_age_max: float
    premiums_max: int
    """Most early-exercise premiums computed in one refresh, oldest first."""
    forward_tolerance_short: float
    forward_tolerance_long: float


@dataclass(frozen=True, slots=True)
class Surface:
    """Node columns follow the layout. `iv` is own where `own`, else last own or the smile's."""

    layout: Layout
    spot: float
    years: Floats
    spot_escrowed: Floats
    rate: Floats
    iv: Floats
    own: Bools
    call_usable: Bools
    put_usable: Bools
    call_age: Floats
    put_age: Floats
    premium_unchecked: Bools
    """Nodes whose put may still have early exercise in its volatility."""
    expiries: tuple[ExpirySurface, ...]

    def of(self, expiry: date) -> ExpirySurface:
        return self.expiries[self.layout.expiries.index(expiry)]

    def of_days(self, days: int) -> ExpirySurface | None:
        """The expiry `days` calendar days ahead, such as 0 for the one of today."""
        return next((e for e in self.expiries if e.days == days), None)

    def first_from(self, years: float) -> ExpirySurface | None:
        return next((e for e in self.expiries if e.years >= years), None)


@dataclass(slots=True)
class _Side:
    bid: Floats
    ask: Floats
    usable: Bools
    age: Floats

    @property
    def mid(self) -> Floats:
        return (self.bid + self.ask) / 2


def _side(table: ChainTable, layout: Layout, clock: ChainClock, slots: np.ndarray) -> _Side:
    known = slots >= 0
    bid, ask = column(table.bid, slots), column(table.ask, slots)
    age = clock.now - column(table.quoted_at, slots)
    on_line = known & table.on_line[slots]
    age = effective_age(
        age,
        on_line,
        column(table.spot_at, slots),
        clock.spot,
        clock.quiet_max,
        underlying_fresh=clock.spot_fresh,
    )
    days = np.array([(e - clock.session_date).days for e in layout.expiries], dtype=np.int64)
    limits = np.array(clock.age_limits)[np.minimum(days, 2)][layout.expiry_index]
    usable = two_sided(bid, ask, column(table.bid_size, slots), column(table.ask_size, slots))
    return _Side(bid, ask, usable & (age <= limits), age)


def evaluate(table: ChainTable, layout: Layout, clock: ChainClock) -> Surface:
    """Re-evaluate the table. Remembers own volatilities and premiums in the table's columns."""
    index = layout.expiry_index
    years = np.array([f.years for f in clock.forwards])[index]
    escrowed = np.array([f.spot_escrowed for f in clock.forwards])[index]
    forward = np.array([f.forward for f in clock.forwards])[index]
    rate = np.array([f.rate for f in clock.forwards])[index]
    calls, puts = (_side(table, layout, clock, slots) for slots in (layout.call, layout.put))
    is_call = layout.strike >= forward
    otm = np.where(is_call, layout.call, layout.put)
    bid, ask = np.where(is_call, calls.bid, puts.bid), np.where(is_call, calls.ask, puts.ask)
    usable = np.where(is_call, calls.usable, puts.usable) & ~is_wide(bid, ask)
    log_moneyness = np.log(layout.strike / forward)
    wanted = np.flatnonzero(usable & (years > 0))
    mid_iv, valid = np.full(layout.nodes, np.nan), np.zeros(layout.nodes, dtype=bool)
    unchecked = np.zeros(layout.nodes, dtype=bool)
    if wanted.size:
        found, good = _invert(
            bid[wanted],
            ask[wanted],
            escrowed[wanted],
            layout.strike[wanted],
            years[wanted],
            rate[wanted],
            is_call[wanted],
        )
        mid_iv[wanted], valid[wanted] = found, good
        left = _without_premium(
            table,
            layout,
            clock,
            mid_iv,
            valid,
            otm,
            (bid + ask) / 2,
            escrowed,
            years,
            rate,
            is_call,
        )
        unchecked[left] = True
    _remember(table, layout, clock.now, mid_iv, valid)
    iv = _filled(table, layout, clock, mid_iv, valid, log_moneyness, years)
    delta = np.full(layout.nodes, np.nan)
    if valid.any():
        delta[valid] = np.abs(
            delta_and_vega(
                escrowed[valid],
                layout.strike[valid],
                years[valid],
                rate[valid],
                mid_iv[valid],
                is_call[valid],
            )[0]
        )
    quotes = ParityQuotes.of(
        layout.strike, calls.bid, calls.ask, puts.bid, puts.ask, calls.usable & puts.usable
    )
    expiries = tuple(
        _summary(layout, clock, k, quotes, (log_moneyness, mid_iv, valid, delta, is_call))
        for k in range(len(layout.expiries))
    )
    return Surface(
        layout,
        clock.spot,
        years,
        escrowed,
        rate,
        iv,
        valid,
        calls.usable,
        puts.usable,
        calls.age,
        puts.age,
        unchecked,
        expiries,
    )


def _invert(
    bid: Floats,
    ask: Floats,
    escrowed: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    is_call: Bools,
) -> tuple[Floats, Bools]:
    """Volatility of the mid, and whether its uncertainty is small enough to use it."""
    n = bid.size
    solved = implied_vol(
        np.concatenate(((bid + ask) / 2, bid, ask)),
        *(np.concatenate((one,) * 3) for one in (escrowed, strike, years, rate, is_call)),
    )
    mid, low, high = solved.values[:n], solved.values[n : 2 * n], solved.values[2 * n :]
    vega = delta_and_vega(escrowed, strike, years, rate, mid, is_call)[1]
    with np.errstate(invalid="ignore"):
        good = ((high - low) / 2 <= HALF_WIDTH_MAX) & (vega >= VEGA_POINT_MIN)
    return mid, good & (solved.reasons[:n] == IvReason.OK)


def _without_premium(
    table: ChainTable,
    layout: Layout,
    clock: ChainClock,
    mid_iv: Floats,
    valid: Bools,
    otm: np.ndarray,
    mid: Floats,
    escrowed: Floats,
    years: Floats,
    rate: Floats,
    is_call: Bools,
) -> Integers:
    """Take early exercise out of out-of-the-money puts over 10 days, one pass, in place.

    Returns the nodes that are left unchecked: only so many premiums are computed in one refresh,
    and one older than 60 s is used but does not count as checked.
    """
    far = valid & ~is_call & (years * 365 > PREMIUM_DAYS)
    if not far.any():
        return np.empty(0, dtype=np.int64)
    deviation = np.zeros(layout.nodes)
    for k in range(len(layout.expiries)):
        part = layout.slice_of(k)
        known = np.flatnonzero(valid[part]) + part.start
        if known.size:
            at_money = known[np.argmin(np.abs(layout.strike[known] - clock.forwards[k].forward))]
            deviation[part] = mid_iv[at_money] * np.sqrt(np.maximum(years[part], 0))
    forward = np.array([f.forward for f in clock.forwards])[layout.expiry_index]
    near = np.abs(np.log(layout.strike / forward)) <= PREMIUM_DEVIATIONS * deviation
    nodes = np.flatnonzero(far & near)
    slots = otm[nodes]
    at = np.where(np.isnan(table.premium_at[slots]), -np.inf, table.premium_at[slots])
    stale = np.flatnonzero(clock.now - at >= PREMIUM_CACHE_SECONDS)
    for i in stale[np.argsort(at[stale], kind="stable")][: clock.premiums_max].tolist():
        node, slot = int(nodes[i]), int(slots[i])
        expiry = layout.expiries[int(layout.expiry_index[node])]
        days = (expiry - clock.session_date).days
        table.premium[slot] = early_exercise_premium(
            float(escrowed[node]),
            float(layout.strike[node]),
            float(rate[node]),
            # QuantLib counts whole days: so scaled the total variance is right.
            float(mid_iv[node]) * math.sqrt(365 * float(years[node]) / days),
            clock.session_date,
            expiry,
            is_call=False,
        )
        table.premium_at[slot] = clock.now
    with np.errstate(invalid="ignore"):
        checked = clock.now - table.premium_at[slots] < PREMIUM_CACHE_SECONDS
    unchecked: Integers = nodes[~checked]
    have = np.isfinite(table.premium[slots])
    nodes, slots = nodes[have], slots[have]
    if nodes.size:
        again = implied_vol(
            mid[nodes] - table.premium[slots],
            escrowed[nodes],
            layout.strike[nodes],
            years[nodes],
            rate[nodes],
            is_call[nodes],
        )
        solved = again.reasons == IvReason.OK
        mid_iv[nodes[solved]] = again.values[solved]
    return unchecked


def _remember(table: ChainTable, layout: Layout, now: float, mid_iv: Floats, valid: Bools) -> None:
    for slots in (layout.call, layout.put):
        known = valid & (slots >= 0)
        table.iv[slots[known]] = mid_iv[known]
        table.iv_at[slots[known]] = now


def _filled(
    table: ChainTable,
    layout: Layout,
    clock: ChainClock,
    mid_iv: Floats,
    valid: Bools,
    log_moneyness: Floats,
    years: Floats,
) -> Floats:
    """Own volatility, else the last own one within its age, else the smile's, else NaN; none at or
    after expiry."""
    slots = np.where(layout.call >= 0, layout.call, layout.put)
    recent = clock.now - table.iv_at[slots] <= clock.exposure_iv_age_max
    filled = np.where(valid, mid_iv, np.where(recent, table.iv[slots], np.nan))
    for k in range(len(layout.expiries)):
        part = layout.slice_of(k)
        missing = np.isnan(filled[part])
        if not missing.any():
            continue
        anchors = valid[part] if np.count_nonzero(valid[part]) >= VALID_STRIKES_MIN else ~missing
        if np.count_nonzero(anchors) < VALID_STRIKES_MIN:
            continue
        x, own = log_moneyness[part], filled[part].copy()
        # np.interp holds the end values: flat volatility outside, as total variance is flat too.
        smile = np.sqrt(np.interp(x[missing], x[anchors], own[anchors] ** 2))
        filled[np.flatnonzero(missing) + part.start] = smile
    return np.where(years > 0, filled, np.nan)


def _summary(
    layout: Layout,
    clock: ChainClock,
    k: int,
    all_quotes: ParityQuotes,
    nodes: tuple[Floats, Floats, Bools, Floats, Bools],
) -> ExpirySurface:
    part, forward = layout.slice_of(k), clock.forwards[k]
    quotes = all_quotes.part(part)
    check = check_forward(
        quotes,
        clock.spot,
        forward,
        clock.forward_tolerance_short,
        clock.forward_tolerance_long,
    )
    log_moneyness, iv, valid, delta, is_call = nodes
    columns = ExpiryColumns(
        log_moneyness[part], iv[part], valid[part], delta[part], is_call[part], quotes
    )
    expiry = layout.expiries[k]
    days = (expiry - clock.session_date).days
    return summarise(expiry, days, clock.spot, forward, columns, check)
