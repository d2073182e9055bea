"""The price ladder: where an order stands at each step, in integer ticks (rules 6.1 to 6.3).

Prices are of the structure as bought, signed. Called by entries.py and exits.py; nothing here
knows orders or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from domain.instruments import TICK, Side, Strategy
from domain.numbers import ceil_tick, floor_tick

STEPS = 4
THROUGH_TICKS_MAX = 3
LAST_STEP_MAX = STEPS + THROUGH_TICKS_MAX


class Profile(StrEnum):
    """Ladders, least urgent first; `crossing` and `market_equivalent` are forced-flat stages."""

    PATIENT = "patient"
    NORMAL = "normal"
    URGENT = "urgent"
    CROSSING = "crossing"
    MARKET_EQUIVALENT = "market_equivalent"

    @property
    def rank(self) -> int:
        return _ORDER.index(self)


_ORDER = tuple(Profile)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps of a profile. Steps above STEPS stand that many ticks through the far side."""

    profile: Profile
    first: int
    last: int
    dwell_parameter: str


def ladder(profile: Profile, *, is_exit: bool) -> Ladder:
    """The steps of a profile; only exits go through the far side."""
    match profile:
        case Profile.PATIENT:
            return Ladder(profile, 0, 3, "execution.dwell_patient_s")
        case Profile.NORMAL:
            return Ladder(profile, 0, STEPS, "execution.dwell_normal_s")
        case Profile.URGENT:
            last = LAST_STEP_MAX if is_exit else STEPS
            return Ladder(profile, 2, last, "execution.dwell_urgent_s")
        case Profile.CROSSING:
            return Ladder(profile, STEPS, LAST_STEP_MAX, "execution.dwell_urgent_s")
        case Profile.MARKET_EQUIVALENT:
            return Ladder(profile, LAST_STEP_MAX, LAST_STEP_MAX, "execution.dwell_urgent_s")


def entry_profile(strategy: Strategy) -> Profile:
    """14D+ can wait, the closing trade cannot."""
    match strategy:
        case Strategy.FOURTEEN_DTE:
            return Profile.PATIENT
        case Strategy.CLOSING:
            return Profile.URGENT
        case _:
            return Profile.NORMAL


def to_ticks(price: Decimal) -> int:
    """A price as a whole number of ticks.

    Raises:
        ValueError: the price lies between two ticks.
    """
    ticks = price / TICK
    if ticks != ticks.to_integral_value():
        raise ValueError(f"order price must be a multiple of {TICK}, was {price}")
    return int(ticks)


def step_price(side: Side, bid: Decimal, ask: Decimal, step: int) -> Decimal:
    """Price of a step from the current net quote.

    Steps 0 to 4 go from mid to the far side: buy floor((n(b+a) + j(a-b)) / 2n), sell
    ceil((n(b+a) - j(a-b)) / 2n) in ticks with n = 4; later steps go one tick through each.
    """
    if not 0 <= step <= LAST_STEP_MAX:
        raise ValueError(f"ladder step must be in [0, {LAST_STEP_MAX}], was {step}")
    b, a = to_ticks(bid), to_ticks(ask)
    inside = min(step, STEPS)
    through = step - inside
    if side is Side.BUY:
        ticks = (STEPS * (b + a) + inside * (a - b)) // (2 * STEPS) + through
    else:
        ticks = -((inside * (a - b) - STEPS * (b + a)) // (2 * STEPS)) - through
    return ticks * TICK


def budget(bid: Decimal, ask: Decimal, spread_share: Decimal, mid_share: Decimal) -> Decimal:
    """Slippage budget at decision time (6.2): max(0.01, min(0.5 spread, 5 % of |mid|))."""
    mid = (bid + ask) / 2
    return max(TICK, min(spread_share * (ask - bid), mid_share * abs(mid)))


def entry_cap(side: Side, mid: Decimal, allowed: Decimal) -> Decimal:
    """The price an entry never passes: buys rounded down, sells up to a tick."""
    return floor_tick(mid + allowed) if side is Side.BUY else ceil_tick(mid - allowed)


def capped(side: Side, price: Decimal, cap: Decimal) -> Decimal:
    return min(price, cap) if side is Side.BUY else max(price, cap)


def next_price(
    side: Side,
    current: Decimal,
    current_mid: Decimal | None,
    bid: Decimal,
    ask: Decimal,
    price: Decimal,
) -> Decimal | None:
    """`price` when an order standing at `current` may move there, else None.

    It moves only toward the far side, unless the mid has moved by more than a tick since it was
    last priced: then it follows.
    """
    toward = price - current if side is Side.BUY else current - price
    if toward >= TICK:
        return price
    if toward <= -TICK and current_mid is not None:
        mid = (bid + ask) / 2
        moved = current_mid - mid if side is Side.BUY else mid - current_mid
        if moved > TICK:
            return price
    return None
