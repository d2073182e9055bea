"""Option trades of one symbol: who trades what, at which side, minute by minute.

A minute's trades are one vectorised draw from a stream of their own, so they are the same however
the clock moves; a thinned stretch draws them too and only leaves the objects unmade, so that
volumes and net premium are what they would have been.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.chain import Chain
from adapters.market_model.pricing import Book, Priced, book, price
from adapters.market_model.randomness import stream
from adapters.market_model.scenario import Scenario
from adapters.market_model.surface import Surface

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

EXCHANGES = (
    "AMXO", "ARCO", "BATO", "C2OX", "EDGO", "EMLD", "GMNI", "MCRY", "MPRL",
    "MXOP", "SPHR", "XBOX", "XBXO", "XCBO", "XISX", "XMIO", "XNDQ", "XPHO",
)  # fmt: skip
CODE_AUTO, CODE_SWEEP, CODE_MULTI, CODE_AUCTION = range(4)
CODES = ("auto", "slan,isoi", "mlat", "slan")
WIDTH_FACTOR = {"SPY": 1.0, "QQQ": 1.1, "IWM": 1.3}
SWEEP_SHARE = 0.05
MULTI_LEG_SHARE = 0.18
BLOCK_SHARE = 0.003
MID_SHARE = 0.10

TOTALS = (
    "call_volume",
    "put_volume",
    "call_volume_ask_side",
    "call_volume_bid_side",
    "put_volume_ask_side",
    "put_volume_bid_side",
    "net_call_premium",
    "net_put_premium",
)
"""Columns of the whole-number totals; premiums in dollars, ask side less bid side."""


@dataclass(frozen=True, slots=True)
class TradeChunk:
    """The trades of one minute in time order; times in seconds since the open."""

    minute: int
    at: Floats
    row: Integers
    price_ticks: Integers
    size: Integers
    aggressor: Integers
    quotes: Book
    greeks: Priced
    spot: Floats
    exchange: Integers
    code: Integers
    sweep: Integers
    """Number of the sweep within the minute, -1 for none."""
    multi_leg: Flags
    totals: Integers
    """Running totals within the minute after each trade, columns as TOTALS."""
    net_delta: Floats
    """Running net delta within the minute, in shares: ask side less bid side."""

    def __len__(self) -> int:
        return len(self.at)


def quote_rows(
    chain: Chain,
    surface: Surface,
    scenario: Scenario,
    rows: Integers,
    seconds: Floats,
    spots: Floats,
) -> tuple[Priced, Book]:
    """Values and quotes of contract `rows` at `seconds` since the open with prices `spots`."""
    index = chain.expiry_index[rows]
    years = surface.years_at(seconds, index)
    paid = surface.dividends_before_expiry(float(seconds[0]) // 60 * 60)[index]
    strike, call = chain.strike[rows], chain.call[rows]
    priced = price(
        spots - paid,
        strike,
        call,
        surface.variance_at(seconds, index),
        years,
        scenario.rate,
        scenario.skew,
        scenario.curvature,
    )
    over = years <= 0
    if over.any():
        priced = _with_expired(priced, over, spots, strike, call)
    intrinsic = expired_values(spots, strike, call)
    slots = (seconds * 2).astype(np.int64)
    quotes = book(priced.price, intrinsic, WIDTH_FACTOR[chain.symbol], chain.numbers[rows], slots)
    return priced, quotes


def expired_values(spots: Floats, strike: Floats, call: Flags) -> Floats:
    """Intrinsic values at and after expiry."""
    return np.maximum(np.where(call, spots - strike, strike - spots), 0.0)


def _with_expired(
    priced: Priced, over: Flags, spots: Floats, strike: Floats, call: Flags
) -> Priced:
    inside = np.where(call, spots > strike, spots < strike)
    step = np.where(call, 1.0, -1.0) * np.where(spots == strike, 0.5, inside.astype(float))

    def gone(values: Floats) -> Floats:
        return np.where(over, 0.0, values)

    return Priced(
        price=np.where(over, expired_values(spots, strike, call), priced.price),
        implied_volatility=gone(priced.implied_volatility),
        delta=np.where(over, step, priced.delta),
        gamma=gone(priced.gamma),
        vega=gone(priced.vega),
        theta=gone(priced.theta),
        rho=gone(priced.rho),
        vanna=gone(priced.vanna),
        charm=gone(priced.charm),
        moneyness=priced.moneyness,
    )


class TradeSource:
    """Draws the trades of one symbol, a minute at a time."""

    def __init__(
        self,
        seed: int,
        chain: Chain,
        surface: Surface,
        scenario: Scenario,
        spots: Floats,
        lean: Floats,
        trades_per_second: float,
        activity: Floats,
    ) -> None:
        """`spots` are prices at whole seconds since the open, the opening price first, on to the
        end of option trading; `lean` is the flow's direction by the second in [-1, 1]; `activity`
        the relative number of trades by the minute, mean 1."""
        self._seed = seed
        self._chain = chain
        self._surface = surface
        self._scenario = scenario
        self._spots = spots
        self._lean = lean
        self._rate = trades_per_second
        self._activity = activity
        age = np.arange(len(chain.expiries))
        self._expiry_weight = np.where(age == 0, 5.0, np.where(age == 1, 2.0, 1.2 * 0.8**age))
        self._sums = np.ones(len(chain.expiries))

    @property
    def minutes(self) -> int:
        return len(self._activity)

    def draw(self, minute: int) -> TradeChunk:
        """The trades of a minute of the session."""
        chance = stream(self._seed, "trades", self._chain.symbol, minute)
        orders = int(chance.poisson(self._rate * 60 * self._activity[minute]))
        at = np.sort(chance.random(orders)) * 59.8 + minute * 60 + 0.05
        lean = self._lean[np.minimum(at.astype(np.int64), len(self._lean) - 1)]
        row = self._pick(chance, minute, lean)
        sweep = chance.random(orders) < SWEEP_SHARE
        prints = np.where(sweep, chance.integers(3, 7, orders), 1)
        size = np.ceil(chance.lognormal(1.3, 1.2, orders)).astype(np.int64)
        block = chance.random(orders) < BLOCK_SHARE
        size = np.where(block, chance.integers(500, 1500, orders), size)
        side = self._side(chance, self._chain.call[row], lean, sweep)
        number = np.where(sweep, np.cumsum(sweep) - 1, -1)
        multi = (chance.random(orders) < MULTI_LEG_SHARE) & ~sweep
        again = np.repeat(np.arange(orders), prints)
        place = np.arange(len(again)) - np.repeat(np.cumsum(prints) - prints, prints)
        at = at[again] + place * 0.012
        order = np.argsort(at, kind="stable")
        again, at = again[order], at[order]
        venue = (chance.integers(0, len(EXCHANGES), orders)[again] + place[order] * 5) % len(
            EXCHANGES
        )
        auction = chance.random(orders) < 0.2
        code = np.where(
            sweep, CODE_SWEEP, np.where(multi, CODE_MULTI, np.where(auction, CODE_AUCTION, 0))
        )
        return self._filled(
            minute, at, row[again], size[again], side[again], venue, code[again],
            number[again], multi[again],
        )  # fmt: skip

    def _pick(self, chance: np.random.Generator, minute: int, lean: Floats) -> Integers:
        chain, second = self._chain, min(minute * 60 + 30, len(self._spots) - 1)
        index = chain.expiry_index
        variance = self._surface.variance(float(second))
        z = np.log(chain.strike / self._spots[second]) / np.sqrt(variance)[index]
        weight = np.exp(-np.abs(np.where(chain.call, z - 0.25, z + 0.25)) * 1.2)
        weight *= self._expiry_weight[index]
        weight[self._surface.years(float(second))[index] <= 0] = 0.0
        tilt = 0.25 * float(lean.mean()) if len(lean) else 0.0
        weight *= np.where(chain.call, 1 + tilt, 1 - tilt)
        edges = np.cumsum(weight)
        draw = chance.random(len(lean)) * edges[-1]
        row: Integers = np.searchsorted(edges, draw, side="right").astype(np.int64)
        return row

    def _side(
        self, chance: np.random.Generator, call: Flags, lean: Floats, sweep: Flags
    ) -> Integers:
        toward = np.where(call, 1.0, -1.0) * lean * self._scenario.flow_alignment
        buy = np.clip((1 - MID_SHARE) / 2 * (1 + toward), 0.03, 0.87)
        draw = chance.random(len(call))
        side = np.where(draw < buy, 1, np.where(draw < 1 - MID_SHARE, -1, 0))
        chosen: Integers = np.where(sweep & (side == 0), np.where(toward >= 0, 1, -1), side)
        return chosen

    def _filled(
        self,
        minute: int,
        at: Floats,
        row: Integers,
        size: Integers,
        side: Integers,
        venue: Integers,
        code: Integers,
        sweep: Integers,
        multi: Flags,
    ) -> TradeChunk:
        spots = interpolated(self._spots, at)
        if len(at):
            priced, quotes = quote_rows(self._chain, self._surface, self._scenario, row, at, spots)
        else:
            none = np.zeros(0)
            whole = np.zeros(0, dtype=np.int64)
            priced = Priced(*([none] * 10))
            quotes = Book(whole, whole, whole, whole)
        middle = (quotes.bid + quotes.ask) // 2
        between = (side == 0) & (quotes.ask - quotes.bid >= 2)
        # One tick wide has nothing between, and nobody sells at a bid of zero.
        side = np.where((side == 0) & ~between, np.where(size % 2 == 0, 1, -1), side)
        side = np.where((side == -1) & (quotes.bid == 0), 1, side)
        ticks = np.where(side == 1, quotes.ask, np.where(side == -1, quotes.bid, middle))
        call = self._chain.call[row]
        premium = ticks * size * side
        columns = (
            np.where(call, size, 0),
            np.where(call, 0, size),
            np.where(call & (side == 1), size, 0),
            np.where(call & (side == -1), size, 0),
            np.where(~call & (side == 1), size, 0),
            np.where(~call & (side == -1), size, 0),
            np.where(call, premium, 0),
            np.where(call, 0, premium),
        )
        return TradeChunk(
            minute=minute,
            at=at,
            row=row,
            price_ticks=ticks,
            size=size,
            aggressor=side,
            quotes=quotes,
            greeks=priced,
            spot=spots,
            exchange=venue,
            code=code,
            sweep=sweep,
            multi_leg=multi,
            totals=np.cumsum(np.stack(columns, axis=1), axis=0),
            net_delta=np.cumsum(side * size * 100 * priced.delta),
        )


def interpolated(prices: Floats, seconds: Floats) -> Floats:
    """Prices between whole seconds, on the line between the two."""
    at = np.clip(seconds, 0, len(prices) - 1)
    low = np.minimum(at.astype(np.int64), len(prices) - 2)
    result: Floats = prices[low] + (prices[low + 1] - prices[low]) * (at - low)
    return result
