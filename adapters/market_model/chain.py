"""The listed options of a symbol: expiries, strikes, contract ids and open interest.

Same-day and next-day expiries get every strike, later ones coarser grids, so that a symbol has
about 500 contracts and still every strike that the four strategy buckets look for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.contract import SimContract
from adapters.market_model.pricing import price
from adapters.market_model.randomness import stream

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SYMBOL_ORDER = ("SPY", "QQQ", "IWM")
UNDERLYING_IDS = {"SPY": 756733, "QQQ": 320227571, "IWM": 9579970}
PRIMARY_EXCHANGES = {"SPY": "ARCA", "QQQ": "NASDAQ", "IWM": "ARCA"}
OPTION_IDS_FROM = 500_000_000
_EPOCH = date(2010, 1, 1)


def option_id(symbol: str, expiry: date, strike: float, right: str) -> int:
    """The contract id of an option: the same in every run, below 2^31."""
    half_strikes = round(strike * 2)
    packed = (SYMBOL_ORDER.index(symbol) * 8192 + (expiry - _EPOCH).days) * 4096 + half_strikes
    return OPTION_IDS_FROM + packed * 2 + (right == "P")


def is_monthly(day: date) -> bool:
    """Third Friday of a month."""
    return day.weekday() == 4 and 15 <= day.day <= 21


def listed_expiries(today: date, sessions: Sequence[date]) -> list[date]:
    """Today, the next four sessions, the weeks to 45 days, the months to 80 days.

    `sessions` are later sessions, oldest first; a week whose Friday is a holiday ends on Thursday.
    """
    last_of_week: dict[tuple[int, int], date] = {}
    for day in sessions:
        last_of_week[day.isocalendar()[:2]] = day
    chosen = {today, *sessions[:4]}
    for day in last_of_week.values():
        friday = day + timedelta(days=4 - day.weekday())
        days = (day - today).days
        if days <= 45 or (days <= 80 and is_monthly(friday)):
            chosen.add(day)
    return sorted(chosen)


@dataclass(frozen=True, slots=True)
class Chain:
    """All options of one symbol, in columns. Row r is contracts[r]."""

    symbol: str
    contracts: tuple[SimContract, ...]
    rows: dict[int, int]
    """Row of a contract id."""
    expiries: tuple[date, ...]
    expiry_index: Integers
    strike: Floats
    call: NDArray[np.bool_]
    numbers: Integers
    """Contract ids, as numbers for hashing."""


def _steps(days: int, spot: float) -> tuple[float, int]:
    """Strike step in dollars and strikes on each side, for a symbol near 700 dollars."""
    if days <= 1:
        return 1.0, 12
    if days <= 7:
        return 2.0, 7
    if days <= 20:
        return 5.0, 7
    if days <= 50:
        return 5.0, 10
    return 10.0, 7


def _strikes(
    today: date, expiry: date, spot: float, sessions_ahead: int, wide: float
) -> list[float]:
    step, side = _steps(0 if sessions_ahead <= 1 else (expiry - today).days, spot)
    if spot < 350:
        # A lower price has its strikes closer, in dollars, to span the same moves.
        step = {1.0: 0.5, 2.0: 1.0, 5.0: 2.0, 10.0: 4.0}[step]
    side = max(4, round(side * wide))
    centre = round(spot / step) * step
    places = list(range(-side, side + 1))
    if sessions_ahead <= 1:
        # A trend must not run out of strikes: every second one goes on to more than twice as far.
        places += [way * k for way in (-1, 1) for k in range(side + 2, 2 * side + 3, 2)]
    return [round(centre + step * k, 2) for k in sorted(places)]


def build_chain(
    symbol: str,
    today: date,
    sessions: Sequence[date],
    spot: float,
    contracts_max: int,
    listed: Iterable[SimContract] = (),
) -> Chain:
    """List the options of a symbol around `spot`; strikes are thinned out to `contracts_max`.

    What was `listed` before stays until it expires, wherever the price has gone.
    """
    expiries = listed_expiries(today, sessions)
    order = {day: index for index, day in enumerate((today, *sessions))}
    wide = 1.0
    while True:
        listing = [(e, _strikes(today, e, spot, order.get(e, 99), wide)) for e in expiries]
        if wide < 0.3 or 2 * sum(len(strikes) for _, strikes in listing) <= contracts_max:
            break
        wide -= 0.05
    strikes_of = {expiry: set(strikes) for expiry, strikes in listing}
    for known in listed:
        if known.expiry in strikes_of:
            strikes_of[known.expiry].add(known.strike)
    contracts = tuple(
        SimContract(option_id(symbol, expiry, strike, right), symbol, expiry, strike, right, "")
        for expiry in expiries
        for strike in sorted(strikes_of[expiry])
        for right in ("C", "P")
    )
    return Chain(
        symbol=symbol,
        contracts=contracts,
        rows={contract.con_id: row for row, contract in enumerate(contracts)},
        expiries=tuple(expiries),
        expiry_index=np.array([expiries.index(c.expiry or today) for c in contracts]),
        strike=np.array([c.strike for c in contracts]),
        call=np.array([c.right == "C" for c in contracts]),
        numbers=np.array([c.con_id for c in contracts], dtype=np.int64),
    )


WALL_STRIKES = 1.0
"""Dollars of strikes that a wall takes."""
WALL_FACTOR = 25.0
"""Open interest of a wall over what would be there."""


def open_interest(
    chain: Chain,
    seed: int,
    spot: float,
    atm_variance: Floats,
    years: Floats,
    rate: float,
    target_gamma_dollars: float,
    scale: float,
    wall_percent: float = 0.0,
) -> Integers:
    """Open interest whose dealer gamma, calls less puts, is `target_gamma_dollars` per 1 % move.

    Calls pile up above spot and puts below, round strikes hold more, monthly expiries hold more.
    With `wall_percent` calls pile up at one strike that far above the price, puts below it.
    Whichever side is too light for the target is raised, so that no strike near the money is thin.
    """
    chance = stream(seed, "open interest", chain.symbol)
    rows = len(chain.contracts)
    priced = price(spot, chain.strike, chain.call, atm_variance, years, rate, 0.0, 0.0)
    z = priced.moneyness
    shape = np.where(chain.call, np.exp(-0.5 * ((z - 0.4) / 1.1) ** 2), 0.0)
    shape = np.where(chain.call, shape, np.exp(-0.5 * ((z + 0.4) / 1.2) ** 2))
    shape = shape * np.where(chain.strike % 5 == 0, 1.5, 1.0)
    if wall_percent:
        side = np.where(chain.call, 1.0, -1.0)
        wall = spot * (1 + side * wall_percent / 100)
        shape = shape * np.where(np.abs(chain.strike - wall) <= WALL_STRIKES / 2, WALL_FACTOR, 1.0)
    weight = np.array([2.5 if is_monthly(day) else 1.0 for day in chain.expiries])
    near = np.exp(-np.arange(len(chain.expiries)) / 8)
    base = scale * shape * (weight * near)[chain.expiry_index] * chance.lognormal(0, 0.3, rows)
    base = np.maximum(base, 150 * scale / 4000)
    gamma_dollars = priced.gamma * base * 100 * spot**2 * 0.01
    counted = np.array([(day - chain.expiries[0]).days <= 45 for day in chain.expiries])
    gamma_dollars = np.where(counted[chain.expiry_index], gamma_dollars, 0.0)
    calls = float(gamma_dollars[chain.call].sum())
    puts = float(gamma_dollars[~chain.call].sum())
    if calls - puts > target_gamma_dollars:
        raise_calls, raise_puts = 1.0, (calls - target_gamma_dollars) / puts
    else:
        raise_calls, raise_puts = (puts + target_gamma_dollars) / calls, 1.0
    raised: Integers = np.round(base * np.where(chain.call, raise_calls, raise_puts)).astype(
        np.int64
    )
    return raised
