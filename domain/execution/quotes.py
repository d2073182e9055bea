"""The newest quotes of underlyings and option lines, and the net quote of a structure (0.4, 6.1).

Folded from the broker's ticks by OrderStage, PositionStage and StopStage. Every open line is kept
(there are a hundred at most): a quote that came before a decision is still the newest one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from domain.events.feeds import IbTicksReceived
from domain.instruments import SYMBOLS, TICK, Structure
from domain.parameter import ParameterState

_BID_SIZE, _BID, _ASK, _ASK_SIZE, _LAST = 0, 1, 2, 3, 4
_MODEL_COMPUTATION = 13
LIVE_DATA = 1
GOOD_MID_STANDS = timedelta(seconds=2)
"""A quote that crosses for a moment tells nothing of the price; the last trade may be older."""


@dataclass(slots=True)
class Line:
    """The top of one option line. None where the side is missing."""

    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    at: datetime | None = None
    underlying_at_tick: float | None = None
    implied_volatility: float | None = None
    delta: float | None = None


@dataclass(slots=True)
class Underlying:
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    at: datetime | None = None
    good_mid: float | None = None
    bad_since: datetime | None = None
    """Since when the quote is locked, crossed or one-sided."""

    def quoted(self, at: datetime) -> None:
        """A tick of the quote has come."""
        self.at = at
        if self.bid and self.ask and self.ask > self.bid:
            self.good_mid, self.bad_since = (self.bid + self.ask) / 2, None
        elif self.bad_since is None:
            self.bad_since = at

    def is_good(self, now: datetime) -> bool:
        """Whether the last sound quote still stands: for 2 seconds after it ceased to be one."""
        if self.good_mid is None:
            return False
        return self.bad_since is None or now - self.bad_since <= GOOD_MID_STANDS

    def price(self, now: datetime) -> float | None:
        """Mid of the last sound quote while it stands, else the last trade."""
        return self.good_mid if self.is_good(now) else self.last


@dataclass(frozen=True, slots=True)
class QuoteLimits:
    """How old, in market time, what a price rests on may be."""

    leg_age_seconds: float
    underlying_age_seconds: float
    quiet_seconds: float
    quiet_move: float
    """A part of the price of the underlying."""

    @classmethod
    def read(cls, parameters: ParameterState) -> QuoteLimits:
        number = parameters.number
        return cls(
            number("execution.quote_age_s"),
            number("execution.underlying_age_s"),
            number("execution.quote_quiet_s"),
            number("execution.quote_quiet_move"),
        )


@dataclass(frozen=True, slots=True)
class NetQuote:
    """Net bid and ask of a structure as bought, a share. `oldest_seconds` over its legs.

    A missing leg bid is taken as zero; `sound` is False then, and whenever some leg fails a
    condition of 0.4. `priced` says that nothing else is missing: each leg has an ask, and what has
    no bid is worth nothing, as a condor's far legs are on their last day.
    """

    bid: Decimal
    ask: Decimal
    oldest_seconds: float
    sound: bool
    zero_bid: bool = False
    """Of a long leg."""
    priced: bool = True

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> Decimal:
        return self.ask - self.bid


@dataclass(slots=True)
class Quotes:
    """Lines by contract id, underlyings by symbol."""

    lines: dict[int, Line] = field(default_factory=dict)
    underlyings: dict[str, Underlying] = field(default_factory=dict)

    def close(self, con_id: int) -> None:
        """The line was closed: what it last said is worth nothing from now on."""
        self.lines.pop(con_id, None)

    def apply(self, ticks: IbTicksReceived, at: datetime) -> bool:
        """Fold one packet; False when it is not live or of no instrument that is traded."""
        if ticks.market_data_type != LIVE_DATA or ticks.symbol not in SYMBOLS:
            return False
        if not ticks.expiry:
            self._apply_underlying(ticks, at)
            return True
        line = self.lines.get(ticks.con_id)
        if line is None:
            line = self.lines[ticks.con_id] = Line()
        underlying = self.underlyings.get(ticks.symbol)
        self._apply_line(line, ticks, at, underlying.price(at) if underlying else None)
        return True

    def _apply_underlying(self, ticks: IbTicksReceived, at: datetime) -> None:
        top = self.underlyings.setdefault(ticks.symbol, Underlying())
        is_quote = False
        for kind, price, _ in ticks.ticks:
            value = price if price is not None and math.isfinite(price) and price > 0 else None
            if kind == _BID:
                top.bid = value
            elif kind == _ASK:
                top.ask = value
            elif kind == _LAST:
                top.last = value if value is not None else top.last
            is_quote = is_quote or kind in (_BID, _ASK, _BID_SIZE, _ASK_SIZE)
        if is_quote:
            top.quoted(at)

    def _apply_line(
        self, line: Line, ticks: IbTicksReceived, at: datetime, underlying: float | None
    ) -> None:
        for kind, price, size in ticks.ticks:
            if kind == _BID:
                line.bid, line.bid_size = _price(price), _size(size, line.bid_size)
            elif kind == _ASK:
                line.ask, line.ask_size = _price(price), _size(size, line.ask_size)
            elif kind == _BID_SIZE:
                line.bid_size = _size(size, line.bid_size)
            elif kind == _ASK_SIZE:
                line.ask_size = _size(size, line.ask_size)
            else:
                continue
            line.at, line.underlying_at_tick = at, underlying
        for computation in ticks.computations:
            if computation[0] == _MODEL_COMPUTATION:
                line.implied_volatility = computation[1]
                line.delta = computation[2]

    def underlying_price(self, symbol: str, now: datetime) -> float | None:
        top = self.underlyings.get(symbol)
        return top.price(now) if top else None

    def underlying_is_good(self, symbol: str, now: datetime) -> bool:
        """Whether that price is the mid of a quote."""
        top = self.underlyings.get(symbol)
        return top is not None and top.is_good(now)

    def underlying_age(self, symbol: str, now: datetime) -> float | None:
        top = self.underlyings.get(symbol)
        return (now - top.at).total_seconds() if top and top.at else None

    def line_age(
        self, con_id: int, symbol: str, now: datetime, limits: QuoteLimits
    ) -> float | None:
        """Age by 0.4: a silent line counts as new while its underlying is live and still."""
        line = self.lines.get(con_id)
        if line is None or line.at is None:
            return None
        raw = (now - line.at).total_seconds()
        price, then = self.underlying_price(symbol, now), line.underlying_at_tick
        age = self.underlying_age(symbol, now)
        quiet = (
            raw <= limits.quiet_seconds
            and age is not None
            and age <= limits.underlying_age_seconds
            and price is not None
            and then is not None
            and abs(price - then) <= limits.quiet_move * then
        )
        return 0.0 if quiet else raw

    def spread(self, con_id: int) -> Decimal | None:
        """Of one line; None without both sides."""
        line = self.lines.get(con_id)
        if line is None or line.bid is None or line.ask is None:
            return None
        return line.ask - line.bid

    def ages(
        self, structure: Structure, now: datetime, limits: QuoteLimits
    ) -> tuple[float | None, ...]:
        return tuple(
            self.line_age(leg.contract.con_id, structure.symbol, now, limits)
            for leg in structure.legs
        )

    def net(self, structure: Structure, now: datetime, limits: QuoteLimits) -> NetQuote | None:
        """Net quote whatever its age; None when a leg was never quoted or has no ask to buy at.

        net_bid = sum of long bids less short asks, net_ask = sum of long asks less short bids.
        """
        bid = ask = Decimal(0)
        oldest, sound, zero_bid, priced = 0.0, True, False, True
        for leg in structure.legs:
            line = self.lines.get(leg.contract.con_id)
            age = self.line_age(leg.contract.con_id, structure.symbol, now, limits)
            if line is None or age is None or line.ask is None:
                return None
            leg_bid = line.bid if line.bid is not None else Decimal(0)
            sizes = line.bid_size != 0 and line.ask_size != 0
            is_sound = leg_bid >= TICK and line.ask > leg_bid and sizes
            sound = sound and is_sound
            zero_bid = zero_bid or (leg.ratio > 0 and leg_bid < TICK)
            priced = priced and (is_sound or leg_bid < TICK)
            oldest = max(oldest, age)
            bid += leg_bid if leg.ratio > 0 else -line.ask
            ask += line.ask if leg.ratio > 0 else -leg_bid
        return NetQuote(bid, ask, oldest, sound, zero_bid, priced)

    def usable(
        self, structure: Structure, now: datetime, limits: QuoteLimits, age_max: float
    ) -> NetQuote | None:
        """The net quote when every leg meets 0.4 and is at most `age_max` seconds old."""
        net = self.net(structure, now, limits)
        if net is None or not net.sound or net.oldest_seconds > age_max:
            return None
        return net


@lru_cache(maxsize=16_384)  # a session has fewer prices, and each of them comes thousands of times
def _price(price: float | None) -> Decimal | None:
    """Option quotes are whole cents; the feed says -1 or 0 for a missing side."""
    if price is None or not math.isfinite(price) or price <= 0:
        return None
    return Decimal(f"{price:.2f}")


def _size(size: float | None, before: float | None) -> float | None:
    return size if size is not None and math.isfinite(size) and size >= 0 else before
