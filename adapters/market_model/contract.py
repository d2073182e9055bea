"""What the market sandboxes ask of the market model and of its clock.

The model is advanced by one task; both sandboxes read the same state. Option quotes are computed
when asked for (from spot, smile and time), so that a chain of thousands costs nothing unread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class SimContract:
    """A contract of the simulated market. `right` is "C", "P", or "" for a stock or ETF."""

    con_id: int
    symbol: str
    expiry: date | None
    strike: float
    right: str
    primary_exchange: str

    @property
    def is_option(self) -> bool:
        return self.right != ""


@dataclass(frozen=True, slots=True)
class SimQuote:
    """Top of book, dollars; sizes in contracts (options) or shares. No bid: bid 0 and size 0."""

    bid: float
    ask: float
    bid_size: int
    ask_size: int


@dataclass(frozen=True, slots=True)
class SimGreeks:
    """Per share: vega per vol point, theta per calendar day; implied volatility as a fraction."""

    implied_volatility: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float
    price: float
    underlying_price: float


@dataclass(frozen=True, slots=True)
class SimBar:
    """A 5-second bar; `start` is the bar's start, UTC."""

    symbol: str
    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int
    wap: float
    count: int


@dataclass(frozen=True, slots=True)
class BarClosed:
    at: datetime
    bar: SimBar


@dataclass(frozen=True, slots=True)
class UnderlyingQuoted:
    """The top of book of an underlying or basket member changed."""

    at: datetime
    con_id: int
    symbol: str
    quote: SimQuote
    last: float
    last_size: int
    session_volume: int


@dataclass(frozen=True, slots=True)
class OptionTraded:
    at: datetime
    trade_id: str
    contract: SimContract
    price: float
    size: int
    aggressor: int
    """+1 at the ask, -1 at the bid, 0 between."""
    quote: SimQuote
    greeks: SimGreeks
    underlying_price: float
    exchange: str
    trade_code: str
    is_sweep: bool
    is_multi_leg: bool
    sweep_id: str
    """Trades of one sweep share it; empty for others."""
    volumes: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    """Session volume of the contract after this trade: total, at ask, at bid, between, and the
    multi-leg part of the total."""


@dataclass(frozen=True, slots=True)
class NewsPublished:
    at: datetime
    headline: str
    source: str
    tickers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuctionTicked:
    """Closing-auction information: paired shares, signed imbalance, indicative price or 0."""

    at: datetime
    con_id: int
    symbol: str
    paired: int
    imbalance: int
    indicative_price: float


MarketUpdate: TypeAlias = (
    BarClosed | UnderlyingQuoted | OptionTraded | NewsPublished | AuctionTicked
)


class MarketModel(Protocol):
    """A simulated session and the sessions before it, all from one seed (or a recording)."""

    session_date: date
    open_at: datetime
    close_at: datetime
    symbols: Sequence[str]
    basket: Sequence[str]

    def advance(self, until: datetime, thin: bool = False) -> list[MarketUpdate]:
        """Move the market to `until`, market time; updates in time order.

        `thin` drops option trades of the stretch and all quotes but the first of each minute, but
        never bars, auction ticks, news, or what totals are made of.
        """
        ...

    def now(self) -> datetime: ...

    def is_out(self, vendor: str, symbol: str = "", at: datetime | None = None) -> bool:
        """Whether `vendor` (`uw`, `ib`) publishes nothing, or nothing of `symbol`, now or then."""
        ...

    def contracts(self, symbol: str) -> Sequence[SimContract]:
        """All listed options of an underlying."""
        ...

    def contract(self, con_id: int) -> SimContract | None:
        """Underlying, basket member or option."""
        ...

    def underlying(self, symbol: str) -> SimContract: ...

    def quote(self, con_id: int) -> SimQuote | None:
        """Current top of book; None when the contract is unknown or expired."""
        ...

    def greeks(self, con_id: int) -> SimGreeks | None: ...

    def depth(
        self, symbol: str, rows: int
    ) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        """Bids and asks, best first, as (price, size)."""
        ...

    def open_interest(self, con_id: int) -> int: ...

    def option_volume(self, con_id: int) -> tuple[int, int, int, int]:
        """Session volume of a contract: total, at ask, at bid, between."""
        ...

    def daily_bars(
        self, symbol: str, count: int
    ) -> list[tuple[date, float, float, float, float, int]]:
        """Sessions before this one, oldest first: date, open, high, low, close, volume."""
        ...

    def bars(self, symbol: str, session: date, seconds: int) -> list[SimBar]:
        """Bars of one earlier session (or of this one so far) of 5, 60 or 300 seconds."""
        ...


class SimClock(Protocol):
    """Market time of a sandbox: the same base and speed as the log's newest ClockStarted."""

    @property
    def speed(self) -> float: ...

    @property
    def thinned(self) -> bool: ...

    def now(self) -> datetime: ...
