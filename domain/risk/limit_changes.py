"""Changes of limits and parameters: what the operator may set, for how long, what comes back then.

Each changes by command and event only, with who, why and until, inside its bounds. Called by the
risk stage, which decides all of them; every stage folds the ParametersChanged that follows, and
uses it from its next evaluation on. Limits of risk have a command of their own: whoever may tune a
strategy loosens no limit by the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.events.parameters import ParametersChangeRequested
from domain.events.risk import LimitsChangeRequested
from domain.events.system import ParametersChanged
from domain.parameter import Parameter, ParameterState, ParameterValue
from domain.parameters import PARAMETERS
from domain.risk.parameters import PARAMETERS as LIMITS

CHANGES_MAX = 50
"""Values in one request."""
OTHER_PARAMETERS: Mapping[str, Parameter] = {
    name: parameter for name, parameter in PARAMETERS.items() if name not in LIMITS
}


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


def refusal_of(
    body: LimitsChangeRequested | ParametersChangeRequested, known: ParameterState, now: datetime
) -> str:
    """Why a change is not made; empty when it is."""
    if isinstance(body, LimitsChangeRequested):
        return _refusal(body, known, now, "limit", LIMITS)
    if body.expected_version != known.version:
        return (
            f"parameters must be those that were looked at, version {body.expected_version}, was"
            f" {known.version}: look at them again"
        )
    return _refusal(body, known, now, "parameter", OTHER_PARAMETERS)


def _refusal(
    body: LimitsChangeRequested | ParametersChangeRequested,
    known: ParameterState,
    now: datetime,
    noun: str,
    allowed: Mapping[str, Parameter],
) -> str:
    if not body.reason.strip():
        return f"a change of {noun}s must have a reason, was empty: say why"
    if not body.reauthenticated:
        return (
            f"a change of {noun}s must be confirmed by logging in again, was not: give the password"
        )
    if not 1 <= len(body.values) <= CHANGES_MAX:
        count = len(body.values)
        return f"a change must be of 1 to {CHANGES_MAX} {noun}s, was of {count}: split it"
    if body.until is not None and body.until <= now:
        was = body.until.isoformat()
        return f"until must be later than {now.isoformat()}, was {was}: name a later time"
    found = (
        _value_refusal(name, value, known, noun, allowed)
        for name, value in sorted(body.values.items())
    )
    return "; ".join(text for text in found if text)


def _value_refusal(
    name: str,
    value: ParameterValue,
    known: ParameterState,
    noun: str,
    allowed: Mapping[str, Parameter],
) -> str:
    parameter = allowed.get(name)
    if parameter is None or name not in known.values:
        return f"{noun} must be one of those on the page, was {name[:80]}: check its name"
    return parameter.check(value)
