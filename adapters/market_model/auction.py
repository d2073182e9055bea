"""Closing-auction information of the basket and the ETFs.

Nasdaq listings publish every 10 s from ten minutes before the close without an indicative price,
every second with one from five minutes before it; NYSE listings every 5 s from ten minutes before
the close; NYSE Arca listings every 10 s from an hour before it, frozen in the last minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from adapters.market_model.contract import AuctionTicked
from adapters.market_model.randomness import stream
from adapters.market_model.seconds import SecondTable

PAIRED_SHARE = 0.06
"""Shares paired in the closing auction over a day's volume."""
INDICATIVE_BPS = 4.0
"""Distance of the indicative price from the last, for an imbalance of 1 % of a day's volume."""


@dataclass(frozen=True, slots=True)
class AuctionListing:
    """One security with a closing auction. `share` is its first imbalance over a day's volume."""

    con_id: int
    symbol: str
    exchange: str
    adv_shares: int
    share: float
    table: SecondTable


def _schedule(exchange: str) -> list[tuple[int, bool]]:
    """Seconds before the close, and whether an indicative price is published."""
    if exchange == "NASDAQ":
        early = [(second, False) for second in range(600, 300, -10)]
        return early + [(second, True) for second in range(300, 0, -1)]
    if exchange == "NYSE":
        return [(second, True) for second in range(600, 0, -5)]
    return [(second, True) for second in range(3600, 60, -10)]


def auction_ticks(
    seed: int,
    listings: Sequence[AuctionListing],
    close_second: int,
    path: Sequence[tuple[float, float]] = ((0.0, 1.0),),
) -> list[AuctionTicked]:
    """All auction ticks of the day in time order. `close_second` counts from the table's start.

    `path` has knots (seconds before the close, factor on each listing's share), ascending.
    """
    ticks: list[AuctionTicked] = []
    path_seconds, path_factors = zip(*path, strict=True)
    for listing in listings:
        schedule = _schedule(listing.exchange)
        chance = stream(seed, "auction", listing.symbol)
        wobble = np.cumsum(chance.standard_normal(len(schedule))) * 0.01
        first = schedule[0][0]
        for index, (before, indicative) in enumerate(schedule):
            left = before / first
            # Offsetting orders arrive towards the close: less imbalance, more pairs.
            factor = float(np.interp(before, path_seconds, path_factors))
            share = factor * listing.share * (0.45 + 0.55 * left) * (1 + float(wobble[index]) * 0.5)
            share += float(wobble[index]) * 0.0002
            second = close_second - before
            last = float(listing.table.close[second - 1])
            price = round(last * (1 + share / 0.01 * INDICATIVE_BPS / 1e4), 2)
            ticks.append(
                AuctionTicked(
                    at=listing.table.start + timedelta(seconds=second),
                    con_id=listing.con_id,
                    symbol=listing.symbol,
                    paired=int(listing.adv_shares * PAIRED_SHARE * (1 - 0.5 * left)),
                    imbalance=int(listing.adv_shares * share),
                    indicative_price=price if indicative else 0.0,
                )
            )
    ticks.sort(key=lambda tick: (tick.at, tick.symbol))
    return ticks
