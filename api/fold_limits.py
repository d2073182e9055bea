"""Limits of risk and parameters in force, and what was measured against each limit.

Called through the table in api/desk_fold.py. Pure. Uses are those of the newest decision that
measured them, with its entry counted: the page says when that was.
"""

from __future__ import annotations

from api.fold_state import DeskFold, Row, at
from domain.event import Recorded
from domain.events.risk import RiskDecided
from domain.events.system import ParametersChanged
from domain.instruments import Strategy
from domain.parameter import Parameter
from domain.parameters import PARAMETERS as ALL_PARAMETERS
from domain.risk.codes import DenialCode
from domain.risk.parameters import PARAMETERS

_C = DenialCode
_CODES = {
    "limit.position": _C.LIMIT_POSITION,
    "limit.symbol": _C.LIMIT_SYMBOL,
    "limit.expiry": _C.LIMIT_EXPIRY,
    "limit.expiry_today": _C.LIMIT_EXPIRY,
    "limit.direction": _C.LIMIT_DIRECTION,
    "limit.total": _C.LIMIT_TOTAL,
    "limit.positions_total": _C.POSITIONS_TOTAL,
    "limit.positions_symbol": _C.POSITIONS_SYMBOL,
    "limit.positions_bucket": _C.POSITIONS_BUCKET,
    "limit.contracts_order": _C.CONTRACTS_ORDER,
    "limit.contracts_leg": _C.CONTRACTS_LEG,
    "greek.delta": _C.GREEK_DELTA,
    "greek.gamma_long": _C.GREEK_GAMMA,
    "greek.gamma_short": _C.GREEK_GAMMA,
    "greek.vega": _C.GREEK_VEGA,
    "greek.theta": _C.GREEK_THETA,
    "scenario.near": _C.SCENARIO_NEAR,
    "scenario.full": _C.SCENARIO_FULL,
    "loss.soft_day": _C.LOSS_SOFT,
    "loss.hard_day": _C.LOSS_HARD,
    "loss.bucket_day": _C.LOSS_BUCKET,
    "loss.drawdown": _C.DRAWDOWN,
    "loss.streak": _C.LOSS_STREAK,
    "margin.excess_share": _C.MARGIN_EXCESS,
    "margin.mismatch_share": _C.MARGIN_MISMATCH,
}
CHECK_OF: dict[str, str] = {
    **{f"risk.{name}": code.value for name, code in _CODES.items()},
    **{
        f"risk.limit.bucket.{bucket.value}": f"{_C.LIMIT_BUCKET.value} {bucket.value}"
        for bucket in Strategy
    },
}
"""The check that measures against a limit, by the limit's name."""


def changed(fold: DeskFold, event: Recorded, body: ParametersChanged) -> None:
    about = {
        "who": body.who,
        "why": body.why,
        "until": None if body.until is None else at(body.until),
        "since": at(event.market_time),
        "event_id": str(event.event_id),
    }
    fold.parameters_version = body.version
    for name, value in body.values.items():
        if name in PARAMETERS:
            fold.limits[name] = {"value": value, **about}
        elif name in ALL_PARAMETERS:
            fold.parameters[name] = {"value": value, **about}


def measured(fold: DeskFold, event: Recorded, body: RiskDecided) -> None:
    for check in body.checks:
        row = {
            "value": check.value,
            "limit": check.limit,
            "result": check.result.value,
            "input": check.input,
            "as_of": at(event.market_time),
            "event_id": str(event.event_id),
        }
        fold.checks[check.code] = row
        fold.checks[f"{check.code} {body.strategy.value}"] = row


def rows(fold: DeskFold) -> list[Row]:
    """Every limit of this build; one that the log lacks has no value."""
    return [
        _described(parameter)
        | fold.limits.get(name, {})
        | {"use": fold.checks.get(CHECK_OF.get(name, ""))}
        for name, parameter in sorted(PARAMETERS.items())
    ]


def parameter_rows(fold: DeskFold) -> list[Row]:
    """Every parameter of this build that is no limit of risk."""
    return [
        _described(parameter) | fold.parameters.get(name, {})
        for name, parameter in sorted(ALL_PARAMETERS.items())
        if name not in PARAMETERS
    ]


def not_as_shipped(fold: DeskFold) -> list[Row]:
    """Limits that are not at the value that this build ships, with who, why and until."""
    return [
        {"name": name, "default": PARAMETERS[name].default, **row}
        for name, row in sorted(fold.limits.items())
        if row["value"] != PARAMETERS[name].default
    ]


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
