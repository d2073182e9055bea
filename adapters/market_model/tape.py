"""What has traded so far in one symbol's options: volumes by contract, totals by minute.

Sums are integers (contracts and whole dollars), so they do not depend on how the clock moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adapters.market_model.flow import TOTALS, TradeChunk, TradeSource


@dataclass(frozen=True, slots=True)
class FlowMinute:
    """Sums of one minute, or of a session: whole numbers in the order of TOTALS, and net delta."""

    totals: tuple[int, ...]
    net_delta: float

    def value(self, name: str) -> int:
        return self.totals[TOTALS.index(name)]


class OptionTape:
    """The day's option trades up to a moment."""

    def __init__(self, source: TradeSource, contracts: int) -> None:
        self._source = source
        self.at_ask = np.zeros(contracts, dtype=np.int64)
        self.at_bid = np.zeros(contracts, dtype=np.int64)
        self.between = np.zeros(contracts, dtype=np.int64)
        self.multi_leg = np.zeros(contracts, dtype=np.int64)
        self.sweep = np.zeros(contracts, dtype=np.int64)
        self.premium = np.zeros(contracts, dtype=np.int64)
        self.last_ticks = np.zeros(contracts, dtype=np.int64)
        self.high_ticks = np.zeros(contracts, dtype=np.int64)
        self.low_ticks = np.full(contracts, np.iinfo(np.int64).max, dtype=np.int64)
        self._chunk: TradeChunk | None = None
        self._done = 0
        self._minutes: list[FlowMinute] = []
        self._before = (0,) * len(TOTALS)

    def take(self, until: float) -> list[tuple[TradeChunk, int, int]]:
        """Absorb trades up to `until`, seconds since the open; says which rows of which minutes."""
        taken: list[tuple[TradeChunk, int, int]] = []
        while True:
            if self._chunk is None:
                minute = len(self._minutes)
                if minute >= self._source.minutes or minute * 60 > until:
                    return taken
                self._chunk, self._done = self._source.draw(minute), 0
            chunk = self._chunk
            last = int(np.searchsorted(chunk.at, until, side="right"))
            if last > self._done:
                taken.append((chunk, self._done, last))
                self._done = last
            if until < (chunk.minute + 1) * 60:
                return taken
            self._minutes.append(self._sums(chunk, len(chunk)))
            self._chunk = None

    def absorb(self, chunk: TradeChunk, first: int, last: int) -> None:
        """Add taken trades to the contracts' volumes; call once for each stretch of `take`."""
        part = slice(first, last)
        row, size = chunk.row[part], chunk.size[part]
        side, ticks = chunk.aggressor[part], chunk.price_ticks[part]
        np.add.at(self.at_ask, row, np.where(side == 1, size, 0))
        np.add.at(self.at_bid, row, np.where(side == -1, size, 0))
        np.add.at(self.between, row, np.where(side == 0, size, 0))
        np.add.at(self.multi_leg, row, np.where(chunk.multi_leg[part], size, 0))
        np.add.at(self.sweep, row, np.where(chunk.sweep[part] >= 0, size, 0))
        np.add.at(self.premium, row, ticks * size)
        np.maximum.at(self.high_ticks, row, ticks)
        np.minimum.at(self.low_ticks, row, ticks)
        self.last_ticks[row] = ticks

    @staticmethod
    def _sums(chunk: TradeChunk, done: int) -> FlowMinute:
        if done == 0:
            return FlowMinute((0,) * len(TOTALS), 0.0)
        return FlowMinute(
            tuple(int(value) for value in chunk.totals[done - 1]), float(chunk.net_delta[done - 1])
        )

    def minutes(self) -> list[FlowMinute]:
        """Sums of each minute of the session, the running one last."""
        if self._chunk is None:
            return list(self._minutes)
        return [*self._minutes, self._sums(self._chunk, self._done)]

    def session_totals(self) -> tuple[int, ...]:
        """Sums since the open, in the order of TOTALS."""
        rows = [minute.totals for minute in self.minutes()]
        if not rows:
            return (0,) * len(TOTALS)
        return tuple(sum(column) for column in zip(*rows, strict=True))
