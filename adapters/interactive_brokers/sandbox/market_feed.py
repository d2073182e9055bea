"""Market data of one client: quote lines with generic ticks, and 5-second bars.

The session hands it requests and the server hands it updates of the market model; it sends only
what changed. Option lines are polled, because the model computes their quotes when asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapters.interactive_brokers.sandbox.contracts import ContractDirectory
from adapters.interactive_brokers.sandbox.depth_feed import NOT_FOUND, DepthFeed
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.market_faults import (
    DELAYED,
    NOT_SUBSCRIBED,
    PACED,
    SERVED,
    UNSET,
    MarketFaults,
)
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

COMPETING = "No market data during competing live session"
BUST = (
    "Bust event occurred, current subscription is deactivated. Please resubscribe real-time bars "
    "immediately."
)
TOO_MANY = "Max number of tickers has been reached"
DAY_SECONDS = 86_400
Send = Callable[..., None]


@dataclass(slots=True)
class Line:
    contract: SimContract
    generic_ticks: frozenset[str]
    data_type: int = 1
    quote: SimQuote | None = None
    greeks: SimGreeks | None = None
    volume: int = -1
    is_halted: bool = False


class MarketFeed:
    """Subscriptions of one session by request id. `paced` counts a request that reads history."""

    def __init__(
        self,
        market: MarketModel,
        directory: ContractDirectory,
        faults: Faults,
        send: Send,
        paced: Callable[[], str],
    ) -> None:
        self._market = market
        self._directory = directory
        self._faults = faults
        self._market_faults = MarketFaults(faults)
        self._send = send
        self._paced = paced
        self.depth = DepthFeed(market, directory, faults, send)
        self._lines: dict[int, Line] = {}
        self._bars: dict[int, str] = {}
        self._dead_bars: set[int] = set()
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
            return
        refusal = self._market_faults.refusal(contract.con_id)
        if request_id in self._lines:
            self._error(request_id, 102, "Duplicate ticker id")
        elif len(self._lines) + len(self._bars) >= self._market_faults.lines_max():
            self._error(request_id, 101, TOO_MANY)
        elif refusal and refusal not in SERVED:
            self._error(request_id, refusal, NOT_SUBSCRIBED[refusal])
        else:
            if refusal:
                self._error(request_id, refusal, NOT_SUBSCRIBED[refusal])
            data_type = self._market_faults.data_type(contract.con_id)
            self._open_line(request_id, Line(contract, generic, data_type), snapshot)

    def _open_line(self, request_id: int, line: Line, snapshot: bool) -> None:
        self._send(81, request_id, 0.01, "9c0001", 3)
        if self._faults.is_on("competing_session"):
            self._error(request_id, 10197, COMPETING)
        if line.data_type:  # 0: TWS keeps it to itself
            self._send(58, 1, request_id, line.data_type)
        if self._flows() and not self._market_faults.is_frozen(line.contract.con_id):
            line.is_halted = self._market_faults.is_halted(line.contract.con_id)
            self._tick(45, request_id, line, 49, int(line.is_halted))
            self._refresh(request_id, line)
            if line.contract.is_option and "101" in line.generic_ticks:
                kind = 27 if line.contract.right == "C" else 28
                interest = self._market.open_interest(line.contract.con_id)
                self._tick(2, request_id, line, kind, interest)
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
        elif len(self._lines) + len(self._bars) >= self._market_faults.lines_max():
            self._error(request_id, 101, TOO_MANY)
        elif self._market_faults.is_paced() and self._paced():
            self._error(request_id, 420, PACED)
        else:
            self._bars[request_id] = contract.symbol

    def cancel_bars(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id = cursor.integer()
        self._dead_bars.discard(request_id)
        if self._bars.pop(request_id, None) is None:
            self._error(request_id, 300, f"Can't find EId with tickerId:{request_id}")

    # What the server does to it.

    def kill_bars(self) -> None:
        """Streams that are dead with no other sign; new ones live."""
        self._dead_bars.update(self._bars)

    def bust_bars(self) -> None:
        """Error 10225 for each stream, which is dead from then on."""
        for request_id in self._bars:
            self._error(request_id, 10225, BUST)
        self.kill_bars()

    def send_stray_ticks(self) -> None:
        """A trade of yesterday on every line, as if it were of now."""
        stamp = int(self._market.now().timestamp()) - DAY_SECONDS
        for request_id, line in self._lines.items():
            self._tick(46, request_id, line, 45, stamp)
            self._tick(1, request_id, line, 4, 1.0, 1, 0)

    def send_unset_ticks(self) -> None:
        """The largest double, NaN and -1 where numbers are wanted, on every line."""
        for request_id, line in self._lines.items():
            for value in (UNSET, "nan", "-1"):
                self._tick(1, request_id, line, 1, value, 100, 0)
                self._tick(1, request_id, line, 2, 10.0, value, 0)
                self._tick(2, request_id, line, 8, value)
                self._tick(45, request_id, line, 23, value)
            if line.contract.is_option:
                self._send(21, request_id, 13, 0, *[UNSET] * 8)

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
                    self._tick(1, request_id, line, 4, update.price, update.size, 0)

    def poll(self) -> None:
        """Send what changed on option lines."""
        if not self._flows():
            return
        for request_id, line in self._lines.items():
            self._halt(request_id, line)
            if line.contract.is_option and self._speaks(line):
                self._refresh(request_id, line)

    def _halt(self, request_id: int, line: Line) -> None:
        is_halted = self._market_faults.is_halted(line.contract.con_id)
        if is_halted != line.is_halted:
            line.is_halted = is_halted
            self._tick(45, request_id, line, 49, int(is_halted))

    def _speaks(self, line: Line) -> bool:
        return not (line.is_halted or self._market_faults.is_frozen(line.contract.con_id))

    def _flows(self) -> bool:
        if self._faults.is_on("competing_session"):
            if not self._told_competing:
                for request_id in self._lines:
                    self._error(request_id, 10197, COMPETING)
            self._told_competing = True
            return False
        self._told_competing = False
        return not (self._faults.is_on("drop_ticks") or self._faults.is_on("cut_off"))

    def _bar(self, update: BarClosed) -> None:
        if self._market_faults.skips_bar():
            return
        bar = update.bar
        start = int(bar.start.timestamp())
        assert start % 5 == 0, start
        if bar.symbol in self._bars.values() and self._market_faults.takes_gap():
            return
        for request_id, symbol in self._bars.items():
            if symbol == bar.symbol and request_id not in self._dead_bars:
                prices = (bar.open, bar.high, bar.low, bar.close)
                self._send(50, 3, request_id, start, *prices, bar.volume, bar.wap, bar.count)

    def _underlying(self, update: UnderlyingQuoted) -> None:
        for request_id, line in self._lines.items():
            if line.contract.con_id != update.con_id or not self._speaks(line):
                continue
            self._send_quote(request_id, line, update.quote)
            if update.last_size:
                self._tick(1, request_id, line, 4, update.last, update.last_size, 0)
                self._tick(46, request_id, line, 45, int(update.at.timestamp()))
            if update.session_volume != line.volume:
                line.volume = update.session_volume
                self._tick(2, request_id, line, 8, update.session_volume)
        if not self._market_faults.is_frozen(update.con_id):
            self.depth.on_quote(update.symbol)

    def _auction(self, update: AuctionTicked) -> None:
        for request_id, line in self._lines.items():
            if line.contract.con_id == update.con_id and "225" in line.generic_ticks:
                self._send(2, 6, request_id, 34, update.paired)
                if update.indicative_price:
                    self._send(1, 6, request_id, 35, update.indicative_price, 0, 0)
                imbalance = self._market_faults.imbalance(update.imbalance)
                self._send(2, 6, request_id, 36, imbalance)
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
                self._market_faults.kind(13, line.data_type),
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
            self._tick(2, request_id, line, 8, volume)

    def _send_quote(self, request_id: int, line: Line, quote: SimQuote | None) -> None:
        quote = self._market_faults.quote(quote or SimQuote(0.0, 0.0, 0, 0))
        before, line.quote = line.quote, quote
        if before is None or (before.bid, before.bid_size) != (quote.bid, quote.bid_size):
            price = quote.bid if quote.bid_size else -1
            self._tick(1, request_id, line, 1, price, quote.bid_size, 1)
        if before is None or (before.ask, before.ask_size) != (quote.ask, quote.ask_size):
            price = quote.ask if quote.ask_size else -1
            self._tick(1, request_id, line, 2, price, quote.ask_size, 1)

    def _tick(
        self, message: int, request_id: int, line: Line, kind: int, *values: FieldValue
    ) -> None:
        """A tick of a line, of the type that its data have."""
        if line.data_type >= DELAYED:
            kind = self._market_faults.kind(kind, line.data_type)
        self._send(message, 6, request_id, kind, *values)

    def _error(self, request_id: int, code: int, text: str) -> None:
        self._send(4, 2, request_id, code, text, "")
