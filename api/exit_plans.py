"""The operator's hand on a position's exit: another stop, target or time. The desk decides it."""

from __future__ import annotations

from starlette.responses import Response

from api.control_models import ExitPlanBody
from api.controls import ROUTE, ask_desk
from api.decision import PLAN
from api.dispatch import Call
from api.errors import not_found
from domain.events.positions import ExitPlanChangeRequested


async def change_exit_plan(call: Call) -> Response:
    position_id = call.request.path_params["position_id"]
    fold = await call.desk.tables.fold()
    if position_id not in fold.positions:
        raise not_found("position id", f"position {position_id[:80]} must be on the log, was not")
    body = call.sent(ExitPlanBody)
    request = ExitPlanChangeRequested(
        position_id=position_id,
        stop_price=body.stop_price,
        target_price=body.target_price,
        time_stop_at=body.time_stop_at,
        who=call.who,
        route=ROUTE,
        reason=body.reason,
    )
    return await ask_desk(call, request, PLAN)
