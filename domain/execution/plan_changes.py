"""The operator's hand on how a position is left: another stop, target or time.

A stop only rises, as every stop does, and nothing may put off the forced flat. Asked by stops.py.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from domain.events.positions import ExitPlanChangeRequested
from domain.events.signals import ExitPlan
from domain.execution.watched import Watched
from domain.instruments import TICK


def changed_plan(watched: Watched, body: ExitPlanChangeRequested) -> ExitPlan:
    wanted = {
        "stop_price": body.stop_price,
        "target_price": body.target_price,
        "time_stop_at": body.time_stop_at,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    return watched.opened.exit_plan.model_copy(update=given)


def refusal_of(
    watched: Watched | None, body: ExitPlanChangeRequested, forced_flat_at: datetime | None
) -> str:
    """Why a change is not made; empty when it is."""
    if watched is None or not watched.is_held:
        return f"position {body.position_id[:80]} must be held, was not: see those on the page"
    if not body.reason.strip():
        return "a change of an exit plan must have a reason, was empty: say why"
    prices = [price for price in (body.stop_price, body.target_price) if price is not None]
    if not prices and body.time_stop_at is None:
        return "a change of an exit plan must name a price or a time, named none: name one"
    for price in prices:
        if price % TICK:
            return f"prices must be multiples of {TICK}, was {price}: round it"
    return _stop(watched, body.stop_price) or _target(watched, body) or _time(body, forced_flat_at)


def _stop(watched: Watched, stop: Decimal | None) -> str:
    if stop is None:
        return ""
    if stop <= watched.stop:
        return f"a stop must rise, stands at {watched.stop}, was {stop}: name a higher one"
    if watched.mark is not None and stop >= watched.mark:
        return f"a stop must be below the mark of {watched.mark}, was {stop}: close it instead"
    return ""


def _target(watched: Watched, body: ExitPlanChangeRequested) -> str:
    stop = watched.stop if body.stop_price is None else body.stop_price
    target = watched.opened.exit_plan.target_price
    target = target if body.target_price is None else body.target_price
    if target > stop:
        return ""
    return (
        f"a target must be above the stop of {stop}, was {target}: name a higher one, or close it"
    )


def _time(body: ExitPlanChangeRequested, forced_flat_at: datetime | None) -> str:
    at = body.time_stop_at
    if at is None or forced_flat_at is None or at <= forced_flat_at:
        return ""
    return (
        f"a time stop must not be later than forced flat at {forced_flat_at}, was {at}: name an"
        " earlier one"
    )
