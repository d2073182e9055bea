"""Lines and books of the broker: what stages want, inside what TWS gives.

The budget itself is adapters/interactive_brokers/line_budget.py. What has no room, or what TWS
refuses, is told once and offered again: when a line closes, and with every new connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from adapters.interactive_brokers.feed_callbacks import RefusedLine
from adapters.interactive_brokers.line_budget import LINES_MAX, allot, books
from adapters.interactive_brokers.market_data import IbMarketData
from domain.event import DeskEvent, Recorded
from domain.events.feeds import (
    DepthWanted,
    LineClosed,
    LineOpened,
    LineRefused,
    LinesWanted,
    UnderlyingListed,
    WantedLine,
)
from domain.instruments import SYMBOLS, OptionContract

ROOM = LINES_MAX - 2 * len(SYMBOLS)
"""Lines beside quotes and bars of the desk's own underlyings."""
TOO_MANY_LINES = 101


class BrokerLines:
    """Opens and closes lines as wishes, refusals and connections come."""

    def __init__(
        self, data: IbMarketData, put: Callable[[str, DeskEvent], None], basket: Sequence[str]
    ) -> None:
        self._data = data
        self._put = put
        self._basket = [name for name in basket if name not in SYMBOLS]
        self._wanted: dict[str, tuple[WantedLine, ...]] = {}
        self._books_wanted: dict[str, DepthWanted] = {}
        self._listed: dict[str, UnderlyingListed] = {}
        self._open: dict[int, OptionContract] = {}
        self._members: set[str] = set()
        self._books: set[str] = set()
        self._refused: set[int] = set()
        self._books_refused: set[str] = set()
        self._room_lost = 0
        """Lines that TWS gives to others, such as its own windows."""
        self._told_beyond: frozenset[int | str] = frozenset()

    def note(self, event: Recorded) -> bool:
        """Remember what a stage wants; whether the event was such a wish."""
        match event.body:
            case LinesWanted() as body:
                self._wanted[body.requester] = body.lines
            case DepthWanted() as body:
                self._books_wanted[body.requester] = body
            case _:
                return False
        return True

    def expiries(self, symbol: str) -> set[date]:
        """Those of the option lines that stages want: something is held or about to be entered."""
        lines = (line for wanted in self._wanted.values() for line in wanted)
        return {line.contract.expiry for line in lines if line.contract.symbol == symbol}

    def listed(self, listed: UnderlyingListed) -> None:
        """A contract is known; the desk's own are opened at once and stay open."""
        self._listed[listed.symbol] = listed
        if listed.symbol in SYMBOLS:
            self._data.want_underlying(listed, bars=True, depth=False)

    def to_list(self) -> tuple[str, ...]:
        """Symbols of the desk, and of books that are wanted, whose contract is not known."""
        wanted = dict.fromkeys((*SYMBOLS, *books(self._books_wanted, SYMBOLS)))
        return tuple(symbol for symbol in wanted if symbol not in self._listed)

    def retry(self) -> None:
        """A new connection: what was refused may be served now."""
        self._refused.clear()
        self._books_refused.clear()
        self._room_lost = 0
        self.apply()

    def refused(self, line: RefusedLine) -> None:
        """Give up what TWS does not serve, and offer its place to the next."""
        self._tell(line.symbol, line.con_id, line.kind, line.code, line.text)
        if not line.is_shut or (line.is_vital and line.kind != "depth"):
            return
        if line.kind == "depth":
            self._books_refused.add(line.symbol)
        elif line.code == TOO_MANY_LINES:
            self._room_lost += 1
            self._close(line.con_id, f"refused: {line.code} {line.text}")
        else:
            self._refused.add(line.con_id)
            self._close(line.con_id, f"refused: {line.code} {line.text}")
        self.apply()

    def _tell(self, symbol: str, con_id: int, kind: str, code: int, reason: str) -> None:
        body = LineRefused(symbol=symbol, con_id=con_id, kind=kind, code=code, reason=reason)
        self._put(f"lines/{symbol}", body)

    def apply(self) -> None:
        """Open and close lines and books so that the most important are open."""
        refused = [n for n, listed in self._listed.items() if listed.con_id in self._refused]
        share = allot(self._wanted, self._basket, ROOM - self._room_lost, self._refused, refused)
        options = {contract.con_id: contract for contract in share.options}
        for con_id in [c for c in self._open if c not in options]:
            self._close(con_id, "no longer wanted")
        for name in sorted(self._members.difference(share.members)):
            self._members.discard(name)
            self._data.close_line(self._listed[name].con_id)
        for name in share.members:
            if name in self._listed and name not in self._members:
                self._members.add(name)
                self._data.want_underlying(self._listed[name], bars=False, depth=False)
        for con_id, contract in options.items():
            if con_id not in self._open:
                self._open[con_id] = contract
                self._data.open_option(contract)
                self._put(f"lines/{contract.symbol}", LineOpened(contract=contract))
        self._tell_beyond(share.beyond, [n for n in share.members_beyond if n in self._listed])
        self._apply_books()

    def _close(self, con_id: int, reason: str) -> None:
        self._data.close_line(con_id)
        contract = self._open.pop(con_id, None)
        if contract is not None:
            self._put(f"lines/{contract.symbol}", LineClosed(contract=contract, reason=reason))
        for name in [m for m in self._members if self._listed[m].con_id == con_id]:
            self._members.discard(name)

    def _tell_beyond(self, options: Sequence[OptionContract], members: Sequence[str]) -> None:
        """Each wish without room once, for as long as it has none."""
        reason = f"the {LINES_MAX} lines are needed for what is more important"
        for contract in options:
            if contract.con_id not in self._told_beyond:
                self._tell(contract.symbol, contract.con_id, "ticks", 0, reason)
        for name in members:
            if name not in self._told_beyond:
                self._tell(name, self._listed[name].con_id, "ticks", 0, reason)
        self._told_beyond = frozenset([*(c.con_id for c in options), *members])

    def _apply_books(self) -> None:
        wanted = [s for s in books(self._books_wanted, SYMBOLS) if s not in self._books_refused]
        for symbol in sorted(self._books.difference(wanted)):
            self._books.discard(symbol)
            self._data.close_book(self._listed[symbol].con_id)
        for symbol in wanted:
            if symbol in self._listed and symbol not in self._books:
                self._books.add(symbol)
                self._data.open_book(self._listed[symbol])
