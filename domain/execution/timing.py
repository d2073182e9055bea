"""Whether an entry waits at its step, because its structure is seen to get cheaper (rules, 6.3).

P1's drift over 10 s times the structure's delta; only while P1 has shown skill. Called by
entries.py; exits never wait for a forecast.
"""

from __future__ import annotations

from datetime import timedelta

from domain.events.forecasts import DriftPredicted
from domain.events.timing import EntryWaited
from domain.execution.desk import Desk, Trade
from domain.execution.ladder import Ladder, Profile
from domain.execution.order_book import Order
from domain.execution.quotes import Quotes
from domain.instruments import Structure

HORIZON = timedelta(seconds=10)


def waits(desk: Desk, trade: Trade, order: Order, steps: Ladder, dwell: timedelta) -> bool:
    """Whether an entry whose dwell is over stays where it is, for one dwell more at most.

    The first time at each price that is recorded.
    """
    until = order.priced_at + 2 * dwell
    drift = desk.drifts.get(trade.symbol)
    if steps.profile is Profile.URGENT or drift is None or desk.now >= until:
        return False
    ticks = forecast_ticks(drift) if desk.now - drift.made_at < HORIZON else None
    delta = structure_delta(desk.quotes, trade.structure)
    if ticks is None or delta is None:
        return False
    expected = ticks * delta
    # Bought at most at this price: falling is in our favour. A delta that is no number never is.
    if not expected <= -desk.parameters.number("execution.wait_ticks"):
        return False
    if order.waited_revision != order.revision and desk.claim(f"wait:{order.ref}"):
        body = EntryWaited(
            order_ref=order.ref,
            position_id=trade.position_id,
            signal_id=trade.signal_id,
            ladder_step=order.ladder_step,
            until=until,
            forecast_at=drift.made_at,
            underlying_ticks=ticks,
            delta=delta,
            expected_ticks=expected,
            reason=f"P1 sees {expected:+.2f} ticks in {HORIZON.seconds} s",
        )
        desk.emit(f"order/{order.ref}", body, order.correlation_id)
    return True


def forecast_ticks(drift: DriftPredicted) -> float | None:
    """The move of the underlying over the horizon; None while the model has not shown skill."""
    proven = dict(zip(drift.horizons_seconds, drift.proven, strict=False))
    if not proven.get(HORIZON.seconds, False):
        return None
    return drift.ticks[drift.horizons_seconds.index(HORIZON.seconds)]


def structure_delta(quotes: Quotes, structure: Structure) -> float | None:
    """Of one unit, as bought; None while a leg has none."""
    total = 0.0
    for leg in structure.legs:
        line = quotes.lines.get(leg.contract.con_id)
        if line is None or line.delta is None:
            return None
        total += leg.ratio * line.delta
    return total
