"""The American check of legs that are held (1.6): what early exercise does to their delta.

Asked by market.py with each evaluated chain. A check costs 0.6 milliseconds, 3 with a dividend
before expiry, and the trader decides on the same processor: each leg is checked once a minute, two
at most with one chain, the longest unchecked first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from domain.events.analytics import ChainEvaluated
from domain.pricing.american import DELTA_DIFFERENCE_USED, american_check
from domain.pricing.dividends import Dividend

CHECK_EVERY = timedelta(seconds=60)
CHECKS_PER_CHAIN_MAX = 2


@dataclass(frozen=True, slots=True)
class EarlyExercise:
    """`premium` in dollars a share; `delta_gap` is what the American delta has over the European,
    0 while they are as good as equal."""

    premium: float
    delta_gap: float
    at: datetime


def checks_due(
    body: ChainEvaluated,
    held: frozenset[int],
    known: Mapping[int, EarlyExercise],
    session_date: date,
) -> dict[int, EarlyExercise]:
    """New checks of held legs of this chain; none on the day of expiry."""
    days = (body.expiry - session_date).days
    if days <= 0 or not body.years > 0:
        return {}
    found: list[tuple[datetime, int]] = []
    for index, con_id in enumerate(body.con_id):
        if con_id not in held or not body.implied_volatility[index] or body.delta[index] is None:
            continue
        before = known.get(con_id)
        if before is None or body.evaluated_at - before.at >= CHECK_EVERY:
            found.append(
                (datetime.min if before is None else before.at.replace(tzinfo=None), index)
            )
    dividends = [Dividend(d.ex_date, d.amount, estimated=False) for d in body.dividends]
    return {
        body.con_id[index]: _check(body, index, days, dividends, session_date)
        for _, index in sorted(found)[:CHECKS_PER_CHAIN_MAX]
    }


def _check(
    body: ChainEvaluated, index: int, days: int, dividends: list[Dividend], session_date: date
) -> EarlyExercise:
    volatility, delta = body.implied_volatility[index], body.delta[index]
    assert volatility is not None and delta is not None
    found = american_check(
        body.spot,
        body.strike[index],
        body.rate,
        # QuantLib counts whole days: so scaled the total variance is right.
        volatility * math.sqrt(365 * body.years / days),
        session_date,
        body.expiry,
        dividends,
        is_call=body.right[index] == "C",
    )
    gap = found.delta_american - delta
    used = gap if abs(gap) > DELTA_DIFFERENCE_USED else 0.0
    return EarlyExercise(found.early_exercise_premium, used, body.evaluated_at)
