"""Every parameter of the rules, joined from the parts of the domain.

The first start writes the shipped defaults that the log lacks; changes are checked against the
bounds given here. No rule reads a default from here at decision time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import domain.analytics.parameters
import domain.commentary.parameters
import domain.distribution.parameters
import domain.execution.parameters
import domain.forecasts.parameters
import domain.risk.parameters
import domain.signals.parameters
from domain.parameter import Parameter, ParameterValue

Listing = Mapping[str, Parameter] | Sequence[Parameter]


def join(listings: Iterable[Listing]) -> dict[str, Parameter]:
    """All parameters by name.

    Raises:
        ValueError: two parts claim one name, or a default is outside its own bounds.
    """
    joined: dict[str, Parameter] = {}
    for listing in listings:
        for parameter in listing.values() if isinstance(listing, Mapping) else listing:
            if parameter.name in joined:
                raise ValueError(f"parameter name must be unique, was twice {parameter.name}")
            refusal = parameter.check(parameter.default)
            if refusal:
                raise ValueError(f"default must be allowed: {refusal}")
            joined[parameter.name] = parameter
    return joined


PARAMETERS: Mapping[str, Parameter] = join(
    (
        domain.analytics.parameters.PARAMETERS,
        domain.forecasts.parameters.PARAMETERS,
        domain.signals.parameters.PARAMETERS,
        domain.risk.parameters.PARAMETERS,
        domain.execution.parameters.PARAMETERS,
        domain.distribution.parameters.PARAMETERS,
        domain.commentary.parameters.PARAMETERS,
    )
)


def refusals(values: Mapping[str, ParameterValue]) -> tuple[str, ...]:
    """Why a change may not be made; empty when every value is allowed."""
    found: list[str] = []
    for name, value in values.items():
        known = PARAMETERS.get(name)
        found.append(f"parameter must exist, was {name}" if known is None else known.check(value))
    return tuple(text for text in found if text)


def similar(name: str) -> str:
    """What to add to a complaint about a name that no parameter has; empty when none is like it."""
    found = get_close_matches(name, PARAMETERS, n=3, cutoff=0.6)
    return f"; there is {', '.join(found)}" if found else ""


_HEAD = """# Parameters

Every number that a rule reads, generated from the code. The first start writes the defaults to the
log; a change is an event with who and why, inside its bounds: on the page Parameters, or with
`python -m run.parameters set NAME=VALUE --version N --why "..."`. No rule reads a default here.

| parameter | default | unit | bounds | source |
| --- | --- | --- | --- | --- |
"""


def markdown() -> str:
    """The page docs/parameters.md."""
    return _HEAD + "".join(f"{_row(parameter)}\n" for parameter in PARAMETERS.values())


def _row(parameter: Parameter) -> str:
    default = parameter.default
    shown = str(default).lower() if isinstance(default, bool) else f"{default}"
    bounds = ", ".join(parameter.choices)
    if parameter.low is not None and parameter.high is not None:
        bounds = f"{parameter.low:g} to {parameter.high:g}"
    cells = (f"`{parameter.name}`", shown, parameter.unit, bounds, parameter.source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(markdown(), end="")
