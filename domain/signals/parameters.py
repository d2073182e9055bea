"""Parameters of the signals that all buckets share, joined with each bucket's own.

Joined with the others by domain/parameters.py; rules read them from the log alone.
"""

from __future__ import annotations

from domain.parameter import Parameter
from domain.signals import (
    closing_parameters,
    fourteen_dte_parameters,
    one_dte_parameters,
    staleness_parameters,
    zero_dte_parameters,
)
from domain.signals.parameter_table import number

COMMON = (
    number("bias", 0, "log-odds", -0.5, 0.5),
    number("score_clip", 1.75, "log-odds", 0.5, 3),
    number("coverage_min", 0.70, "share of weight", 0.5, 1),
    number("key_wait_s", 60, "seconds", 5, 600),
    number("stale_reading_s", 30, "seconds", 12, 120),
    number("trust_start", 0.5, "factor", 0, 1),
    number("trust_full", 1.0, "factor", 0, 1),
    number("trust_n_eff", 50, "outcomes", 10, 1000),
    number("trust_skill_floor", -0.05, "Brier skill", -0.5, 0),
    number("calibration_half_life", 200, "outcomes", 20, 2000),
    number("quote_age_option_s", 2, "seconds", 0.5, 10),
    number("surface_strikes_min", 5, "strikes", 3, 50),
    number("liquidity.spread_min_usd", 0.03, "dollars a share", 0.01, 1),
    number("liquidity.spread_share", 0.08, "share of mid", 0.01, 0.5),
    number("liquidity.bid_min_usd", 0.02, "dollars a share", 0.01, 1),
    number("liquidity.size_min", 2, "contracts", 1, 100),
    number("liquidity.interest_min", 500, "contracts", 0, 10_000),
    number("greeks_delta_max", 0.05, "delta", 0.01, 0.2),
    number("ev_min_usd", 2, "dollars a unit", 0, 50),
    number("ev_min_share", 0.03, "share of the stop", 0, 0.5),
    number("budget_spread_share", 0.5, "share of the spread", 0, 1),
    number("budget_mid_share", 0.05, "share of the mid", 0, 0.25),
    number("budget_min_usd", 0.01, "dollars a share", 0.01, 0.5),
)

_ALL = (
    *COMMON,
    *staleness_parameters.PARAMETERS,
    *zero_dte_parameters.PARAMETERS,
    *one_dte_parameters.PARAMETERS,
    *fourteen_dte_parameters.PARAMETERS,
    *closing_parameters.PARAMETERS,
)
PARAMETERS: dict[str, Parameter] = {parameter.name: parameter for parameter in _ALL}
