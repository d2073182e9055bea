"""The chain of a symbol as REST bodies look at it: by expiry, by strike, near the price."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.market import SimulatedMarket
from adapters.market_model.options import OptionMarket
from adapters.unusual_whales.sandbox.rest_ask import Ask

ROWS_MAX = 50
Mask = NDArray[np.bool_]


class ChainReader:
    """Selections of the chain."""

    def __init__(self, market: SimulatedMarket) -> None:
        self._market = market

    def _options(self, ask: Ask) -> OptionMarket:
        return self._market.options[ask.symbol]

    def _day(self) -> str:
        return self._market.session_date.isoformat()

    @staticmethod
    def _in(options: OptionMarket, expiries: Iterable[date]) -> Mask:
        listed = options.chain.expiries
        wanted = [listed.index(expiry) for expiry in expiries if expiry in listed]
        mask: Mask = np.isin(options.chain.expiry_index, wanted)
        return mask

    @staticmethod
    def _volume(options: OptionMarket) -> NDArray[np.int64]:
        tape = options.tape
        return tape.at_ask + tape.at_bid + tape.between

    def _near(self, options: OptionMarket, mask: Mask, count: int = ROWS_MAX) -> list[int]:
        """Strikes of a mask nearest to the price, ascending; as values times 1000."""
        spot = options.snapshot(self._market.seconds_since_open).spot
        strikes = np.unique(options.chain.strike[mask])
        near = strikes[np.argsort(np.abs(strikes - spot), kind="stable")][:count]
        return sorted(round(float(strike) * 1000) for strike in near)

    def _pairs(self, options: OptionMarket, expiry: date) -> list[tuple[float, int, int]]:
        """Strike, row of the call and row of the put of an expiry, ascending."""
        found: dict[float, list[int]] = {}
        for index in np.nonzero(self._in(options, [expiry]))[0]:
            contract = options.chain.contracts[int(index)]
            found.setdefault(contract.strike, [-1, -1])[contract.right == "P"] = int(index)
        return [(strike, c, p) for strike, (c, p) in sorted(found.items()) if min(c, p) >= 0]
