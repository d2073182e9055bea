"""Top of book of underlyings and basket members, a few changes a second, and depth below it.

Sizes lean towards the next two seconds' move, so that order-flow imbalance is a signal with some
truth in it. Like trades, a minute is one draw from its own stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.flow import interpolated
from adapters.market_model.randomness import stream
from adapters.market_model.seconds import SecondTable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class QuoteChunk:
    """Quotes of one minute; `at` in seconds since the table's start, prices in cents."""

    at: Floats
    bid: Integers
    ask: Integers
    bid_size: Integers
    ask_size: Integers
    last: Integers
    last_size: Integers
    session_volume: Integers


@dataclass(frozen=True, slots=True)
class RecordedQuotes:
    """Quotes of a recording: the state at the end of each second, prices in cents."""

    bid: Integers
    ask: Integers
    bid_size: Integers
    ask_size: Integers


class QuoteSource:
    """Draws the quotes of one symbol, a minute of its table at a time."""

    def __init__(
        self,
        seed: int,
        table: SecondTable,
        open_second: int,
        per_second: float,
        depth_shares: float,
        lead: float,
        recorded: RecordedQuotes | None = None,
    ) -> None:
        self._seed = seed
        self._table = table
        self._per_second = per_second
        self._depth = depth_shares
        self._lead = lead
        self._recorded = recorded
        self._prices = np.concatenate(([table.open[0]], table.close))
        sessions = table.volume.copy()
        sessions[:open_second] = 0
        self._volume = np.concatenate(([0], np.cumsum(sessions)))
        ahead = np.minimum(np.arange(len(self._prices)) + 2, len(self._prices) - 1)
        moves = np.log(self._prices[ahead] / self._prices)
        self._coming = np.tanh(moves / (float(moves.std()) or 1.0))

    def draw(self, minute: int) -> QuoteChunk:
        """The quotes of one minute of the grid; at least one."""
        if self._recorded is not None:
            return self._replay(self._recorded, minute)
        chance = stream(self._seed, "quotes", self._table.symbol, minute)
        count = max(1, round(60 * self._per_second))
        at = minute * 60 + (np.arange(count) + 0.1 + 0.8 * chance.random(count)) / self._per_second
        second = np.minimum(at.astype(np.int64), len(self._prices) - 1)
        middle = interpolated(self._prices, at) * 100 + chance.standard_normal(count) * 0.3
        bid = np.floor(middle).astype(np.int64)
        wide = chance.random(count)
        ask = bid + 1 + (wide < 0.08)
        lean = 0.35 * chance.standard_normal(count) + self._lead * self._coming[second]
        lean = np.clip(lean, -0.9, 0.9)
        depth = self._depth * chance.lognormal(-0.08, 0.4, count)
        return QuoteChunk(
            at=at,
            bid=bid,
            ask=ask,
            bid_size=np.maximum(100, np.round(depth * (1 + lean))).astype(np.int64),
            ask_size=np.maximum(100, np.round(depth * (1 - lean))).astype(np.int64),
            last=np.round(self._prices[second] * 100).astype(np.int64),
            last_size=np.maximum(
                1, self._table.volume[np.minimum(second, len(self._table) - 1)] // 40
            ),
            session_volume=self._volume[second],
        )

    def _replay(self, recorded: RecordedQuotes, minute: int) -> QuoteChunk:
        first = minute * 60
        last = min(first + 60, len(self._table))
        rows = slice(first, last)
        return QuoteChunk(
            at=np.arange(first, last, dtype=np.float64) + 1,
            bid=recorded.bid[rows],
            ask=recorded.ask[rows],
            bid_size=recorded.bid_size[rows],
            ask_size=recorded.ask_size[rows],
            last=np.round(self._table.close[rows] * 100).astype(np.int64),
            last_size=np.maximum(1, self._table.volume[rows] // 40),
            session_volume=self._volume[first + 1 : last + 1],
        )


def depth_levels(best: int, size: int, sign: int, rows: int, salt: int) -> list[tuple[float, int]]:
    """Levels from the best price outward; sizes from a hash, growing away from the touch."""
    levels = [(best / 100, size)]
    for row in range(1, rows):
        mixed = (salt * 2_654_435_761 + row * 40_503 + sign * 97) & 0xFFFFFFFF
        mixed ^= mixed >> 13
        grown = size * (0.8 + 0.25 * row) * (0.7 + 0.6 * (mixed % 1000) / 1000)
        levels.append(((best + sign * row) / 100, max(100, int(grown))))
    return levels
