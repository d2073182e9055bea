"""Which reasons to leave a position hold right now (rules 4.4 to 4.9 and 6.5).

Pure questions about a watched position, asked by stops.py at quotes, closed minutes and clock
ticks. Every case names its threshold and the facts it rests on.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import Decimal

from domain.events.positions import ExitReason
from domain.execution.exit_rules import ExitCase, flat_profile, profile_of
from domain.execution.marks import TrailRule, is_credit, shows_gain, tightened, trailing_stop
from domain.execution.quotes import Quotes
from domain.execution.watched import Watched, remaining_variance
from domain.instruments import Right, Strategy
from domain.parameter import ParameterState
from domain.session import Session

NOISE_RULE = "noise_area_and_vwap"
STRIKE_RULE = "near_short_strike"
LAST_DAY_STRIKE_RULE = "near_short_strike_on_the_last_day"
DAILY_CLOSE_RULE = "daily_close_beyond_short_strike"
_CLOSING_STAGE = timedelta(minutes=1)


def case_of(watched: Watched, reason: ExitReason, threshold: object, *evidence: object) -> ExitCase:
    """A reason with the urgency that it has for this position."""
    profile = profile_of(reason, watched.opened.strategy)
    return ExitCase(
        reason, profile, str(threshold), tuple(str(item) for item in evidence), watched.mark
    )


def mark_cases(
    watched: Watched, parameters: ParameterState, session: Session, now: datetime
) -> list[ExitCase]:
    """Stop, trail and target on the newest usable quote. A stop needs a second quote.

    In the first minute after the open option quotes are wide: only rules on the underlying act.
    """
    if watched.net is None or watched.mark is None:
        return []
    number = parameters.number
    found: list[ExitCase] = []
    quiet = timedelta(seconds=number("stop.next_day_quiet_s"))
    confirm = number("stop.confirm_s")
    if watched.is_expiry_day(session) and not is_like_0dte(watched, parameters, session, now):
        confirm = number("stop.confirm_next_day_s")
    since = watched.breached_at
    if since is not None:
        # What was quoted before, this morning or last night, is no first breach.
        since = max(since, session.open_at + quiet)
    settled = since is not None and watched.is_breached_again
    if since is not None and settled and now - since >= timedelta(seconds=confirm):
        reason = ExitReason.TRAIL if watched.stop_kind == "trail" else ExitReason.STOP
        quote = f"quote {watched.net.bid} to {watched.net.ask}"
        found.append(case_of(watched, reason, f"mark <= {watched.stop}", quote, f"since {since}"))
    target = watched.opened.exit_plan.target_price
    if shows_gain(watched.structure, watched.net) and watched.mark >= target:
        quote = f"quote {watched.net.bid} to {watched.net.ask}"
        found.append(case_of(watched, ExitReason.TARGET, f"mark >= {target}", quote))
    return found


def underlying_cases(
    watched: Watched,
    parameters: ParameterState,
    session: Session,
    quotes: Quotes,
    now: datetime,
) -> list[ExitCase]:
    """Rules on the underlying: noise area with VWAP, chandelier, a short strike, a daily close."""
    rule = watched.opened.exit_plan.invalidation
    found: list[ExitCase] = []
    if rule == DAILY_CLOSE_RULE and watched.closed_beyond:
        found.append(case_of(watched, ExitReason.INVALIDATED, rule, *watched.closed_beyond))
    if rule == NOISE_RULE and watched.invalidated:
        found.append(case_of(watched, ExitReason.INVALIDATED, rule, *watched.invalidated))
    if rule == NOISE_RULE and watched.chandelier_hit:
        limit = "two closes beyond"
        found.append(case_of(watched, ExitReason.TRAIL, limit, *watched.chandelier_hit))
    if rule == STRIKE_RULE or (
        rule == LAST_DAY_STRIKE_RULE and is_like_0dte(watched, parameters, session, now)
    ):
        found += _near_strike(watched, parameters, session, quotes, now)
    return found


def is_like_0dte(
    watched: Watched, parameters: ParameterState, session: Session, now: datetime
) -> bool:
    """The last hours of a position that was held over the night: the rules of a 0DTE hold then."""
    minutes = parameters.number("stop.last_day_before_close_min")
    is_last = watched.structure.expiry == session.session_date
    return is_last and now >= session.before_close(minutes=minutes)


def _near_strike(
    watched: Watched,
    parameters: ParameterState,
    session: Session,
    quotes: Quotes,
    now: datetime,
) -> list[ExitCase]:
    """S within a share of the remaining day's deviation of a short strike, or past it.

    Where that deviation is not known, a price at the strike or past it is near all the same.
    """
    price = quotes.underlying_price(watched.structure.symbol, now)
    if price is None:
        return []
    variance = remaining_variance(watched, session, now) or 0.0
    margin = parameters.number("stop.near_strike_sd") * price * math.sqrt(variance)
    for leg in watched.structure.legs:
        strike = float(leg.contract.strike)
        if leg.ratio > 0:
            continue
        call = leg.contract.right is Right.CALL
        if (call and price >= strike - margin) or (not call and price <= strike + margin):
            limit = f"{margin:.4f} of {leg.contract.strike}"
            return [case_of(watched, ExitReason.INVALIDATED, limit, f"underlying {price}")]
    return []


def forced_flat_at(watched: Watched, parameters: ParameterState, session: Session) -> datetime:
    """When forced flat begins: as planned, but never later than the session's own close allows.

    A plan may be weeks old, or of a day that became a half day: what expires today leaves before
    today's close, and the closing trade while its options still trade after the bell.
    """
    planned = watched.opened.exit_plan.forced_flat_at
    if watched.opened.strategy is Strategy.CLOSING:
        last = session.before_close(minutes=-parameters.number("stop.closing_flat_min"))
    elif watched.structure.expiry == session.session_date:
        last = session.before_close(minutes=parameters.number("stop.flat_before_close_min"))
    else:
        return planned
    return min(planned, last)


def time_stop_at(watched: Watched, parameters: ParameterState, session: Session) -> datetime:
    """As planned. What is held for weeks and is overdue, because its day became a holiday or went
    by without us, waits like any other day for the quotes after the open."""
    planned = watched.opened.exit_plan.time_stop_at
    if watched.opened.strategy is not Strategy.FOURTEEN_DTE or planned >= session.open_at:
        return planned
    return session.after_open(minutes=parameters.number("signals.14d.time_stop_min"))


def held_too_long(watched: Watched, session: Session, now: datetime) -> str:
    """What a human must be told: held when its options ended, or overnight against its rule."""
    expiry, today = watched.structure.expiry, session.session_date
    if expiry < today or (expiry == today and now >= session.close_at):
        return f"still held after the close of its last day, {expiry}"
    if watched.opened.strategy is Strategy.CLOSING and now >= session.day.options_close_at:
        return "the closing trade is still held when options stop trading"
    return ""


def time_cases(
    watched: Watched, parameters: ParameterState, session: Session, now: datetime
) -> list[ExitCase]:
    """Forced flat in its stages, and the time stop."""
    number = parameters.number
    found: list[ExitCase] = []
    flat_at = forced_flat_at(watched, parameters, session)
    if now >= flat_at:
        crossing = timedelta(minutes=number("stop.flat_crossing_min"))
        market = timedelta(minutes=number("stop.flat_market_min"))
        if watched.opened.strategy is Strategy.CLOSING:
            # The hard flat of the closing trade leaves five minutes of option trading.
            crossing, market = _CLOSING_STAGE, 2 * _CLOSING_STAGE
        profile = flat_profile(now, flat_at, crossing, market)
        limit = f"from {flat_at}"
        found.append(ExitCase(ExitReason.FORCED_FLAT, profile, limit, (f"at {now}",), watched.mark))
    due_at = time_stop_at(watched, parameters, session)
    if now >= due_at:
        found.append(case_of(watched, ExitReason.TIME, f"from {due_at}", f"at {now}"))
    return found


def wanted_stop(
    watched: Watched, parameters: ParameterState, session: Session, now: datetime
) -> tuple[Decimal, str] | None:
    """A stop above the present one, and why; None when it stays. A stop never falls."""
    entry = watched.result_price
    if entry is None:
        return None
    number = parameters.number
    found: list[tuple[Decimal, str]] = []
    if watched.best is not None and watched.spread is not None:
        plan = watched.opened.exit_plan
        rule = TrailRule(
            Decimal(repr(plan.trail_activation)),
            Decimal(repr(plan.trail_fraction)),
            Decimal(repr(number("stop.trail_spreads"))),
            Decimal(repr(number("stop.trail_floor"))),
        )
        trail = trailing_stop(watched.structure, entry, watched.best, watched.spread, rule)
        if trail is not None:
            found.append((trail, "trail"))
    late = session.after_open(minutes=number("stop.next_day_tighten_min"))
    if watched.is_expiry_day(session) and is_credit(watched.structure) and now >= late:
        multiple = Decimal(repr(number("stop.next_day_tighten_multiple")))
        found.append((tightened(entry, multiple), "tighten"))
    best = max(found, key=lambda pair: pair[0], default=None)
    return best if best is not None and best[0] > watched.stop else None
