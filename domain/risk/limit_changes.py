"""Changes of limits: what the operator may set, for how long, and what comes back afterwards.

A limit changes by command and event only, with who, why and until. Called by the risk stage,
which owns the limits; every other stage folds the ParametersChanged that follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.events.risk import LimitsChangeRequested
from domain.events.system import ParametersChanged
from domain.parameter import ParameterState, ParameterValue
from domain.risk.parameters import PARAMETERS

CHANGES_MAX = 50
"""Limits in one request."""


@dataclass(frozen=True, slots=True)
class Passing:
    """A value that holds until a time, with the one that held before it."""

    until: datetime
    before: ParameterValue


@dataclass(slots=True)
class LimitChanges:
    passing: dict[str, Passing] = field(default_factory=dict)

    def changed(self, body: ParametersChanged, known: ParameterState) -> None:
        """`known` as it is before the change. A change for good ends an earlier passing one."""
        for name in body.values:
            earlier = self.passing.pop(name, None)
            if body.until is not None and name in known.values:
                before = known.values[name] if earlier is None else earlier.before
                self.passing[name] = Passing(body.until, before)

    def over(self, now: datetime) -> dict[str, ParameterValue]:
        """Values that come back now."""
        return {name: held.before for name, held in self.passing.items() if now >= held.until}


def refusal_of(body: LimitsChangeRequested, known: ParameterState, now: datetime) -> str:
    """Why a change is not made; empty when it is."""
    if not body.reason.strip():
        return "a change of limits must have a reason, was empty: say why"
    if not body.reauthenticated:
        return (
            "a change of limits must be confirmed by logging in again, was not: give the password"
        )
    if not 1 <= len(body.values) <= CHANGES_MAX:
        return f"a change must be of 1 to {CHANGES_MAX} limits, was of {len(body.values)}: split it"
    if body.until is not None and body.until <= now:
        was = body.until.isoformat()
        return f"until must be later than {now.isoformat()}, was {was}: name a later time"
    found = (_refusal(name, value, known) for name, value in sorted(body.values.items()))
    return "; ".join(text for text in found if text)


def _refusal(name: str, value: ParameterValue, known: ParameterState) -> str:
    parameter = PARAMETERS.get(name)
    if parameter is None or name not in known.values:
        return f"limit must be one of those on the page, was {name[:80]}: check its name"
    return parameter.check(value)
