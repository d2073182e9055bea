"""All parameters of the rules by name: what a start writes when the log lacks it."""

from __future__ import annotations

from collections.abc import Mapping

from domain.analytics.parameters import PARAMETERS as ANALYTICS
from domain.commentary.parameters import PARAMETERS as COMMENTARY
from domain.distribution.parameters import PARAMETERS as DISTRIBUTION
from domain.execution.parameters import PARAMETERS as EXECUTION
from domain.parameter import Parameter
from domain.risk.parameters import PARAMETERS as RISK
from domain.signals.parameters import PARAMETERS as SIGNALS

_ALL = (
    *ANALYTICS,
    *SIGNALS.values(),
    *RISK.values(),
    *EXECUTION.values(),
    *DISTRIBUTION,
    *COMMENTARY,
)

PARAMETERS: Mapping[str, Parameter] = {parameter.name: parameter for parameter in _ALL}

assert len(PARAMETERS) == len(_ALL), "every parameter name must be unique"
