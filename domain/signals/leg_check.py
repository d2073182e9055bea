"""The American check of a leg that is to be traded: what early exercise is worth, and which delta.

Called for the gate that compares deltas with the broker's, whose model exercises early too, and for
the event of a valid signal.
"""

from __future__ import annotations

import math
from datetime import date

from domain.instruments import Right
from domain.pricing.american import DELTA_DIFFERENCE_USED, american_check
from domain.pricing.dividends import Dividend
from domain.signals.reading import Chain, ChainRow
from domain.signals.score import rounded


def early_exercise(row: ChainRow, chain: Chain, session_date: date) -> tuple[float, float]:
    """What early exercise is worth, dollars a share, and the delta to go by. Nothing on the day of
    expiry.

    QuantLib counts whole days: the volatility is scaled so that the total variance is right.
    """
    assert row.volatility is not None and row.delta is not None
    days = (chain.expiry - session_date).days
    if days <= 0:
        return 0.0, row.delta
    check = american_check(
        chain.spot,
        float(row.strike),
        chain.rate,
        row.volatility * math.sqrt(365 * chain.years / days),
        session_date,
        chain.expiry,
        [Dividend(d.ex_date, d.amount, estimated=False) for d in chain.dividends],
        is_call=row.right is Right.CALL,
    )
    apart = abs(check.delta_american - row.delta) > DELTA_DIFFERENCE_USED
    delta = rounded(check.delta_american) if apart else row.delta
    return rounded(check.early_exercise_premium), delta
