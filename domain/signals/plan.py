"""Target, stop, cost, expected value and the exit plan of a chosen structure (rules, 4.3).

Called once a structure is chosen. Dollars a unit for the odds, dollars a share for the plan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.events.signals import ExitPlan
from domain.instruments import MULTIPLIER
from domain.numbers import cents
from domain.parameter import ParameterState
from domain.risk.max_loss import structure_width
from domain.session import Session
from domain.signals.bucket import Bucket, Variant
from domain.signals.score import logistic, rounded
from domain.signals.slippage import Slippage
from domain.signals.structure import Choice

TREND_RULE = "noise_area_and_vwap"
RANGE_RULE = "near_short_strike"
LAST_DAY_RANGE_RULE = "near_short_strike_on_the_last_day"
DAILY_CLOSE_RULE = "daily_close_beyond_short_strike"
"""Names of the rules on the underlying, as domain/execution knows them."""
NEAR_RULES = frozenset({RANGE_RULE, LAST_DAY_RANGE_RULE})


@dataclass(frozen=True, slots=True)
class Odds:
    """What may be gained and lost a unit, gross, and what it costs to find out. Dollars."""

    target_usd: float
    stop_usd: float
    cost_usd: float
    budget: Decimal
    """Slippage budget a share: how far the entry may be paid beyond its mid."""
    slippage: float
    """A share each way, of which the cost is made: as measured, else the budget."""
    slippage_fills: int
    """Fills that it was measured on; 0 while the budget stands for it."""

    @property
    def fair_log_odds(self) -> float:
        """In a fair game the target comes before the stop with odds stop : target."""
        return math.log(self.stop_usd / self.target_usd)

    def p_win(self, edge: float) -> float:
        return rounded(logistic(self.fair_log_odds + edge))

    def expected_value(self, p_win: float) -> float:
        return rounded(p_win * self.target_usd - (1 - p_win) * self.stop_usd - self.cost_usd)


def slippage_budget(choice: Choice, parameters: ParameterState) -> Decimal:
    """max(0.01, min(half the spread, 5 % of the mid)), dollars a share."""
    number = parameters.number
    by_spread = Decimal(repr(number("signals.budget_spread_share"))) * choice.spread
    by_mid = Decimal(repr(number("signals.budget_mid_share"))) * abs(choice.net_mid)
    least = Decimal(repr(number("signals.budget_min_usd")))
    return max(least, min(by_spread, by_mid))


def debit_target_and_stop(
    choice: Choice, target_debit: float, target_profit: float | None, stop_debit: float
) -> tuple[Decimal, Decimal]:
    """A gain in shares of the debit, or of the greatest profit when that is the smaller."""
    mid = choice.net_mid
    gain = Decimal(repr(target_debit)) * mid
    width = structure_width(choice.structure)
    if width is not None and target_profit is not None:
        gain = min(gain, Decimal(repr(target_profit)) * (width - mid))
    return mid + gain, mid - Decimal(repr(stop_debit)) * mid


def credit_target_and_stop(
    choice: Choice, target_credit: float, stop_cost: float
) -> tuple[Decimal, Decimal]:
    """A share of the credit gained; the cost to close at a multiple of the credit."""
    mid = choice.net_mid
    credit = -mid
    return mid + Decimal(repr(target_credit)) * credit, -(Decimal(repr(stop_cost)) * credit)


def odds(
    choice: Choice,
    bucket: Bucket,
    variant: Variant,
    parameters: ParameterState,
    realised: Slippage,
) -> Odds:
    """W and Ls at the planned target and stop; cost with slippage both ways, as fills measured it
    or, before there are enough of them, as the budget allows."""
    number = parameters.number
    target, stop = bucket.rules.target_and_stop(choice, variant, parameters)
    budget = slippage_budget(choice, parameters)
    measured = realised.measured
    slippage = float(budget) if measured is None else measured
    per_contract = number("risk.fees.commission_usd") + number("risk.fees.exchange_usd")
    commissions = 2 * len(choice.structure.legs) * per_contract
    return Odds(
        target_usd=rounded(float((target - choice.net_mid) * MULTIPLIER)),
        stop_usd=rounded(float((choice.net_mid - stop) * MULTIPLIER)),
        cost_usd=rounded(commissions + 2 * MULTIPLIER * slippage),
        budget=budget,
        slippage=rounded(slippage),
        slippage_fills=0 if measured is None else realised.fills,
    )


def exit_plan(
    choice: Choice,
    bucket: Bucket,
    variant: Variant,
    session: Session,
    now: datetime,
    parameters: ParameterState,
) -> ExitPlan:
    """Prices, times from the session, and the rule on the underlying."""
    target, stop = bucket.rules.target_and_stop(choice, variant, parameters)
    expiry = choice.structure.expiry
    times = bucket.rules.exit_times(variant, session, now, expiry, parameters)
    return ExitPlan(
        target_price=cents(target),
        stop_price=cents(stop),
        time_stop_at=min(times.time_stop_at, times.forced_flat_at),
        forced_flat_at=times.forced_flat_at,
        trail_activation=parameters.number(bucket.of(variant, "trail_activation")),
        invalidation=bucket.invalidations.get(variant, ""),
    )
