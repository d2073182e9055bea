"""The operator changes how an open position is left: stop, target, time stop.

Called by stops.py. A stop may only rise, as every stop here: the position was sized with it. The
forced flat is a rule of the desk and not the operator's; closing at once is TradeCancelRequested.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from domain.event import Recorded
from domain.events.controls import ControlRefused
from domain.events.positions import ExitPlanChanged, ExitPlanChangeRequested, StopMoved
from domain.execution.watched import Watched
from domain.instruments import TICK
from domain.stage import Emission

KIND = "operator"


def answer(
    watched: Watched | None, event: Recorded, body: ExitPlanChangeRequested
) -> Sequence[Emission]:
    """The changed plan, or ControlRefused with what is wrong with it."""
    refusal = _refusal(watched, body, event.market_time)
    if refusal or watched is None:
        refused = ControlRefused(request_id=str(event.event_id), who=body.who, reason=refusal)
        return [Emission("control", refused)]
    wanted = {
        "stop_price": body.stop_price,
        "target_price": body.target_price,
        "time_stop_at": body.time_stop_at,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    changed = ExitPlanChanged(
        position_id=body.position_id,
        exit_plan=watched.opened.exit_plan.model_copy(update=given),
        who=body.who,
        reason=body.reason,
    )
    emitted = [Emission(f"plan/{body.position_id}", changed, watched.correlation_id)]
    if body.stop_price is not None and body.stop_price != watched.stop:
        moved = StopMoved(
            position_id=body.position_id,
            stop_price=body.stop_price,
            previous_stop_price=watched.stop,
            high_water_mark=watched.best if watched.best is not None else Decimal(0),
            kind=KIND,
        )
        emitted.append(Emission(f"stop/{body.position_id}", moved, watched.correlation_id))
    return emitted


def _refusal(watched: Watched | None, body: ExitPlanChangeRequested, now: datetime) -> str:
    if watched is None or not watched.is_held:
        return f"position {body.position_id} must be held, was not"
    if not body.reason.strip():
        return "a change must have a reason, was empty"
    plan = watched.opened.exit_plan
    stop = watched.stop if body.stop_price is None else body.stop_price
    target = plan.target_price if body.target_price is None else body.target_price
    if body.stop_price is None and body.target_price is None and body.time_stop_at is None:
        return "a stop, a target or a time must be given, was none"
    for name, price in (("stop", body.stop_price), ("target", body.target_price)):
        if price is not None and price % TICK:
            return f"{name} must be in whole ticks of {TICK}, was {price}"
    if stop < watched.stop:
        return f"stop must be at least {watched.stop}, where it is, was {stop}"
    if stop >= target:
        return f"stop must be below the target {target}, was {stop}"
    time_stop = body.time_stop_at
    if time_stop is not None and not now < time_stop <= plan.forced_flat_at:
        return f"time stop must be after {now} and by {plan.forced_flat_at}, was {time_stop}"
    return ""


def fold(watched: Watched, body: ExitPlanChanged) -> None:
    """From now on the position is left by this plan."""
    watched.opened = watched.opened.model_copy(update={"exit_plan": body.exit_plan})
