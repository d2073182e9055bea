"""The sessions before the simulated one: made from the seed, or played by the market before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.history import HistoricDay, day_table
from adapters.market_model.paths import pressure
from adapters.market_model.seconds import SecondTable
from adapters.market_model.session_plan import SimSession
from adapters.market_model.tape import FlowMinute
from adapters.market_model.tide import FlowScale, past_minutes, tide_by_second
from adapters.market_model.variance import realised_variance

TideRow = tuple[int, ...]


class Past(Protocol):
    """What was traded in earlier sessions.

    Each raises LookupError for a session that it does not have.
    """

    def table(self, symbol: str, session: date) -> SecondTable:
        """The seconds of a session, from its open to its close."""
        ...

    def tide(self, session: date, step_seconds: int) -> list[TideRow]:
        """Running tide at the end of each step, columns as TIDE_FIELDS."""
        ...

    def net_premium(self, symbol: str, session: date, scale: FlowScale) -> list[FlowMinute]:
        """Net-premium minutes; `scale` is the size of the symbol's flow now."""
        ...


def played_day(session: SimSession, table: SecondTable) -> HistoricDay:
    """The daily bar of a session that was played; `table` is from its open to its close."""
    closes = np.concatenate((table.open[:1], table.close))
    return HistoricDay(
        session,
        float(closes[0]),
        float(table.high.max()),
        float(table.low.min()),
        float(closes[-1]),
        int(table.volume.sum()),
        realised_variance(closes, 1),
    )


class SeededPast:
    """Bridges inside the daily bars of `history`."""

    def __init__(self, seed: int, history: Mapping[str, Sequence[HistoricDay]]) -> None:
        self._seed = seed
        self._history = history
        self._tables = lru_cache(maxsize=6)(self._make_table)

    def table(self, symbol: str, session: date) -> SecondTable:
        return self._tables(symbol, session)

    def _make_table(self, symbol: str, session: date) -> SecondTable:
        for day in self._history[symbol]:
            if day.session.session_date == session:
                return day_table(self._seed, symbol, day)
        raise LookupError(f"session must be one of the history of {symbol}, was {session}")

    def _lean(self, session: date) -> NDArray[np.float64]:
        table = self.table("SPY", session)
        return pressure(np.concatenate(([table.open[0]], table.close)))[:-1]

    def tide(self, session: date, step_seconds: int) -> list[TideRow]:
        lean = self._lean(session)
        rows = tide_by_second(self._seed, session.isoformat(), lean)[step_seconds::step_seconds]
        return [tuple(int(value) for value in row) for row in rows]

    def net_premium(self, symbol: str, session: date, scale: FlowScale) -> list[FlowMinute]:
        minutes = [float(part.mean()) for part in self._lean(session).reshape(-1, 60)]
        return past_minutes(self._seed, symbol, session.isoformat(), minutes, scale)


class PlayedPast:
    """A session that was played to its end, and what is before it."""

    def __init__(
        self,
        session: date,
        tables: Mapping[str, SecondTable],
        tide: NDArray[np.int64],
        net_premium: Mapping[str, list[FlowMinute]],
        earlier: Past,
    ) -> None:
        """`tables` and `tide` from open to close, the tide's first row at the open."""
        self._session = session
        self._tables = tables
        self._tide = tide
        self._net_premium = net_premium
        self._earlier = earlier

    def table(self, symbol: str, session: date) -> SecondTable:
        if session != self._session:
            return self._earlier.table(symbol, session)
        return self._tables[symbol]

    def tide(self, session: date, step_seconds: int) -> list[TideRow]:
        if session != self._session:
            return self._earlier.tide(session, step_seconds)
        rows = self._tide[step_seconds::step_seconds]
        return [tuple(int(value) for value in row) for row in rows]

    def net_premium(self, symbol: str, session: date, scale: FlowScale) -> list[FlowMinute]:
        if session != self._session:
            return self._earlier.net_premium(symbol, session, scale)
        return self._net_premium[symbol]
