"""The feed's link: ticks, bars, depth, contracts and history as they came, one packet at a time.

Keeps what it needs to name a message (which line a request id is) and the last prices that TWS
leaves out of size ticks; everything else is handed on. Used by market_data.py, which owns one
link for each connection.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime

from ib_async import BarData, Contract, ContractDetails

from adapters.interactive_brokers.feed_watch import LineSeen
from adapters.interactive_brokers.lines import (
    ASK,
    ASK_SIZE,
    BID,
    BID_SIZE,
    DELAYED_HALTED,
    DELAYED_TWINS,
    HALTED,
    KIND_MAX,
    LAST,
    LAST_SIZE,
    LAST_TIMESTAMP,
    NO_PRICE,
    REALTIME_VOLUME,
    Line,
    is_number,
    unless,
)
from adapters.interactive_brokers.link import IbLink
from adapters.interactive_brokers.tap import Tap
from domain.analytics.depth_book import ASK as ASK_SIDE
from domain.analytics.depth_book import BID as BID_SIDE
from domain.analytics.depth_book import DELETE
from domain.event import MarketEvent
from domain.events.feeds import (
    FeedMessageRejected,
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
)

POSITIONS_MAX = 1_000
MAKER_CHARACTERS_MAX = 32
UNREADABLE_CHARACTERS_MAX = 64_000
INT64_MAX = 2**63 - 1
SIDES = {ASK_SIZE: ASK, BID_SIZE: BID, LAST_SIZE: LAST}


class MarketLink(IbLink):
    """One connection of the feed."""

    def __init__(
        self,
        connection: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        emit: Callable[[MarketEvent], None],
        on_error: Callable[[int, int, str], None],
        on_lost: Callable[[str], None],
        tap: Tap | None = None,
    ) -> None:
        super().__init__(on_lost, connection, tap)
        self._connection = connection
        self._now = now
        self._monotonic = monotonic
        self._emit = emit
        self._on_error = on_error
        self._received_at = now()
        self._touched: dict[int, Line] = {}
        self.lines: dict[int, Line] = {}

    def add_line(self, contract: Contract, kind: str, *, is_vital: bool, is_renewed: bool) -> int:
        request, now = self.client.getReqId(), self._monotonic()
        self.lines[request] = Line(contract, kind, is_vital, now, now, is_renewed)
        return request

    def seen(self) -> list[LineSeen]:
        """How each line is."""
        now = self._monotonic()
        return [line.seen(request, now) for request, line in self.lines.items()]

    def recheck(self) -> None:
        """No line passes for alive that does not deliver from now on."""
        for line in self.lines.values():
            line.recheck(self._monotonic())

    def _line(self, request_id: int, kind: str) -> Line | None:
        """The line of a message; None for one that was just closed."""
        line = self.lines.get(request_id)
        if line is None:
            return None
        if line.kind != kind:
            raise ValueError(f"{line.name} must not bring {kind}")
        line.heard_at, line.has_spoken, line.is_answered = self._monotonic(), True, True
        self._touched[request_id] = line
        return line

    def _answered(self, request_id: int) -> Line | None:
        line = self.lines.get(request_id)
        if line is not None:
            line.is_answered = True
        return line

    # A packet.

    def tcpDataArrived(self) -> None:
        self._received_at = self._now()

    def tcpDataProcessed(self) -> None:
        touched, self._touched = self._touched, {}
        for line in touched.values():
            if line.ticks or line.computations:
                self._emit_ticks(line)
            if line.depth:
                line.book.apply(line.depth, self._monotonic())
                self._emit_depth(line)

    def _emit_ticks(self, line: Line) -> None:
        contract = line.contract
        expiry = contract.lastTradeDateOrContractMonth
        is_option = contract.secType == "OPT"
        self._emit(
            IbTicksReceived(
                con_id=contract.conId,
                symbol=contract.symbol,
                expiry=f"{expiry[:4]}-{expiry[4:6]}-{expiry[6:8]}" if is_option else "",
                strike=contract.strike if is_option else 0.0,
                right=contract.right if is_option else "",
                connection=self._connection,
                received_at=self._received_at,
                market_data_type=line.market_data_type,
                ticks=line.ticks,
                computations=line.computations,
            )
        )
        line.ticks, line.computations = [], []

    def _emit_depth(self, line: Line) -> None:
        self._emit(
            IbDepthReceived(
                con_id=line.contract.conId,
                symbol=line.contract.symbol,
                connection=self._connection,
                received_at=self._received_at,
                ticks=line.depth,
            )
        )
        line.depth = []

    # Ticks.

    def _tick_line(self, request_id: int, kind: int) -> Line | None:
        if not 0 <= kind <= KIND_MAX:
            raise ValueError(f"tick type must be in [0, {KIND_MAX}], was {kind}")
        return self._line(request_id, "ticks")

    def priceSizeTick(self, request_id: int, kind: int, price: float, size: float) -> None:
        """A price or size that TWS does not have is none: -1 and 0."""
        line = self._tick_line(request_id, kind)
        if line is None:
            return
        side = DELAYED_TWINS.get(kind, kind)
        price = price if is_number(price) else NO_PRICE
        size = size if is_number(size) else 0.0
        if side in (BID, ASK) and size == 0:
            price = NO_PRICE
        if side in (BID, ASK, LAST):
            line.prices[side] = price
        if price or size:
            line.add(kind, price, size)

    def tickSize(self, request_id: int, kind: int, size: float) -> None:
        line = self._tick_line(request_id, kind)
        if line is None:
            return
        side = SIDES.get(DELAYED_TWINS.get(kind, kind))
        if not is_number(size):
            if side is None:
                return  # the largest double for a volume or an imbalance: there is none
            size = 0.0
        price = NO_PRICE if side is None else line.prices.get(side, NO_PRICE)
        line.add(kind, price if size else NO_PRICE, size)

    def tickGeneric(self, request_id: int, kind: int, value: float) -> None:
        line = self._tick_line(request_id, kind)
        if line is None or not is_number(value):
            return
        if kind in (HALTED, DELAYED_HALTED):
            line.is_halted = value > 0
        line.add(kind, value if value > 0 else 0.0, 0.0)

    def tickString(self, request_id: int, kind: int, text: str) -> None:
        line = self._tick_line(request_id, kind)
        if line is None:
            return
        if kind == LAST_TIMESTAMP and text.isdecimal() and is_number(float(text)):
            line.add(kind, float(text), 0.0)
        elif kind == REALTIME_VOLUME:
            price, size, *_ = text.split(";")
            if price and is_number(float(price)) and is_number(float(size)):
                line.add(kind, float(price), float(size))

    def tickOptionComputation(
        self,
        request_id: int,
        kind: int,
        _attributes: int,
        implied_volatility: float,
        delta: float,
        price: float,
        pv_dividend: float,
        gamma: float,
        vega: float,
        theta: float,
        underlying_price: float,
    ) -> None:
        line = self._tick_line(request_id, kind)
        if line is None:
            return
        line.computations.append(
            (
                kind,
                unless(implied_volatility, -1),
                unless(delta, -2),
                unless(price, -1),
                unless(pv_dividend, -1),
                unless(gamma, -2),
                unless(vega, -2),
                unless(theta, -2),
                unless(underlying_price, -1),
            )
        )

    def marketDataType(self, request_id: int, kind: int) -> None:
        line = self._answered(request_id)
        if line is None or line.kind != "ticks":
            return
        line.set_type(kind)
        if line.ticks:
            self._touched[request_id] = line

    def tickReqParams(self, request_id: int, *_: object) -> None:
        self._answered(request_id)

    def tickSnapshotEnd(self, *_: object) -> None: ...

    # Bars and depth.

    def realtimeBar(
        self,
        request_id: int,
        start: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        wap: float,
        count: int,
    ) -> None:
        if not all(map(is_number, (open_, high, low, close, volume, wap))):
            raise ValueError("a bar must be of numbers")
        if not -INT64_MAX <= count <= INT64_MAX:
            raise ValueError(f"the count of a bar must fit 64 bits, was {count}")
        line = self._line(request_id, "bars")
        if line is None:
            return
        self._emit(
            IbBarReceived(
                con_id=line.contract.conId,
                symbol=line.contract.symbol,
                connection=self._connection,
                received_at=self._received_at,
                start=datetime.fromtimestamp(start, UTC),
                open=open_,
                high=high,
                low=low,
                close=close,
                volume=volume,
                wap=wap,
                count=count,
            )
        )

    def updateMktDepth(
        self, request_id: int, position: int, operation: int, side: int, price: float, size: float
    ) -> None:
        self.updateMktDepthL2(request_id, position, "", operation, side, price, size)

    def updateMktDepthL2(
        self,
        request_id: int,
        position: int,
        market_maker: str,
        operation: int,
        side: int,
        price: float,
        size: float,
        _is_smart: bool = False,
    ) -> None:
        if not (0 <= position <= POSITIONS_MAX and 0 <= operation <= DELETE):
            raise ValueError(f"no such row or operation: {position}, {operation}")
        if side not in (ASK_SIDE, BID_SIDE) or len(market_maker) > MAKER_CHARACTERS_MAX:
            raise ValueError(
                f"no such side or maker: {side}, {market_maker[:MAKER_CHARACTERS_MAX]}"
            )
        if not (is_number(price) and is_number(size)):
            raise ValueError("a level must be of numbers")
        line = self._line(request_id, "depth")
        if line is not None:
            line.depth.append((position, market_maker, operation, side, price, size))

    def clear_depth(self, request_id: int) -> None:
        """Deletes for every level of a book that TWS has thrown away without saying so.

        Readers of the log then have an empty book too, whatever it was like before.
        """
        line = self.lines.get(request_id)
        if line is None or line.kind != "depth":
            return
        line.book.apply(line.depth, self._monotonic())  # of this packet, not emitted yet
        for side, levels in ((ASK_SIDE, line.book.asks), (BID_SIDE, line.book.bids)):
            line.depth += [(0, "", DELETE, side, 0.0, 0.0)] * len(levels)
        line.book.clear()
        if line.depth:
            self._emit_depth(line)

    # Answers to requests.

    def contractDetails(self, request_id: int, details: ContractDetails) -> None:
        self.part(request_id, details)

    def contractDetailsEnd(self, request_id: int) -> None:
        self.end(request_id)

    def securityDefinitionOptionParameter(
        self,
        request_id: int,
        exchange: str,
        _con_id: object,
        trading_class: str,
        multiplier: str,
        expirations: list[str],
        _strikes: list[float],
    ) -> None:
        self.part(request_id, (exchange, trading_class, multiplier, tuple(expirations)))

    def securityDefinitionOptionParameterEnd(self, request_id: int) -> None:
        self.end(request_id)

    def historicalData(self, request_id: int, bar: BarData) -> None:
        self.part(request_id, bar)

    def historicalDataEnd(self, request_id: int, _start: str, _end: str) -> None:
        self.end(request_id)

    # Errors.

    def heard_error(self, request_id: int, code: int, text: str) -> None:
        self._on_error(request_id, code, text)

    def message_unreadable(self, text: str) -> None:
        self._emit(
            FeedMessageRejected(
                vendor="ib",
                feed="ib.data",
                reason="ib_async could not decode the message",
                payload_base64=base64.b64encode(
                    text[:UNREADABLE_CHARACTERS_MAX].encode(errors="backslashreplace")
                ).decode(),
                received_at=self._received_at,
            )
        )
