"""A position as the stop stage watches it: its mark, its best mark, its breaches and its stops.

Folded from quotes, closed minutes and position events; exit_cases.py judges it. Prices are of
the structure as bought.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from domain.analytics.variance import share_to_come
from domain.events.orders import OrderIntended
from domain.events.positions import ExitReason, PositionOpened, PositionWatermark
from domain.events.rolls import PositionRolled
from domain.execution.ladder import Profile
from domain.execution.marks import is_credit, mark, shows_gain, smoothed
from domain.execution.quotes import NetQuote, QuoteLimits, Quotes
from domain.execution.underlying import Minute, UnderlyingWatch
from domain.instruments import Direction, Leg, Strategy, Structure
from domain.parameter import ParameterState
from domain.rolling import all_legs
from domain.session import Session


@dataclass(frozen=True, slots=True)
class ExitState:
    """The exit that was decided last."""

    reason: ExitReason
    profile: Profile


@dataclass(slots=True)
class Watched:
    """One open position."""

    opened: PositionOpened
    correlation_id: UUID
    stop: Decimal
    rv_hat_day: float | None = None
    variance_remaining: float | None = None
    volatilities: dict[int, float] = field(default_factory=dict)
    """Of the legs at the entry, by contract."""
    units: int = 0
    legs: dict[int, int] = field(default_factory=dict)
    entry_price: Decimal | None = None
    net: NetQuote | None = None
    """The newest usable quote."""
    mark: Decimal | None = None
    best: Decimal | None = None
    spread: Decimal | None = None
    quoted_at: datetime | None = None
    breached_at: datetime | None = None
    is_breached_again: bool = False
    """A later quote than the first one breaches too, and none since did not."""
    stop_kind: str = ""
    stop_moved_at: datetime | None = None
    marked_at: datetime | None = None
    exit: ExitState | None = None
    left: ExitReason | None = None
    """Why it was left before: what fills after its end is left at once for the same reason."""
    ended_at: datetime | None = None
    is_paged: bool = False
    """A human was told that it is held longer than its rules allow."""
    killed: str = ""
    """Who closes it and why, while a flatten is in force."""
    operator: str = ""
    delivered: str = ""
    """Its exercise or assignment: what is left of it is no longer what was planned."""
    basis: Decimal | None = None
    """Of a rolled position: the price at which the whole makes nothing."""
    rolls: dict[str, OrderIntended] = field(default_factory=dict)
    """Orders that are to roll it."""
    rolled_in_part: str = ""
    """A roll that ended with some units filled: two condors, and no plan for them."""
    is_inferred: bool = False
    """Holdings of it were taken over from the broker without executions."""
    closes_back: int = 0
    best_extreme: float | None = None
    chandelier: float | None = None
    closes_beyond: int = 0
    invalidated: tuple[str, ...] = ()
    chandelier_hit: tuple[str, ...] = ()
    closed_on: date | None = None
    """Session whose close was judged last."""
    closed_beyond: tuple[str, ...] = ()
    """That close lay beyond a short strike."""
    watermark: PositionWatermark | None = None
    """Newest one on the log."""
    watermark_at: datetime | None = None

    @property
    def position_id(self) -> str:
        return self.opened.position_id

    @property
    def structure(self) -> Structure:
        return self.opened.structure

    @property
    def all_legs(self) -> tuple[Leg, ...]:
        """Every contract that it may hold, once it has begun to be rolled."""
        return all_legs(self.structure, self.structure, (o.structure for o in self.rolls.values()))

    @property
    def result_price(self) -> Decimal | None:
        """What trailing counts its gain from."""
        return self.entry_price if self.basis is None else self.basis

    def rolled(self, body: PositionRolled) -> None:
        """Another structure with another plan: marks begin anew, and its stop is told next."""
        changes = {
            "structure": body.structure,
            "exit_plan": body.exit_plan,
            "max_loss_per_unit_usd": body.max_loss_per_unit_usd,
        }
        self.opened = self.opened.model_copy(update=changes)
        self.basis = body.basis_price
        self.volatilities |= {leg.con_id: leg.implied_volatility for leg in body.legs}
        self.net = self.mark = self.best = self.spread = self.quoted_at = None
        self.breached_at, self.is_breached_again = None, False
        self.watermark = self.watermark_at = None
        self.rolled_in_part = ""

    @property
    def is_held(self) -> bool:
        return any(self.legs.values())

    @property
    def is_whole(self) -> bool:
        """Every contract that is held belongs to a unit of its structure."""
        whole = {leg.contract.con_id: leg.ratio * self.units for leg in self.structure.legs}
        return all(self.legs.get(key, 0) == whole.get(key, 0) for key in {*self.legs, *whole})

    @property
    def bullish(self) -> bool:
        return self.opened.direction is Direction.BULLISH

    def is_expiry_day(self, session: Session) -> bool:
        """A 1DTE on its second day, which has rules of its own (4.5)."""
        overnight = self.opened.strategy is Strategy.ONE_DTE
        return overnight and session.session_date == self.structure.expiry


def watch_quote(
    watched: Watched, quotes: Quotes, parameters: ParameterState, age_max: float, now: datetime
) -> bool:
    """Fold the newest quote of a position's legs; False when it is not usable for a mark."""
    number = parameters.number
    net = quotes.net(watched.structure, now, QuoteLimits.read(parameters))
    long_without_bid = net is not None and net.zero_bid and not is_credit(watched.structure)
    if net is None or net.oldest_seconds > age_max or not (net.priced or long_without_bid):
        watched.net = None
        return False
    value = mark(
        watched.structure,
        net,
        Decimal(repr(number("stop.mark_spread_min"))),
        Decimal(repr(number("stop.mark_spread_share"))),
    )
    since = watched.quoted_at
    elapsed = (now - since).total_seconds() if since is not None else 0.0
    half_life_seconds = number("stop.spread_half_life_s")
    watched.spread = smoothed(watched.spread, net.spread, elapsed, half_life_seconds)
    watched.net, watched.mark, watched.quoted_at = net, value, now
    if shows_gain(watched.structure, net) and (watched.best is None or value > watched.best):
        watched.best = value
    _watch_breach(watched, value, now)
    return True


def _watch_breach(watched: Watched, value: Decimal, now: datetime) -> None:
    if value > watched.stop:
        watched.breached_at, watched.is_breached_again = None, False
    elif watched.breached_at is None:
        watched.breached_at = now
    elif now > watched.breached_at:
        watched.is_breached_again = True


def watch_minute(
    watched: Watched,
    minute: Minute,
    underlying: UnderlyingWatch,
    session: Session,
    atr_multiple: float,
) -> None:
    """Fold a closed minute: back inside the noise area, and beyond the chandelier stop.

    Two closes in a row count; a close on the chandelier does not.
    """
    area = underlying.area(minute.index, session, watched.rv_hat_day)
    if area is not None and minute.vwap is not None:
        if watched.bullish:
            back = minute.close <= area.upper and minute.close < minute.vwap
        else:
            back = minute.close >= area.lower and minute.close > minute.vwap
        watched.closes_back = watched.closes_back + 1 if back else 0
        if watched.closes_back >= 2:
            watched.invalidated = (
                f"close {minute.close}",
                f"area {area.lower:.4f} to {area.upper:.4f}",
                f"vwap {minute.vwap:.4f}",
            )
    # Of the minute in which it was opened only the close is known to have come after.
    began_before = session.after_open(minutes=minute.index) < watched.opened.opened_at
    extreme = minute.high if watched.bullish else minute.low
    extreme = minute.close if began_before else extreme
    _watch_chandelier(watched, minute.close, extreme, underlying.atr, atr_multiple)


def _watch_chandelier(
    watched: Watched, close: float, extreme: float, atr: float | None, multiple: float
) -> None:
    level = watched.chandelier
    if level is not None:
        beyond = close < level if watched.bullish else close > level
        watched.closes_beyond = watched.closes_beyond + 1 if beyond else 0
        if watched.closes_beyond >= 2:
            watched.chandelier_hit = (f"close {close}", f"chandelier {level:.4f}")
    before = watched.best_extreme
    if before is not None:
        extreme = max(before, extreme) if watched.bullish else min(before, extreme)
    watched.best_extreme = extreme
    if atr is None:
        return
    if watched.bullish:
        wanted = extreme - multiple * atr
        watched.chandelier = wanted if level is None else max(level, wanted)
    else:
        wanted = extreme + multiple * atr
        watched.chandelier = wanted if level is None else min(level, wanted)


def remaining_variance(watched: Watched, session: Session, now: datetime) -> float | None:
    """Variance to the close, shrinking by the profile of a day: from that at the decision, on a
    later day from the forecast of a whole one."""
    opened_at, variance = watched.opened.opened_at, watched.variance_remaining
    if opened_at < session.open_at:
        opened_at, variance = session.open_at, watched.rv_hat_day
    if variance is None:
        return None
    whole, left = (
        share_to_come(session, (at - session.open_at).total_seconds() / 60)
        for at in (opened_at, now)
    )
    return variance * left / whole if whole > 0 else None
