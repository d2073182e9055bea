"""The limits of risk and the parameters of the rules: what is in force, since when, by whom and how
far used, and the commands that change one.

A change needs the password again. The desk decides it: out of bounds is refused, and one with
`until` comes back by itself.
"""

from __future__ import annotations

from starlette.responses import Response

from api import fold_limits
from api.access import check_password
from api.control_models import LimitsBody, ParametersBody
from api.controls import ROUTE, ask_desk
from api.dispatch import Call, json_answer
from domain.events.parameters import ParametersChangeRequested
from domain.events.risk import LimitsChangeRequested
from domain.events.system import ParametersChanged

CHANGED = frozenset({ParametersChanged.__name__})


async def limits(call: Call) -> Response:
    rows = fold_limits.rows(await call.desk.tables.fold())
    return json_answer({"rows": rows, "count": len(rows)})


async def change_limits(call: Call) -> Response:
    body = call.sent(LimitsBody)
    await check_password(call, call.who, body.password)
    request = LimitsChangeRequested(
        values=body.values,
        who=call.who,
        route=ROUTE,
        reason=body.reason,
        reauthenticated=True,
        until=body.until,
    )
    return await ask_desk(call, request, CHANGED)


async def parameters(call: Call) -> Response:
    fold = await call.desk.tables.fold()
    rows = fold_limits.parameter_rows(fold)
    return json_answer({"rows": rows, "count": len(rows), "version": fold.parameters_version})


async def change_parameters(call: Call) -> Response:
    """Refused by the desk when others than those of `expected_version` hold by now."""
    body = call.sent(ParametersBody)
    await check_password(call, call.who, body.password)
    request = ParametersChangeRequested(
        values=body.values,
        expected_version=body.expected_version,
        who=call.who,
        route=ROUTE,
        reason=body.reason,
        reauthenticated=True,
        until=body.until,
    )
    return await ask_desk(call, request, CHANGED)
