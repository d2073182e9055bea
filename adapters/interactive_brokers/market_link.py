"""The feed's link: ticks, bars, depth, contracts and history as they came, one packet at a time.

Keeps what it needs to name a message (which line a request id is) and the last prices that TWS
leaves out of size ticks; everything else is handed on. Used by market_data.py, which owns one
link for each connection.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from ib_async import BarData, Contract, ContractDetails

from adapters.interactive_brokers.link import IbLink
from domain.event import MarketEvent
from domain.events.feeds import (
    FeedMessageRejected,
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
)

Tick: TypeAlias = tuple[int, float, float]
Computation: TypeAlias = tuple[
    int,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
]
DepthTick: TypeAlias = tuple[int, str, int, int, float, float]
NO_PRICE = -1.0
BID, ASK, LAST, LAST_SIZE, BID_SIZE, ASK_SIZE = 1, 2, 4, 5, 0, 3
DELAYED_TWINS = {66: BID, 67: ASK, 68: LAST, 69: BID_SIZE, 70: ASK_SIZE, 71: LAST_SIZE}
LAST_TIMESTAMP, REALTIME_VOLUME = 45, 48
DELETE = 2


@dataclass(slots=True)
class Line:
    """One subscription: what it is, and what of it waits for the end of the packet."""

    contract: Contract
    kind: str
    """ticks, bars or depth."""
    is_vital: bool = False
    """It never pauses in a session: silence of it is held against the connection."""
    is_refused: bool = False
    """TWS said that it will not serve it."""
    market_data_type: int = 1
    prices: dict[int, float] = field(default_factory=dict)
    ticks: list[Tick] = field(default_factory=list)
    computations: list[Computation] = field(default_factory=list)
    depth: list[DepthTick] = field(default_factory=list)
    levels: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    """Levels of the book by side, ask 0 and bid 1."""
    heard_at: float = 0.0
    """When it last spoke; when it was subscribed, before that."""
    has_spoken: bool = False


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
    ) -> None:
        super().__init__(on_lost)
        self._connection = connection
        self._now = now
        self._monotonic = monotonic
        self._emit = emit
        self._on_error = on_error
        self._received_at = now()
        self._touched: dict[int, Line] = {}
        self.lines: dict[int, Line] = {}

    def add_line(self, contract: Contract, kind: str, *, is_vital: bool) -> int:
        request = self.client.getReqId()
        self.lines[request] = Line(contract, kind, is_vital, heard_at=self._monotonic())
        return request

    def _vital_lines(self) -> dict[int, Line]:
        """Ticks and bars of the desk's underlyings, as far as TWS serves them."""
        return {
            request: line
            for request, line in self.lines.items()
            if line.is_vital and line.kind != "depth" and not line.is_refused
        }

    def silent_lines(self, seconds: float) -> list[int]:
        """Vital lines that have said nothing for so long."""
        oldest = self._monotonic() - seconds
        return [k for k, line in self._vital_lines().items() if line.heard_at < oldest]

    def silent_members(self, seconds: float) -> list[int]:
        """Quotes of other stocks that have said nothing for so long: dead, or halted. Options
        may be still for any time."""
        oldest = self._monotonic() - seconds
        return [
            request
            for request, line in self.lines.items()
            if line.contract.secType == "STK"
            and not (line.is_vital or line.is_refused)
            and line.heard_at < oldest
        ]

    def all_speak(self, seconds: float) -> bool:
        """Each vital line has spoken since its subscription, and lately.

        A new subscription is no sign of life: bars may stay dead while quotes flow.
        """
        spoke = all(line.has_spoken for line in self._vital_lines().values())
        return spoke and not self.silent_lines(seconds)

    def _line(self, request_id: int) -> Line | None:
        """The line of a message; None for one that was just closed."""
        line = self.lines.get(request_id)
        if line is not None:
            line.heard_at, line.has_spoken = self._monotonic(), True
            self._touched[request_id] = line
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

    def priceSizeTick(self, request_id: int, kind: int, price: float, size: float) -> None:
        line = self._line(request_id)
        if line is None:
            return
        side = DELAYED_TWINS.get(kind, kind)
        if side in (BID, ASK) and size == 0:
            price = NO_PRICE
        if side in (BID, ASK, LAST):
            line.prices[side] = price
        if price or size:
            line.ticks.append((kind, price, size))

    def tickSize(self, request_id: int, kind: int, size: float) -> None:
        line = self._line(request_id)
        if line is None:
            return
        priced_by = {BID_SIZE: BID, ASK_SIZE: ASK, LAST_SIZE: LAST}
        side = priced_by.get(DELAYED_TWINS.get(kind, kind))
        price = NO_PRICE if side is None else line.prices.get(side, NO_PRICE)
        line.ticks.append((kind, price if size else NO_PRICE, size))

    def tickGeneric(self, request_id: int, kind: int, value: float) -> None:
        line = self._line(request_id)
        if line is not None:
            line.ticks.append((kind, value if value > 0 else 0.0, 0.0))

    def tickString(self, request_id: int, kind: int, text: str) -> None:
        line = self._line(request_id)
        if line is None:
            return
        if kind == LAST_TIMESTAMP and text.isdigit():
            line.ticks.append((kind, float(text), 0.0))
        elif kind == REALTIME_VOLUME:
            price, size, *_ = text.split(";")
            if price:
                line.ticks.append((kind, float(price), float(size)))

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
        line = self._line(request_id)
        if line is None:
            return
        line.computations.append(
            (
                kind,
                _unless(implied_volatility, -1),
                _unless(delta, -2),
                _unless(price, -1),
                _unless(pv_dividend, -1),
                _unless(gamma, -2),
                _unless(vega, -2),
                _unless(theta, -2),
                _unless(underlying_price, -1),
            )
        )

    def marketDataType(self, request_id: int, kind: int) -> None:
        line = self.lines.get(request_id)
        if line is not None:
            line.market_data_type = kind

    def tickReqParams(self, *_: object) -> None: ...

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
        line = self._line(request_id)
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
        line = self._line(request_id)
        if line is None:
            return
        line.depth.append((position, market_maker, operation, side, price, size))
        if operation == 0:
            line.levels[side] += 1
        elif operation == DELETE:
            line.levels[side] = max(line.levels[side] - 1, 0)

    def clear_depth(self, request_id: int) -> None:
        """Deletes for every level of a book that TWS has thrown away without saying so."""
        line = self.lines.get(request_id)
        if line is None or line.kind != "depth":
            return
        for side, count in line.levels.items():
            line.depth += [(0, "", DELETE, side, 0.0, 0.0)] * count
            line.levels[side] = 0
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
                payload_base64=base64.b64encode(text.encode()).decode(),
                received_at=self._received_at,
            )
        )


def _unless(value: float, unset: int) -> float | None:
    return None if value == unset or abs(value) > 1e300 else value
