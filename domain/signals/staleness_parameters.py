"""Parameters of the staleness table of all buckets (rules, 4.1): when a valid signal is spent."""

from __future__ import annotations

from domain.parameter import Parameter
from domain.signals.parameter_table import number

_TABLE = (
    ("0dte", 20, 0.15, 1.5, 0.02),
    ("1dte", 60, 0.20, 1.5, 0.02),
    ("14d", 300, 0.30, 1.5, 0.02),
    ("moc", 10, 0.10, 2.0, 0.03),
)


def _rows(slug: str, age: float, move: float, spread: float, slack: float) -> tuple[Parameter, ...]:
    return (
        number(f"{slug}.stale.age_s", age, "seconds", age / 4, age * 4),
        number(f"{slug}.stale.move_sd", move, "sd of the remaining day", 0.05, 1),
        number(f"{slug}.stale.spread_factor", spread, "times", 1, 5),
        number(f"{slug}.stale.p_slack", slack, "probability", 0, 0.1),
    )


PARAMETERS = tuple(row for values in _TABLE for row in _rows(*values))
