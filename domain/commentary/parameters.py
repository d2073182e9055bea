"""Parameters of the reports, with bounds and sources."""

from __future__ import annotations

from domain.parameter import Parameter

PARAMETERS = (
    Parameter("report.premarket_before_open_minutes", 3.0, "min", "prior", 1, 120),
    Parameter("report.intraday_after_open_minutes", 180.0, "min", "prior", 30, 360),
    Parameter("report.postmarket_after_close_minutes", 2.0, "min", "prior", 1, 120),
    Parameter("report.late_minutes_max", 20.0, "min", "prior", 1, 240),
    Parameter("report.attempts_max", 2.0, "drafts", "prior", 1, 5),
    Parameter("report.expiry_seconds", 1_800.0, "s", "prior", 60, 86_400),
)
