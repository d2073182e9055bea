"""The limits of risk: what is in force, since when and by whom, and the command that changes one.

A change needs the password again. The desk decides it: out of bounds is refused, and one with
`until` comes back by itself.
"""

from __future__ import annotations

from starlette.responses import Response

from api.access import check_password
from api.control_models import LimitsBody
from api.controls import ROUTE, ask_desk
from api.dispatch import Call, json_answer
from api.fold_state import Row, at
from domain.events.risk import LimitsChangeRequested
from domain.events.system import PARAMETERS_STREAM, ParametersChanged
from domain.parameter import Parameter
from domain.risk.parameters import PARAMETERS
from store.contract import EventStore

CHANGED = frozenset({ParametersChanged.__name__})


async def limits(call: Call) -> Response:
    rows = await _in_force(call.desk.store)
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


async def _in_force(store: EventStore) -> list[Row]:
    """Every limit of this build; one that the log lacks has no value."""
    rows = {name: _described(parameter) for name, parameter in sorted(PARAMETERS.items())}
    for event in await store.read_stream(PARAMETERS_STREAM, 0):
        body = event.body
        assert isinstance(body, ParametersChanged)
        about = {
            "who": body.who,
            "why": body.why,
            "until": None if body.until is None else at(body.until),
            "since": at(event.market_time),
            "event_id": str(event.event_id),
        }
        for name, value in body.values.items():
            if name in rows:
                rows[name] |= {"value": value, **about}
    return list(rows.values())


def _described(parameter: Parameter) -> Row:
    return {
        "name": parameter.name,
        "value": None,
        "default": parameter.default,
        "unit": parameter.unit,
        "low": parameter.low,
        "high": parameter.high,
        "choices": list(parameter.choices),
        "source": parameter.source,
        "who": None,
        "why": None,
        "until": None,
        "since": None,
        "event_id": None,
    }
