"""Short legs that their holders may exercise tonight, or that are pinned on their last day (1.6).

Asked by stops.py at clock ticks. What may be exercised tonight is to be gone half an hour before
the close, so its exit begins some minutes earlier; a leg that is pinned is left from that half hour
on. A leg in the money whose time value nobody can tell counts as one without any where a dividend
is at stake.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from domain.events.positions import ExitReason
from domain.execution.exit_cases import case_of
from domain.execution.exit_rules import ExitCase
from domain.execution.quotes import QuoteLimits, Quotes
from domain.execution.watched import Watched
from domain.instruments import OptionContract, Right
from domain.parameter import ParameterState
from domain.pricing.american import american_check
from domain.pricing.black_scholes import prices
from domain.pricing.dividends import Dividend
from domain.pricing.rates import DEFAULT_RATE, RateCurve, rate_at
from domain.session import YEAR_SECONDS, Session


def assignment_cases(
    watched: Watched,
    parameters: ParameterState,
    session: Session,
    quotes: Quotes,
    dividends: Mapping[date, float],
    rates: RateCurve | None,
    now: datetime,
) -> list[ExitCase]:
    """The first short leg that is better left today; `dividends` are those of the underlying."""
    minutes = parameters.number("stop.assignment_before_close_min")
    ahead = parameters.number("stop.assignment_ahead_min")
    price = quotes.underlying_price(watched.structure.symbol, now)
    if price is None or now < session.before_close(minutes=minutes + ahead):
        return []
    band = parameters.number("stop.pin_band")
    is_new = watched.exit is None or watched.exit.reason is not ExitReason.ASSIGNMENT_GUARD
    for leg in watched.structure.legs:
        contract = leg.contract
        if leg.ratio > 0 or not watched.legs.get(contract.con_id, -1):
            continue
        strike = float(contract.strike)
        if contract.expiry == session.session_date:
            is_late = now >= session.before_close(minutes=minutes)
            if is_late and abs(price / strike - 1) < band:
                return [_guard(watched, f"{band} of {strike}", f"at {price}")]
            continue
        extrinsic = _extrinsic(contract, parameters, quotes, price, now)
        if contract.right is Right.CALL:
            gain = _dividend_tomorrow(session, dividends) if price > strike else None
        else:
            gain = _interest(watched, contract, parameters, session, quotes, dividends, rates, now)
        if gain is None or (extrinsic is None and contract.right is Right.PUT):
            continue
        if extrinsic is None or extrinsic < gain:
            told = "unknown: no fresh quote" if extrinsic is None else f"{extrinsic:.4f}"
            limit = "extrinsic < dividend" if contract.right is Right.CALL else "extrinsic < carry"
            evidence = [f"extrinsic {told}, {gain:.4f} by exercise"]
            if is_new:
                evidence += _early_exercise(
                    watched, contract, parameters, session, quotes, dividends, rates, now
                )
            return [_guard(watched, limit, *evidence)]
    return []


def _guard(watched: Watched, threshold: str, *evidence: str) -> ExitCase:
    return case_of(watched, ExitReason.ASSIGNMENT_GUARD, threshold, *evidence)


def _early_exercise(
    watched: Watched,
    contract: OptionContract,
    parameters: ParameterState,
    session: Session,
    quotes: Quotes,
    dividends: Mapping[date, float],
    rates: RateCurve | None,
    now: datetime,
) -> list[str]:
    """What the American check says of the leg, for the record; the rule decides without it."""
    price, volatility = (
        quotes.underlying_price(contract.symbol, now),
        _volatility(watched, contract, quotes),
    )
    default, closing = parameters.values.get(DEFAULT_RATE), session.closing(contract.expiry)
    if price is None or closing is None or not volatility:
        return []
    if isinstance(default, bool) or not isinstance(default, int | float):
        return []
    years = (closing - now).total_seconds() / YEAR_SECONDS
    days = (contract.expiry - session.session_date).days
    check = american_check(
        price,
        float(contract.strike),
        rate_at(rates, default, years),
        volatility * math.sqrt(365 * years / days),
        session.session_date,
        contract.expiry,
        [Dividend(day, amount, estimated=False) for day, amount in sorted(dividends.items())],
        is_call=contract.right is Right.CALL,
    )
    return [f"early exercise is worth {check.early_exercise_premium:.4f}"]


def _extrinsic(
    contract: OptionContract,
    parameters: ParameterState,
    quotes: Quotes,
    price: float,
    now: datetime,
) -> float | None:
    """Mid less intrinsic value; None without a two-sided quote that is young enough for a mark."""
    line = quotes.lines.get(contract.con_id)
    limits = QuoteLimits.read(parameters)
    age = quotes.line_age(contract.con_id, contract.symbol, now, limits)
    if line is None or line.bid is None or line.ask is None or age is None:
        return None
    if age > parameters.number("stop.mark_quote_age_s"):
        return None
    inside = Decimal(repr(price)) - contract.strike
    intrinsic = max(Decimal(0), inside if contract.right is Right.CALL else -inside)
    return float((line.bid + line.ask) / 2 - intrinsic)


def _dividend_tomorrow(session: Session, dividends: Mapping[date, float]) -> float | None:
    later = session.plan.later
    return dividends.get(later[0].session_date) if later else None


def _interest(
    watched: Watched,
    contract: OptionContract,
    parameters: ParameterState,
    session: Session,
    quotes: Quotes,
    dividends: Mapping[date, float],
    rates: RateCurve | None,
    now: datetime,
) -> float | None:
    """What the holder of a put in the money gains by its exercise now: interest on the strike
    until expiry, less the call that is given up with it. None where that cannot be told."""
    price = quotes.underlying_price(contract.symbol, now)
    default, closing = parameters.values.get(DEFAULT_RATE), session.closing(contract.expiry)
    volatility = _volatility(watched, contract, quotes)
    strike = float(contract.strike)
    if price is None or price >= strike or closing is None or volatility is None:
        return None
    if isinstance(default, bool) or not isinstance(default, int | float):
        return None
    years = (closing - now).total_seconds() / YEAR_SECONDS
    rate = rate_at(rates, default, years)
    today = session.session_date
    paid = sum(v for day, v in dividends.items() if today < day <= contract.expiry)
    call = prices(max(1e-6, price - paid), strike, years, rate, volatility, 1.0)
    return strike * (1 - math.exp(-rate * years)) - float(call[0])


def _volatility(watched: Watched, contract: OptionContract, quotes: Quotes) -> float | None:
    """The broker's of now, else that at the entry."""
    line = quotes.lines.get(contract.con_id)
    if line is not None and line.implied_volatility:
        return line.implied_volatility
    return watched.volatilities.get(contract.con_id)
