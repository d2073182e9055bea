"""Books of one client, as depth ticks: filled in place as TWS usually does, or with true shifts.

The session hands it requests, market_feed.py says when a quote has moved; it sends what changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from adapters.interactive_brokers.sandbox.contracts import ContractDirectory
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.requests import read_contract
from adapters.interactive_brokers.sandbox.wire import FieldCursor, FieldValue
from adapters.market_model.contract import MarketModel

DEPTH_MAX = 3
DEPTH_ROWS_MAX = 20
NOT_FOUND = "No security definition has been found for the request"
Send = Callable[..., None]
Level = tuple[float, int]


@dataclass(slots=True)
class DepthLine:
    symbol: str
    rows: int
    is_smart: bool
    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)


class DepthFeed:
    """Books of one session by request id."""

    def __init__(
        self, market: MarketModel, directory: ContractDirectory, faults: Faults, send: Send
    ) -> None:
        self._market = market
        self._directory = directory
        self._faults = faults
        self._send = send
        self._lines: dict[int, DepthLine] = {}

    def subscribe(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id, asked = cursor.integer(), read_contract(cursor)
        rows, is_smart = cursor.integer(), cursor.flag()
        cursor.skip(1)
        cursor.finish()
        contract = self._directory.find_one(asked)
        if contract is None:
            self._error(request_id, 200, NOT_FOUND)
            return
        symbols = {line.symbol for line in self._lines.values()} | {contract.symbol}
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
            self._lines[request_id] = line
            self._refresh(request_id, line)

    def cancel(self, cursor: FieldCursor) -> None:
        cursor.skip(1)
        request_id = cursor.integer()
        if self._lines.pop(request_id, None) is None:
            self._error(request_id, 310, "Can't find the subscribed market depth")

    def reset(self) -> None:
        """Error 317 for every book, and the books anew."""
        text = (
            "Market depth data has been RESET. Please empty deep book contents before applying "
            "any new entries."
        )
        for request_id, line in self._lines.items():
            self._error(request_id, 317, text)
            line.bids, line.asks = [], []
            self._refresh(request_id, line)

    def lose_changes(self) -> None:
        """Send all levels again as if the client had none: its copy is wrong from then on."""
        for request_id, line in self._lines.items():
            line.bids, line.asks = [], []
            self._refresh(request_id, line)

    def on_quote(self, symbol: str) -> None:
        for request_id, line in self._lines.items():
            if line.symbol == symbol:
                self._refresh(request_id, line)

    def _refresh(self, request_id: int, line: DepthLine) -> None:
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
