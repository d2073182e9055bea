"""Prices of one underlying by the second, and the bars made of them.

The table of seconds is the model's truth: bars, quotes and option prices all derive from it,
whether a seed or a recording filled it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.contract import SimBar

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SecondTable:
    """Second i covers [start + i, start + i + 1). A second without a trade has volume 0 and the
    last close as its four prices."""

    symbol: str
    start: datetime
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Integers

    def __len__(self) -> int:
        return len(self.close)


def table_from_closes(
    symbol: str, start: datetime, before: float, closes: Floats, volume: Integers
) -> SecondTable:
    """Seconds of a made path: each opens where the last one closed. Prices are rounded to cents.

    A second without volume has no trade, so the last close stands through it.
    """
    traded = volume > 0
    place = np.maximum.accumulate(np.where(traded, np.arange(len(closes)), -1))
    rounded = np.where(place < 0, round(before, 2), np.round(closes, 2)[place])
    opens = np.concatenate(([round(before, 2)], rounded[:-1]))
    return SecondTable(
        symbol=symbol,
        start=start,
        open=opens,
        high=np.maximum(opens, rounded),
        low=np.minimum(opens, rounded),
        close=rounded,
        volume=volume,
    )


def part(table: SecondTable, first: int, last: int) -> SecondTable:
    """Rows [first, last) of a table."""
    rows = slice(first, last)
    return SecondTable(
        symbol=table.symbol,
        start=table.start + timedelta(seconds=first),
        open=table.open[rows],
        high=table.high[rows],
        low=table.low[rows],
        close=table.close[rows],
        volume=table.volume[rows],
    )


def bars(table: SecondTable, seconds: int, first: int, last: int) -> list[SimBar]:
    """Bars of `seconds` made of table rows [first, last); a bar that is not full is left out.

    wap = sum(close x volume) / sum(volume) by the second. Without volume a bar repeats the last
    close, as the broker's five-second bars do. `count` supposes 120 shares a trade.
    """
    whole = (last - first) // seconds
    if whole <= 0:
        return []
    rows = slice(first, first + whole * seconds)
    shape = (whole, seconds)
    volume = table.volume[rows].reshape(shape)
    close = table.close[rows].reshape(shape)
    opens = table.open[rows].reshape(shape)
    traded = volume > 0
    any_trade = np.asarray(traded.any(axis=1))
    first_trade = np.where(any_trade, traded.argmax(axis=1), 0)
    high = np.where(traded, table.high[rows].reshape(shape), -np.inf).max(axis=1)
    low = np.where(traded, table.low[rows].reshape(shape), np.inf).min(axis=1)
    totals = volume.sum(axis=1)
    end = close[:, -1]
    weighted = (close * volume).sum(axis=1) / np.maximum(totals, 1)
    first_open = opens[np.arange(whole), first_trade]
    result = []
    for row in range(whole):
        empty = not any_trade[row]
        flat = float(close[row, 0])
        result.append(
            SimBar(
                symbol=table.symbol,
                start=table.start + timedelta(seconds=first + row * seconds),
                open=flat if empty else float(first_open[row]),
                high=flat if empty else float(high[row]),
                low=flat if empty else float(low[row]),
                close=float(end[row]),
                volume=int(totals[row]),
                wap=flat if empty else float(weighted[row]),
                count=int(totals[row]) // 120 + (0 if empty else 1),
            )
        )
    return result
