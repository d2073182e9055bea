"""What only the operator can know: whose an unexplained holding is, and that money came or went.

Both need the password again, a reason and evidence. The desk decides them.
"""

from __future__ import annotations

from starlette.responses import Response

from api.access import check_password
from api.control_models import AdjustmentBody, CashFlowBody
from api.controls import ROUTE, ask_desk
from api.decision import ADJUSTED, CASH
from api.dispatch import Call
from domain.events.positions import AdjustmentRequested
from domain.events.risk import CashFlowRequested


async def adjust_position(call: Call) -> Response:
    body = call.sent(AdjustmentBody)
    await check_password(call, call.who, body.password)
    request = AdjustmentRequested(
        con_id=body.con_id,
        quantity=body.quantity,
        position_id=body.position_id,
        price=body.price,
        evidence=body.evidence,
        who=call.who,
        route=ROUTE,
        reason=body.reason,
        reauthenticated=True,
    )
    return await ask_desk(call, request, ADJUSTED)


async def record_cash_flow(call: Call) -> Response:
    body = call.sent(CashFlowBody)
    await check_password(call, call.who, body.password)
    request = CashFlowRequested(
        amount=body.amount,
        evidence=body.evidence,
        who=call.who,
        route=ROUTE,
        reason=body.reason,
        reauthenticated=True,
    )
    return await ask_desk(call, request, CASH)
