"""Parameters of the forecasts with their bounds; joined by domain/parameters.py."""

from __future__ import annotations

from domain.parameter import Parameter

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("forecasts.drift_forgetting", 0.9995, "factor", "prior", 0.99, 0.99999),
    Parameter("forecasts.drift_winsor_sd", 5.0, "sd", "prior", 2, 20),
    Parameter("forecasts.drift_trace_max", 10.0, "trace of P", "prior", 0.3, 1_000),
    Parameter("forecasts.drift_half_life", 500.0, "outcomes", "prior", 50, 5_000),
    Parameter("forecasts.variance_forgetting", 0.998, "factor", "prior", 0.9, 1.0),
)
