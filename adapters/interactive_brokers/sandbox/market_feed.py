"""Market data of one client: quote lines with generic ticks, 5-second bars, depth.

The session hands it requests and the server hands it updates of the market model; it sends only
what changed. Option lines are polled, because the model computes their quotes when asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from adapters.interactive_brokers.sandbox.contracts import ContractDirectory
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.requests import read_contract, read_market_data_legs
from adapters.interactive_brokers.sandbox.wire import FieldCursor, FieldValue
from adapters.market_model.contract import (
    AuctionTicked,
    BarClosed,
    MarketModel,
    MarketUpdate,
    OptionTraded,
    SimContract,
    SimGreeks,
    SimQuote,
    UnderlyingQuoted,
)

LINES_MAX = 100
DEPTH_MAX = 3
DEPTH_ROWS_MAX = 20
NOT_FOUND = "No security definition has been found for the request"
COMPETING = "No market data during competing live session"
Send = Callable[..., None]
Level = tuple[float, int]


@dataclass(slots=True)
class Line:
    contract: SimContract
    generic_ticks: frozenset[str]
    quote: SimQuote | None = None
    greeks: SimGreeks | None = None
    volume: int = -1


@dataclass(slots=True)
class DepthLine:
    symbol: str
    rows: int
    is_smart: bool
    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)


class MarketFeed:
    """Subscriptions of one session by request id."""

    def __init__(
        self, market: MarketModel, directory: ContractDirectory, faults: Faults, send: Send
    ) -> None:
        self._market = market
        self._directory = directory
        self._faults = faults
        self._send = send
        self._lines: dict[int, Line] = {}
        self._bars: dict[int, str] = {}
        self._depth: dict[int, DepthLine] = {}
        self._told_competing = False

    # Requests.

    def subscribe_line(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id, asked = cursor.integer(), read_contract(cursor)
        if asked.security_type == "BAG":
            read_market_data_legs(cursor)
        if cursor.flag():
            cursor.skip(3)
        generic, snapshot = frozenset(cursor.text().split(",")), cursor.flag()
        cursor.skip(2)
        cursor.finish()
        contract = self._directory.find_one(asked)
        if contract is None:
            self._error(request_id, 200, NOT_FOUND)
        elif request_id in self._lines:
            self._error(request_id, 102, "Duplicate ticker id")
        elif len(self._lines) + len(self._bars) >= LINES_MAX:
            self._error(request_id, 101, "Max number of tickers has been reached")
        else:
            self._open_line(request_id, Line(contract, generic), snapshot)

    def _open_line(self, request_id: int, line: Line, snapshot: bool) -> None:
        self._send(81, request_id, 0.01, "9c0001", 3)
        if self._faults.is_on("competing_session"):
            self._error(request_id, 10197, COMPETING)
        self._send(58, 1, request_id, int(self._faults.number("market_data_type")))
        if self._flows():
            self._send(45, 6, request_id, 49, 0)
            self._refresh(request_id, line)
            if line.contract.is_option and "101" in line.generic_ticks:
                kind = 27 if line.contract.right == "C" else 28
                interest = self._market.open_interest(line.contract.con_id)
                self._send(2, 6, request_id, kind, interest)
        if snapshot:
            self._send(57, 1, request_id)
        else:
            self._lines[request_id] = line

    def cancel_line(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id = cursor.integer()
        if self._lines.pop(request_id, None) is None:
            self._error(request_id, 300, f"Can't find EId with tickerId:{request_id}")

    def subscribe_bars(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id, asked = cursor.integer(), read_contract(cursor)
        cursor.skip(4)  # bar size (always 5), whatToShow, useRTH, options
        cursor.finish()
        contract = self._directory.find_one(asked)
        if contract is None or contract.is_option:
            self._error(request_id, 420, "Invalid Real-time Query: no such contract")
        elif len(self._lines) + len(self._bars) >= LINES_MAX:
            self._error(request_id, 101, "Max number of tickers has been reached")
        else:
            self._bars[request_id] = contract.symbol

    def cancel_bars(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id = cursor.integer()
        if self._bars.pop(request_id, None) is None:
            self._error(request_id, 300, f"Can't find EId with tickerId:{request_id}")

    def subscribe_depth(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id, asked = cursor.integer(), read_contract(cursor)
        rows, is_smart = cursor.integer(), cursor.flag()
        cursor.skip(1)
        cursor.finish()
        contract = self._directory.find_one(asked)
        if contract is None:
            self._error(request_id, 200, NOT_FOUND)
            return
        symbols = {line.symbol for line in self._depth.values()} | {contract.symbol}
        if contract.is_option or (asked.exchange == "SMART" and not is_smart):
            text = (
                "Deep market data is not supported for this combination of security type/exchange"
            )
            self._error(request_id, 10092, text)
        elif len(symbols) > DEPTH_MAX:
            text = "Max number (3) of market depth requests has been reached"
            self._error(request_id, 309, text)
        else:
            if is_smart:
                self._error(request_id, 2152, "Exchanges - Depth: IEX; Top: BYX; ARCA; NASDAQ; ")
            line = DepthLine(contract.symbol, min(rows, DEPTH_ROWS_MAX), is_smart)
            self._depth[request_id] = line
            self._refresh_depth(request_id, line)

    def cancel_depth(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id = cursor.integer()
        if self._depth.pop(request_id, None) is None:
            self._error(request_id, 310, "Can't find the subscribed market depth")

    def reset_depth(self) -> None:
        """Error 317 for every book, and the books anew."""
        text = (
            "Market depth data has been RESET. Please empty deep book contents before applying "
            "any new entries."
        )
        for request_id, line in self._depth.items():
            self._error(request_id, 317, text)
            line.bids, line.asks = [], []
            self._refresh_depth(request_id, line)

    # Updates.

    def on_update(self, update: MarketUpdate) -> None:
        if isinstance(update, BarClosed):
            self._bar(update)
        elif not self._flows():
            return
        elif isinstance(update, UnderlyingQuoted):
            self._underlying(update)
        elif isinstance(update, AuctionTicked):
            self._auction(update)
        elif isinstance(update, OptionTraded):
            for request_id, line in self._lines.items():
                if line.contract.con_id == update.contract.con_id:
                    self._send(1, 6, request_id, 4, update.price, update.size, 0)

    def poll(self) -> None:
        """Send what changed on option lines."""
        if not self._flows():
            return
        for request_id, line in self._lines.items():
            if line.contract.is_option:
                self._refresh(request_id, line)

    def _flows(self) -> bool:
        if self._faults.is_on("competing_session"):
            if not self._told_competing:
                for request_id in self._lines:
                    self._error(request_id, 10197, COMPETING)
            self._told_competing = True
            return False
        self._told_competing = False
        return not self._faults.is_on("drop_ticks")

    def _bar(self, update: BarClosed) -> None:
        if self._faults.is_on("drop_bars"):
            return
        bar = update.bar
        start = int(bar.start.timestamp())
        assert start % 5 == 0, start
        for request_id, symbol in self._bars.items():
            if symbol == bar.symbol:
                prices = (bar.open, bar.high, bar.low, bar.close)
                self._send(50, 3, request_id, start, *prices, bar.volume, bar.wap, bar.count)

    def _underlying(self, update: UnderlyingQuoted) -> None:
        for request_id, line in self._lines.items():
            if line.contract.con_id != update.con_id:
                continue
            self._send_quote(request_id, line, update.quote)
            if update.last_size:
                self._send(1, 6, request_id, 4, update.last, update.last_size, 0)
                self._send(46, 6, request_id, 45, int(update.at.timestamp()))
            if update.session_volume != line.volume:
                line.volume = update.session_volume
                self._send(2, 6, request_id, 8, update.session_volume)
        for request_id, depth in self._depth.items():
            if depth.symbol == update.symbol:
                self._refresh_depth(request_id, depth)

    def _auction(self, update: AuctionTicked) -> None:
        for request_id, line in self._lines.items():
            if line.contract.con_id == update.con_id and "225" in line.generic_ticks:
                self._send(2, 6, request_id, 34, update.paired)
                if update.indicative_price:
                    self._send(1, 6, request_id, 35, update.indicative_price, 0, 0)
                self._send(2, 6, request_id, 36, update.imbalance)
                self._send(2, 6, request_id, 61, 0)

    def _refresh(self, request_id: int, line: Line) -> None:
        quote = self._market.quote(line.contract.con_id)
        self._send_quote(request_id, line, quote)
        if not line.contract.is_option:
            return
        greeks = self._market.greeks(line.contract.con_id)
        if greeks is not None and greeks != line.greeks:
            line.greeks = greeks
            self._send(
                21,
                request_id,
                13,
                0,
                greeks.implied_volatility,
                greeks.delta,
                greeks.price,
                0.0,
                greeks.gamma,
                greeks.vega,
                greeks.theta,
                greeks.underlying_price,
            )
        volume = self._market.option_volume(line.contract.con_id)[0]
        if volume != line.volume:
            line.volume = volume
            self._send(2, 6, request_id, 8, volume)

    def _send_quote(self, request_id: int, line: Line, quote: SimQuote | None) -> None:
        quote = quote or SimQuote(0.0, 0.0, 0, 0)
        before, line.quote = line.quote, quote
        if before is None or (before.bid, before.bid_size) != (quote.bid, quote.bid_size):
            price = quote.bid if quote.bid_size else -1
            self._send(1, 6, request_id, 1, price, quote.bid_size, 1)
        if before is None or (before.ask, before.ask_size) != (quote.ask, quote.ask_size):
            price = quote.ask if quote.ask_size else -1
            self._send(1, 6, request_id, 2, price, quote.ask_size, 1)

    def _refresh_depth(self, request_id: int, line: DepthLine) -> None:
        bids, asks = self._market.depth(line.symbol, line.rows)
        changes = _in_place if self._faults.text("depth_style") == "update" else _shifting
        for side, before, now in ((1, line.bids, bids), (0, line.asks, asks)):
            for position, operation, price, size in changes(before, now):
                levels: tuple[FieldValue, ...] = (operation, side, price, size)
                if line.is_smart:
                    self._send(13, 1, request_id, position, "ARCA", *levels, 1)
                else:
                    self._send(12, 1, request_id, position, *levels)
        line.bids, line.asks = list(bids), list(asks)

    def _error(self, request_id: int, code: int, text: str) -> None:
        self._send(4, 2, request_id, code, text, "")


Change = tuple[int, int, float, int]


def _in_place(before: list[Level], now: list[Level]) -> list[Change]:
    """Insert while filling, update in place, delete from the end: what TWS usually does."""
    changes: list[Change] = []
    for position, (price, size) in enumerate(now):
        if position >= len(before):
            changes.append((position, 0, price, size))
        elif before[position] != (price, size):
            changes.append((position, 1, price, size))
    for position in range(len(before) - 1, len(now) - 1, -1):
        changes.append((position, 2, 0.0, 0))
    return changes


def _shifting(before: list[Level], now: list[Level]) -> list[Change]:
    """True inserts and deletes, which shift the levels below."""
    changes: list[Change] = []
    old, new = [p for p, _ in before], [p for p, _ in now]
    at = 0
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind in ("delete", "replace"):
            changes += [(at, 2, 0.0, 0)] * (i2 - i1)
        if kind in ("insert", "replace"):
            for price, size in now[j1:j2]:
                changes.append((at, 0, price, size))
                at += 1
        if kind == "equal":
            for was, (price, size) in zip(before[i1:i2], now[j1:j2], strict=True):
                if was != (price, size):
                    changes.append((at, 1, price, size))
                at += 1
    return changes
