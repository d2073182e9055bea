"""Why a position is left, how urgently, and which reason wins (rules 4.9).

Called by stops.py, which knows the facts; here is only what follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain.events.positions import ExitReason
from domain.execution.ladder import Profile
from domain.instruments import Strategy

_PRECEDENCE = {reason: place for place, reason in enumerate(ExitReason)}
_URGENT = frozenset(
    {
        ExitReason.KILL,
        ExitReason.FORCED_FLAT,
        ExitReason.ASSIGNMENT_GUARD,
        ExitReason.BROKER_MARGIN,
        ExitReason.STOP,
        ExitReason.INVALIDATED,
        ExitReason.TRAIL,
    }
)


@dataclass(frozen=True, slots=True)
class ExitCase:
    """One reason that holds now, with what it rests on."""

    reason: ExitReason
    profile: Profile
    threshold: str
    evidence: tuple[str, ...]
    mark: Decimal | None = None


def precedence(reason: ExitReason) -> int:
    """0 is the highest: KILL."""
    return _PRECEDENCE[reason]


def profile_of(reason: ExitReason, strategy: Strategy) -> Profile:
    """How fast the ladder of an exit goes; forced flat has stages of its own."""
    if reason in _URGENT or strategy is Strategy.CLOSING:
        return Profile.URGENT
    if reason is ExitReason.TARGET and strategy is Strategy.FOURTEEN_DTE:
        return Profile.PATIENT
    return Profile.NORMAL


def flat_profile(
    now: datetime, forced_flat_at: datetime, crossing: timedelta, market: timedelta
) -> Profile:
    """Forced flat: urgent, then at the far side, then three ticks through it."""
    waited = now - forced_flat_at
    if waited >= market:
        return Profile.MARKET_EQUIVALENT
    return Profile.CROSSING if waited >= crossing else Profile.URGENT


def first_case(cases: list[ExitCase]) -> ExitCase | None:
    """The case of highest precedence; among equals the first one found."""
    return min(cases, key=lambda case: precedence(case.reason), default=None)


def replaces(case: ExitCase, reason: ExitReason | None, profile: Profile | None) -> bool:
    """A higher reason replaces a lower one's order; the same one only to go faster."""
    if reason is None or profile is None:
        return True
    if case.reason is reason:
        return case.profile.rank > profile.rank
    return precedence(case.reason) < precedence(reason)
