"""Parameters of publication, approvals and deliveries, with bounds and sources."""

from __future__ import annotations

from domain.parameter import Parameter

PARAMETERS = (
    Parameter("publication.delay_premium_seconds", 0.0, "s", "scope: immediate", 0, 0),
    Parameter("publication.delay_basic_seconds", 60.0, "s", "scope: t+60 s", 60, 3_600),
    Parameter("publication.delay_free_seconds", 300.0, "s", "scope: t+5 min", 300, 86_400),
    Parameter("publication.lateness_seconds_max", 1_800.0, "s", "prior", 60, 86_400),
    Parameter("publication.stop_step", 0.05, "of entry price", "prior", 0.01, 0.5),
    Parameter("publication.stop_gap_seconds", 60.0, "s", "prior", 0, 3_600),
    Parameter("publication.pnl_step", 0.25, "of max loss", "prior", 0.1, 1.0),
    Parameter("publication.pnl_gap_seconds", 300.0, "s", "prior", 0, 3_600),
    Parameter("publication.attempts_max", 5.0, "attempts", "prior", 1, 20),
    Parameter("approval.expiry_seconds", 1_800.0, "s", "prior", 60, 86_400),
)
