"""The entry row of a bucket as a gate: conditions under which a candidate arises and lives.

Called at every evaluation point; a condition whose input is missing does not hold.
"""

from __future__ import annotations

from domain.events.signals import Gate
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.signals.case import Case, Condition, gate


def at_most(name: str, value: float | None, limit: float) -> Condition:
    return Condition(name, None if value is None else value <= limit, f"{name} {value}")


def at_least(name: str, value: float | None, limit: float) -> Condition:
    return Condition(name, None if value is None else value >= limit, f"{name} {value}")


def conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    return case.bucket.rules.conditions(case, parameters)


def entry_gate(case: Case, parameters: ParameterState) -> Gate:
    found = conditions(case, parameters)
    unknown = [c.name for c in found if c.holds is None]
    holds: bool | None = all(c.holds for c in found)
    if unknown and not any(c.holds is False for c in found):
        holds = None
    return gate(
        DenialCode.ENTRY_SCORE,
        holds,
        "; ".join(c.measured for c in found),
        case.bucket.rules.threshold_text(case.variant, parameters),
        f"missing: {', '.join(unknown)}" if unknown else "",
    )


def conditions_hold(case: Case, parameters: ParameterState) -> bool:
    return all(c.holds is True for c in conditions(case, parameters))
