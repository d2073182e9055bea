"""What the feed wants of TWS, apart from the requests that are open for it.

The wish outlives the connection: after each reconnect everything wanted is asked for again. Used
by market_data.py, which decides when.
"""

from __future__ import annotations

from dataclasses import dataclass

from ib_async import Contract

from adapters.interactive_brokers.line_budget import LINES_MAX
from adapters.interactive_brokers.lines import Line
from adapters.interactive_brokers.market_link import MarketLink

DEPTH_ROWS = 10
BAR_SECONDS = 5

Key = tuple[str, int]
"""Kind and contract id."""


@dataclass(frozen=True, slots=True)
class Wish:
    kind: str
    contract: Contract
    generic_ticks: str = ""
    is_vital: bool = False

    @property
    def key(self) -> Key:
        return self.kind, self.contract.conId


class Subscriptions:
    """Wishes, and the request that is open for each on the present connection."""

    def __init__(self) -> None:
        self._wishes: dict[Key, Wish] = {}
        self._open: dict[Key, int] = {}

    def lines(self) -> int:
        """Those that count towards TWS's limit: quotes and bars."""
        return sum(1 for kind, _ in self._wishes if kind != "depth")

    def names(self) -> frozenset[str]:
        return frozenset(
            f"{wish.kind} {wish.contract.symbol} {wish.contract.conId}"
            for wish in self._wishes.values()
        )

    def add(self, wish: Wish, link: MarketLink | None) -> None:
        """Want something, once: a second subscription of one contract could never be cancelled.

        Raises:
            ValueError: there is no room for it.
        """
        if wish.key in self._wishes:
            return
        if wish.kind != "depth" and self.lines() >= LINES_MAX:
            raise ValueError(f"open lines must be at most {LINES_MAX}, was one more")
        self._wishes[wish.key] = wish
        if link is not None and link.is_open:
            self._ask(wish, link, is_renewed=False)

    def remove(self, kind: str, con_id: int, link: MarketLink | None) -> None:
        self._wishes.pop((kind, con_id), None)
        request = self._open.pop((kind, con_id), None)
        if request is not None and link is not None and link.is_open:
            _cancel(link, request)

    def begin(self, link: MarketLink) -> None:
        """Ask for everything on a new connection."""
        self._open.clear()
        for wish in self._wishes.values():
            self._ask(wish, link, is_renewed=True)

    def end(self) -> None:
        """The connection is gone, and with it what was open."""
        self._open.clear()

    def renew(self, link: MarketLink, request: int) -> None:
        """Cancel first: two subscriptions of one contract leak a line."""
        line = link.lines.get(request)
        if line is None or not link.is_open:
            return
        _cancel(link, request)
        wish = self._wishes.get((line.kind, line.contract.conId))
        if wish is not None:
            self._ask(wish, link, is_renewed=True)

    def _ask(self, wish: Wish, link: MarketLink, *, is_renewed: bool) -> None:
        request = link.add_line(
            wish.contract, wish.kind, is_vital=wish.is_vital, is_renewed=is_renewed
        )
        self._open[wish.key] = request
        client, contract = link.client, wish.contract
        if wish.kind == "ticks":
            client.reqMktData(request, contract, wish.generic_ticks, False, False, [])
        elif wish.kind == "bars":
            client.reqRealTimeBars(request, contract, BAR_SECONDS, "TRADES", False, [])
        else:
            client.reqMktDepth(request, contract, DEPTH_ROWS, True, [])


def _cancel(link: MarketLink, request: int) -> Line:
    line = link.lines[request]
    if line.kind == "ticks":
        link.client.cancelMktData(request)
    elif line.kind == "bars":
        link.client.cancelRealTimeBars(request)
    else:
        link.clear_depth(request)
        link.client.cancelMktDepth(request, True)
    del link.lines[request]
    return line
