"""A small market whose quotes move only when a test moves them, and its clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from adapters.market_model.contract import (
    MarketUpdate,
    SimBar,
    SimContract,
    SimGreeks,
    SimQuote,
    UnderlyingQuoted,
)

SESSION = date(2026, 11, 23)
EXPIRY = date(2026, 11, 24)
OPEN_AT = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
CLOSE_AT = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
SPY, QQQ, IWM, AAPL = 756733, 320227571, 9579970, 265598
CALL_600, CALL_605, PUT_600, PUT_595 = 700001, 700002, 700003, 700004
UNDERLYINGS = {"SPY": SPY, "QQQ": QQQ, "IWM": IWM, "AAPL": AAPL}


def option(con_id: int, strike: float, right: str, expiry: date = EXPIRY) -> SimContract:
    return SimContract(con_id, "SPY", expiry, strike, right, "")


@dataclass
class StillMarket:
    """A market whose quotes move only when a test moves them."""

    session_date: date = SESSION
    open_at: datetime = OPEN_AT
    close_at: datetime = CLOSE_AT
    symbols: Sequence[str] = ("SPY", "QQQ", "IWM")
    basket: Sequence[str] = ("AAPL",)
    time: datetime = OPEN_AT + timedelta(minutes=30)
    listed: list[SimContract] = field(
        default_factory=lambda: [
            option(CALL_600, 600.0, "C"),
            option(CALL_605, 605.0, "C"),
            option(PUT_600, 600.0, "P"),
            option(PUT_595, 595.0, "P"),
            option(700011, 600.0, "C", date(2026, 12, 18)),
        ]
    )
    quotes: dict[int, SimQuote] = field(
        default_factory=lambda: {
            SPY: SimQuote(599.99, 600.01, 300, 500),
            QQQ: SimQuote(500.0, 500.02, 100, 100),
            IWM: SimQuote(200.0, 200.01, 100, 100),
            AAPL: SimQuote(250.0, 250.02, 100, 100),
            CALL_600: SimQuote(1.20, 1.25, 10, 5),
            CALL_605: SimQuote(0.40, 0.45, 10, 20),
            PUT_600: SimQuote(1.10, 1.15, 10, 5),
            PUT_595: SimQuote(0.35, 0.40, 10, 20),
            700011: SimQuote(9.00, 9.10, 10, 10),
        }
    )
    book: dict[str, tuple[list[tuple[float, int]], list[tuple[float, int]]]] = field(
        default_factory=dict
    )

    def advance(self, until: datetime, thin: bool = False) -> list[MarketUpdate]:
        self.time = until
        return []

    def now(self) -> datetime:
        return self.time

    def contracts(self, symbol: str) -> Sequence[SimContract]:
        return [c for c in self.listed if c.symbol == symbol]

    def contract(self, con_id: int) -> SimContract | None:
        for symbol, known in UNDERLYINGS.items():
            if known == con_id:
                return self.underlying(symbol)
        return next((c for c in self.listed if c.con_id == con_id), None)

    def underlying(self, symbol: str) -> SimContract:
        return SimContract(UNDERLYINGS[symbol], symbol, None, 0.0, "", "ARCA")

    def quote(self, con_id: int) -> SimQuote | None:
        return self.quotes.get(con_id)

    def greeks(self, con_id: int) -> SimGreeks | None:
        contract = self.contract(con_id)
        if contract is None or not contract.is_option:
            return None
        return SimGreeks(0.185, 0.51, 0.021, 0.33, -0.12, 0.01, 1.22, 600.0)

    def depth(
        self, symbol: str, rows: int
    ) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        bids, asks = self.book.get(symbol, ([(599.98, 100), (599.97, 200)], [(600.02, 300)]))
        return bids[:rows], asks[:rows]

    def is_out(self, vendor: str, symbol: str = "", at: datetime | None = None) -> bool:
        return False

    def open_interest(self, con_id: int) -> int:
        return 1234

    def option_volume(self, con_id: int) -> tuple[int, int, int, int]:
        return 50, 20, 20, 10

    def daily_bars(
        self, symbol: str, count: int
    ) -> list[tuple[date, float, float, float, float, int]]:
        days = [date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20)]
        return [(day, 598.0, 601.0, 597.0, 600.0, 50_000_000) for day in days[-count:]]

    def bars(self, symbol: str, session: date, seconds: int) -> list[SimBar]:
        start = datetime(session.year, session.month, session.day, 14, 30, tzinfo=UTC)
        return [
            SimBar(symbol, start + timedelta(seconds=seconds * n), 600, 601, 599, 600.5, 10, 600, 3)
            for n in range(4)
        ]

    # What tests do to it.

    def set_quote(self, con_id: int, bid: float, ask: float, size: int = 10) -> None:
        self.quotes[con_id] = SimQuote(bid, ask, size if bid else 0, size)

    def underlying_quoted(self, symbol: str, bid: float, ask: float) -> UnderlyingQuoted:
        self.quotes[UNDERLYINGS[symbol]] = SimQuote(bid, ask, 100, 100)
        quote = self.quotes[UNDERLYINGS[symbol]]
        return UnderlyingQuoted(self.time, UNDERLYINGS[symbol], symbol, quote, ask, 100, 5_000)


@dataclass
class StillClock:
    market: StillMarket
    speed: float = 1.0
    thinned: bool = False

    def now(self) -> datetime:
        return self.market.time
