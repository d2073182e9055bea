"""One subscription of the feed's link: what it is, how it is, and what of it waits for the end
of the packet. Filled by market_link.py, watched by market_data.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ib_async import Contract

from adapters.interactive_brokers.feed_watch import LineSeen
from adapters.interactive_brokers.link import FARM_CODES
from domain.analytics.depth_book import DepthBook, DepthTick

Tick: TypeAlias = tuple[int, float, float]
Computation: TypeAlias = tuple[
    int,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
]
PARTIAL_CODES = frozenset({10090, 10091})
"""A part of the data is not subscribed; the other ticks of the line flow."""
DELAYED_CODE = 10167
"""Not subscribed, delayed data instead."""
NO_PRICE = -1.0
BID, ASK, LAST, LAST_SIZE, BID_SIZE, ASK_SIZE = 1, 2, 4, 5, 0, 3
DELAYED_TWINS = {66: BID, 67: ASK, 68: LAST, 69: BID_SIZE, 70: ASK_SIZE, 71: LAST_SIZE}
LAST_TIMESTAMP, REALTIME_VOLUME, HALTED, DELAYED_HALTED = 45, 48, 49, 90
UNKNOWN, LIVE, DELAYED = 0, 1, 3
KIND_MAX = 1_000
"""Tick types are below 120 today; a larger one is no tick type."""
UNSET_FROM = 1e300
"""TWS writes the largest double for a number that it does not have."""


@dataclass(slots=True)
class Line:
    """A subscription of ticks, bars or depth."""

    contract: Contract
    kind: str
    is_vital: bool
    asked_at: float
    heard_at: float
    """When it last delivered; when it was asked for, before that."""
    is_renewed: bool = False
    is_refused: bool = False
    """TWS said that it will not serve it."""
    is_halted: bool = False
    is_answered: bool = False
    has_spoken: bool = False
    market_data_type: int = UNKNOWN
    """Unknown until TWS says it: what is not known to be live never trades."""
    prices: dict[int, float] = field(default_factory=dict)
    untyped: dict[int, Tick] = field(default_factory=dict)
    """The newest tick of each kind while the type is unknown."""
    ticks: list[Tick] = field(default_factory=list)
    computations: list[Computation] = field(default_factory=list)
    depth: list[DepthTick] = field(default_factory=list)
    book: DepthBook = field(default_factory=DepthBook)

    @property
    def name(self) -> str:
        return f"{self.kind} {self.contract.symbol} {self.contract.conId}"

    @property
    def is_option(self) -> bool:
        return self.contract.secType == "OPT"

    def add(self, kind: int, price: float, size: float) -> None:
        self.ticks.append((kind, price, size))
        if self.market_data_type == UNKNOWN:
            self.untyped.pop(kind, None)  # in the order of the newest
            self.untyped[kind] = (kind, price, size)

    def take_error(self, code: int) -> bool:
        """Note an error that TWS names for the line; whether TWS will not serve it."""
        if code == DELAYED_CODE:
            self.set_type(DELAYED)
            return False
        is_shut = code not in PARTIAL_CODES and code not in FARM_CODES
        self.is_refused = self.is_refused or is_shut
        return is_shut

    def set_type(self, kind: int) -> None:
        """What came before the first word of live data counts as live from then on."""
        before, self.market_data_type = self.market_data_type, kind
        if before == UNKNOWN:
            if kind == LIVE:
                self.ticks = list(self.untyped.values())
            self.untyped.clear()
        elif before != kind:
            self.prices.clear()  # a delayed price is no price of a live size

    def recheck(self, at: float) -> None:
        """It must deliver again to pass for alive."""
        self.asked_at = self.heard_at = at
        self.has_spoken = self.is_answered = False
        self.is_renewed = True

    def seen(self, request: int, at: float) -> LineSeen:
        return LineSeen(
            request=request,
            name=self.name,
            kind=self.kind,
            is_vital=self.is_vital,
            is_option=self.is_option,
            is_refused=self.is_refused,
            is_halted=self.is_halted,
            is_renewed=self.is_renewed,
            has_spoken=self.has_spoken,
            is_answered=self.is_answered,
            market_data_type=self.market_data_type,
            silent_seconds=at - self.heard_at,
            asked_seconds=at - self.asked_at,
            damage=self.book.damage,
        )


def is_number(value: float) -> bool:
    """Neither NaN, infinite, nor TWS's largest double."""
    return abs(value) < UNSET_FROM


def unless(value: float, unset: int) -> float | None:
    """None for what TWS does not have: `unset`, or no number."""
    return None if value == unset or not is_number(value) else value
