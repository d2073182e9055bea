"""The chain as a table: the newest quote of each contract, from whatever source came last.

Filled by the stage from broker lines, from the NBBO that option trades carry, and from the
vendor's contract snapshots; read by the surface and the exposures. Columns are arrays, so that a
refresh is a handful of vector operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from domain.instruments import Right, parse_occ_symbol
from domain.pricing.black_scholes import Bools, Floats

Integers = NDArray[np.int64]
_START = 512


class Source(IntEnum):
    """Where a quote came from; only a broker line may carry an entry."""

    NONE = 0
    LINE = 1
    TRADE = 2
    SNAPSHOT = 3


_LINE = int(Source.LINE)
"""Members of an enumeration are slow to reach in a path taken thousands of times a second."""
_FLOATS = (
    "strike",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "quoted_at",
    "spot_at",
    "open_interest",
    "volume",
    "ask_volume",
    "bid_volume",
    "iv",
    "iv_at",
    "premium",
    "premium_at",
    "broker_delta",
    "broker_delta_at",
)
_INTEGERS = ("expiry", "con_id", "source")
_BOOLS = ("is_call", "on_line")


class ChainTable:
    """Contracts of one underlying by slot. NaN is unknown; times are epoch seconds."""

    strike: Floats
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    quoted_at: Floats
    spot_at: Floats
    open_interest: Floats
    volume: Floats
    ask_volume: Floats
    """Of the session's volume what was bought at the ask, and what was sold at the bid."""
    bid_volume: Floats
    iv: Floats
    iv_at: Floats
    premium: Floats
    """Early-exercise premium as last computed, and when."""
    premium_at: Floats
    broker_delta: Floats
    broker_delta_at: Floats
    expiry: Integers
    """Ordinal of the date."""
    con_id: Integers
    source: Integers
    is_call: Bools
    on_line: Bools

    def __init__(self) -> None:
        self.count = 0
        self.layout_version = 0
        self._capacity = 0
        self._slots: dict[tuple[int, int, bool], int] = {}
        self._by_symbol: dict[str, int] = {}
        self._by_con_id: dict[int, int] = {}
        self._grow(_START)

    def _grow(self, capacity: int) -> None:
        for names, kind, empty in (
            (_FLOATS, np.float64, np.nan),
            (_INTEGERS, np.int64, 0),
            (_BOOLS, np.bool_, False),
        ):
            for name in names:
                column = np.full(capacity, empty, dtype=kind)
                if self._capacity:
                    column[: self._capacity] = getattr(self, name)
                setattr(self, name, column)
        self._capacity = capacity

    def add(self, expiry: date, strike: float, right: Right, con_id: int = 0) -> int:
        """The slot of a contract, new or known. A con_id given later is filled in."""
        is_call = right is Right.CALL
        key = (expiry.toordinal(), round(strike * 1000), is_call)
        slot = self._slots.get(key)
        if slot is None:
            slot = self.count
            if slot == self._capacity:
                self._grow(2 * self._capacity)
            self._slots[key] = slot
            self.strike[slot] = strike
            self.expiry[slot] = key[0]
            self.is_call[slot] = is_call
            self.count += 1
            self.layout_version += 1
        if con_id:
            self.con_id[slot] = con_id
            self._by_con_id[con_id] = slot
        return slot

    def slot_of_symbol(self, occ: str) -> int:
        """The slot of an OCC symbol, added when it is new.

        Raises:
            ValueError: no OCC option symbol.
        """
        slot = self._by_symbol.get(occ)
        if slot is None:
            _, expiry, right, strike = parse_occ_symbol(occ)
            slot = self._by_symbol[occ] = self.add(expiry, float(strike), right)
        return slot

    def slot_of_con_id(self, con_id: int) -> int | None:
        return self._by_con_id.get(con_id)

    def line_ticks(
        self, slot: int, ticks: list[tuple[int, float, float]], at: float, spot: float
    ) -> None:
        """A packet of a broker line: types 0 to 3 are the quote, 8 the volume, -1 is no quote.

        27 and 28 are open interest of calls and puts; the broker sends both, one of them as 0.
        """
        for kind, price, size in ticks:
            if kind == 1:
                self.bid[slot] = price if price > 0 else 0.0
                self.bid_size[slot] = size if price > 0 else 0.0
            elif kind == 2:
                self.ask[slot] = price if price > 0 else np.nan
                self.ask_size[slot] = size if price > 0 else 0.0
            elif kind == 0:
                self.bid_size[slot] = size
            elif kind == 3:
                self.ask_size[slot] = size
            elif kind == 8:
                self.volume[slot] = size
            elif kind == (27 if self.is_call[slot] else 28):
                self.open_interest[slot] = size
        if self.source[slot] != _LINE:
            self._forget_other_side(slot, ticks)
        self.source[slot] = _LINE
        self.quoted_at[slot] = at
        self.spot_at[slot] = spot

    def _forget_other_side(self, slot: int, ticks: list[tuple[int, float, float]]) -> None:
        """A line's first ticks must not be paired with a side of another source."""
        kinds = {kind for kind, _, _ in ticks}
        if 1 not in kinds:
            self.bid[slot] = np.nan
        if 2 not in kinds:
            self.ask[slot] = np.nan

    def quote(self, slot: int, bid: float, ask: float, at: float, source: int) -> None:
        """A quote without sizes from a trade's NBBO or a snapshot.

        An open line that has ticked knows better: it is not overwritten.
        """
        if self.on_line[slot] and self.source[slot] == _LINE:
            return
        self.bid[slot] = bid
        self.ask[slot] = ask
        self.bid_size[slot] = np.nan
        self.ask_size[slot] = np.nan
        self.source[slot] = source
        self.quoted_at[slot] = at

    def carried_over(self, session_date: date) -> ChainTable:
        """Contracts that live on in a new session, without quotes and open interest."""
        fresh = ChainTable()
        first = session_date.toordinal()
        for slot in range(self.count):
            if self.expiry[slot] < first:
                continue
            right = Right.CALL if self.is_call[slot] else Right.PUT
            expiry = date.fromordinal(int(self.expiry[slot]))
            new = fresh.add(expiry, float(self.strike[slot]), right, int(self.con_id[slot]))
            fresh.on_line[new] = self.on_line[slot]
        return fresh


@dataclass(frozen=True, slots=True)
class Layout:
    """The table sorted into nodes of (expiry, strike), one volatility each.

    `call` and `put` are slots, -1 where the contract is not known. `starts` bounds the nodes of
    each expiry: expiry i has nodes starts[i] to starts[i + 1].
    """

    version: int
    session_date: date
    expiries: tuple[date, ...]
    expiry_index: Integers
    strike: Floats
    call: Integers
    put: Integers
    starts: Integers
    strikes_unique: Floats
    strike_index: Integers

    @property
    def nodes(self) -> int:
        return int(self.strike.size)

    def slice_of(self, index: int) -> slice:
        return slice(int(self.starts[index]), int(self.starts[index + 1]))


def layout_of(table: ChainTable, session_date: date, dte_max: int) -> Layout:
    """Nodes of the expiries from the session date to `dte_max` days later, in ascending order."""
    first = session_date.toordinal()
    live = np.flatnonzero(
        (table.expiry[: table.count] >= first) & (table.expiry[: table.count] <= first + dte_max)
    )
    order = live[np.lexsort((~table.is_call[live], table.strike[live], table.expiry[live]))]
    expiry, strike, is_call = table.expiry[order], table.strike[order], table.is_call[order]
    new = np.ones(order.size, dtype=bool)
    new[1:] = (expiry[1:] != expiry[:-1]) | (strike[1:] != strike[:-1])
    node = np.cumsum(new) - 1
    count = int(node[-1]) + 1 if order.size else 0
    call = np.full(count, -1, dtype=np.int64)
    put = np.full(count, -1, dtype=np.int64)
    call[node[is_call]] = order[is_call]
    put[node[~is_call]] = order[~is_call]
    days, index = np.unique(expiry[new], return_inverse=True)
    strikes_unique, strike_index = np.unique(strike[new], return_inverse=True)
    return Layout(
        version=table.layout_version,
        session_date=session_date,
        expiries=tuple(date.fromordinal(int(day)) for day in days),
        expiry_index=index.astype(np.int64),
        strike=np.ascontiguousarray(strike[new]),
        call=call,
        put=put,
        starts=np.searchsorted(index, np.arange(days.size + 1)).astype(np.int64),
        strikes_unique=strikes_unique,
        strike_index=strike_index.astype(np.int64),
    )


def of_expiry(layout: Layout, index: int) -> Layout:
    """One expiry of a layout as a layout of its own."""
    part = layout.slice_of(index)
    strike = layout.strike[part]
    order = np.arange(strike.size)
    return Layout(
        version=layout.version,
        session_date=layout.session_date,
        expiries=(layout.expiries[index],),
        expiry_index=np.zeros(strike.size, dtype=np.int64),
        strike=strike,
        call=layout.call[part],
        put=layout.put[part],
        starts=np.array((0, strike.size)),
        strikes_unique=strike,
        strike_index=order,
    )


def column(values: Floats, slots: Integers) -> Floats:
    """Values of slots, NaN where the contract is not known."""
    found: Floats = np.where(slots >= 0, values[slots], np.nan)
    return found
