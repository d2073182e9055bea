"""Top of book of an underlying: mid, imbalance, weighted mid and order-flow imbalance.

Called by the stage with each packet of broker ticks. The line is a snapshot about every 250 ms,
so that OFI [CKS14] from it is an approximation. A missing price counts as crossed; a size of 0 at
a price is an ordinary state.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.analytics.ewma import EwMoments, minutes_moments

OFI_SECONDS = 10.0
CROSSED_SECONDS_MAX = 3.0
MISSING = 0.0
"""Price of a side that is not there; the broker sends -1."""


@dataclass(slots=True)
class Book:
    """Bid and ask as last sent; `at` is the epoch second (market time) of the last tick."""

    bid: float = MISSING
    ask: float = MISSING
    bid_size: float = 0.0
    ask_size: float = 0.0
    last: float = MISSING
    volume: float = 0.0
    at: float = 0.0
    good_mid: float = MISSING
    good_at: float = 0.0
    bad_since: float | None = None
    """Since when the quote is locked, crossed or one-sided."""

    def apply(self, ticks: list[tuple[int, float, float]], at: float, multiplier: float) -> None:
        """Tick types 0 to 3 are the quote, 4 the last price, 8 the volume."""
        for kind, price, size in ticks:
            if kind == 1:
                self.bid, self.bid_size = (price, size * multiplier) if price > 0 else (0.0, 0.0)
            elif kind == 2:
                self.ask, self.ask_size = (price, size * multiplier) if price > 0 else (0.0, 0.0)
            elif kind == 0:
                self.bid_size = size * multiplier
            elif kind == 3:
                self.ask_size = size * multiplier
            elif kind == 4 and price > 0:
                self.last = price
            elif kind == 8:
                self.volume = size * multiplier
        self.at = at
        if self.is_normal:
            self.bad_since = None
            if self.bid_size > 0 and self.ask_size > 0:
                self.good_mid = (self.bid + self.ask) / 2
                self.good_at = at
        elif self.bad_since is None:
            self.bad_since = at

    @property
    def is_normal(self) -> bool:
        return self.bid >= 0.01 and self.ask > self.bid

    @property
    def imbalance(self) -> float | None:
        depth = self.bid_size + self.ask_size
        return (self.bid_size - self.ask_size) / depth if self.is_normal and depth > 0 else None

    @property
    def weighted_mid(self) -> float | None:
        """Stands in for the micro-price until that is estimated."""
        depth = self.bid_size + self.ask_size
        if not self.is_normal or depth <= 0:
            return None
        return (self.ask * self.bid_size + self.bid * self.ask_size) / depth


def flow_imbalance(
    before: tuple[float, float, float, float], after: tuple[float, float, float, float]
) -> float:
    """e of two successive states (bid, bid size, ask, ask size), shares."""
    bid0, bid_size0, ask0, ask_size0 = before
    bid1, bid_size1, ask1, ask_size1 = after
    change = 0.0
    if bid1 >= bid0:
        change += bid_size1
    if bid1 <= bid0:
        change -= bid_size0
    if ask1 <= ask0:
        change -= ask_size1
    if ask1 >= ask0:
        change += ask_size0
    return change


@dataclass(slots=True)
class OrderFlow:
    """OFI in windows of 10 s aligned to T_open, and its EW(5 min)."""

    state: tuple[float, float, float, float] | None = None
    window: int | None = None
    total: float = 0.0
    depth_sum: float = 0.0
    states: int = 0
    heard: bool = False
    """A state came in this window; one without tells nothing and does not close."""
    ofi: float | None = None
    ofi_norm: float | None = None
    closed_at: float = 0.0
    slow: EwMoments = field(default_factory=lambda: minutes_moments(5))

    def reset(self) -> None:
        """After a reconnect, halt or crossed quote: the next state contributes nothing."""
        self.state = None

    def roll(self, seconds_since_open: float) -> None:
        """Close windows that ended; called before a state and with every bar."""
        number = int(seconds_since_open // OFI_SECONDS)
        if self.window is None:
            self._begin(number)
            return
        if number <= self.window:
            return
        if self.heard:
            depth = self.depth_sum / self.states
            self.ofi = self.total
            self.ofi_norm = self.total / depth if depth > 0 else None
            if self.ofi_norm is not None:
                self.slow.update(self.ofi_norm, OFI_SECONDS)
            self.closed_at = (self.window + 1) * OFI_SECONDS
        self._begin(number)

    def _begin(self, number: int) -> None:
        self.window = number
        self.total = 0.0
        self.depth_sum = 0.0
        self.states = 0
        self.heard = False
        if self.state is not None:
            self.depth_sum = (self.state[1] + self.state[3]) / 2
            self.states = 1

    def add(self, book: Book, seconds_since_open: float) -> None:
        self.roll(seconds_since_open)
        if not book.is_normal:
            self.reset()
            return
        now = (book.bid, book.bid_size, book.ask, book.ask_size)
        if self.state is not None:
            self.total += flow_imbalance(self.state, now)
        self.state = now
        self.heard = True
        self.depth_sum += (book.bid_size + book.ask_size) / 2
        self.states += 1
