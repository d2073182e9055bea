"""How the market half of the sandbox misbehaves: refused and delayed lines, dead streams, quotes
that are no quotes. market_feed.py asks; the switches are listed in faults.py.
"""

from __future__ import annotations

from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.market_model.contract import SimQuote

DELAYED = 3
DELAYED_KINDS = {
    0: 69, 1: 66, 2: 67, 3: 70, 4: 68, 5: 71, 6: 72, 7: 73, 8: 74, 9: 75, 14: 76,
    10: 80, 11: 81, 12: 82, 13: 83, 45: 88, 49: 90,
}  # fmt: skip
NOT_SUBSCRIBED = {
    354: "Requested market data is not subscribed. Check API status by selecting the Account menu",
    10089: "Requested market data requires additional subscription for API. See link in 'Market "
    "Data Connections' dialog for more details.",
    10090: "Part of requested market data is not subscribed. Subscription-independent ticks are "
    "still active.",
    10091: "Part of requested market data requires additional subscription for API.",
    10167: "Requested market data is not subscribed. Displaying delayed market data.",
    10168: "Requested market data is not subscribed. Delayed market data is not enabled.",
}
SERVED = frozenset({10090, 10091, 10167})
"""Of those, the ones after which ticks flow all the same."""
PACED = "Invalid Real-time Query: Historical data request pacing violation"
UNSET = "1.7976931348623157E308"


class MarketFaults:
    """Reads the switches of the market half."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def lines_max(self) -> int:
        return int(self._faults.number("lines_max"))

    def refusal(self, con_id: int) -> int:
        """The code with which a line is refused or served in part; 0 for none."""
        for rule in self._faults.text("not_subscribed").split(","):
            code, _, asked = rule.partition(":")
            if code and int(asked or 0) in (0, con_id):
                return int(code)
        return 0

    def data_type(self, con_id: int) -> int:
        if self.refusal(con_id) == 10167:
            return DELAYED
        return int(self._faults.number("market_data_type"))

    def kind(self, kind: int, data_type: int) -> int:
        """Delayed data have tick types of their own."""
        return DELAYED_KINDS.get(kind, kind) if data_type >= DELAYED else kind

    def is_frozen(self, con_id: int) -> bool:
        """One line is dead while all others flow."""
        return int(self._faults.number("frozen_con_id")) == con_id

    def is_halted(self, con_id: int) -> bool:
        return int(self._faults.number("halted_con_id")) == con_id

    def quote(self, quote: SimQuote) -> SimQuote:
        style = self._faults.text("quote_style")
        if style == "crossed":
            return SimQuote(quote.ask, quote.bid, quote.ask_size, quote.bid_size)
        if style == "empty":
            return SimQuote(0.0, 0.0, 0, 0)
        return quote

    def imbalance(self, shares: int) -> int:
        return -shares if self._faults.is_on("flip_imbalance") else shares

    def skips_bar(self) -> bool:
        return self._faults.is_on("drop_bars") or self._faults.is_on("cut_off")

    def takes_gap(self) -> bool:
        """The next bars are missing."""
        return self._faults.take("skip_bars")

    def is_paced(self) -> bool:
        return self._faults.is_on("pace_bars")
