"""Parameters of the analytics with their bounds and sources, and their typed reading.

Joined by domain/parameters.py. The stage reads them from the log alone; what is listed here is
what the first start writes.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.parameter import MissingParameter, Parameter, ParameterState

_FEEDS = "prior; feed cadence"

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("risk_free_rate", 0.0375, "1/year", "prior; flat curve", 0.0, 0.10),
    Parameter("quote_age_max_underlying", 2.0, "s", "prior; 5-s bars refresh twice in it", 0.5, 10),
    Parameter("quote_quiet_max", 10.0, "s", "prior", 2, 30),
    Parameter("quote_age_max_option_metric_0dte", 15.0, "s", _FEEDS, 5, 600),
    Parameter("quote_age_max_option_metric_1dte", 90.0, "s", _FEEDS, 5, 600),
    Parameter("quote_age_max_option_metric_later", 180.0, "s", _FEEDS, 5, 600),
    Parameter("iv_age_max_exposure", 900.0, "s", "prior", 60, 3_600),
    Parameter("bar_age_max", 12.0, "s", "IB bar cadence 5 s", 6, 60),
    Parameter("vendor_flow_age_max", 30.0, "s", "prior", 5, 300),
    Parameter("vendor_gex_age_max", 120.0, "s", "vendor publishes every 10-60 s", 30, 900),
    Parameter("forward_tolerance_short", 0.0010, "fraction", "prior; T <= 60 d", 0.0003, 0.01),
    Parameter("forward_tolerance_long", 0.0030, "fraction", "prior; T > 60 d", 0.0003, 0.01),
    Parameter("chain_refresh", 5.0, "s", "prior", 1, 60),
    Parameter("early_exercise_per_refresh", 8.0, "contracts", "measured cost", 0, 500),
    Parameter("gex_dte_max", 45.0, "days", "prior", 1, 400),
    Parameter("gex_regime_enter", 0.02, "ADV share", "prior", 0.005, 0.2),
    Parameter("gex_regime_leave", 0.01, "ADV share", "prior", 0.005, 0.2),
    Parameter("opening_range_minutes", 30.0, "min", "prior", 5, 60),
    Parameter("shock_minutes", 10.0, "min", "prior", 2, 60),
    Parameter("variance_adjustment_exponent", 0.6, "1", "prior", 0.0, 1.0),
    Parameter("overnight_share", 0.40, "fraction", "SPY 2014-2021", 0.25, 0.55),
    Parameter("variance_ratio_qqq", 1.4, "ratio", "measured 1.39 in 2016-2021", 1.0, 3.0),
    Parameter("variance_ratio_iwm", 1.6, "ratio", "measured 1.56 in 2016-2021", 1.0, 3.0),
    Parameter("beta_default_qqq", 1.10, "ratio", "measured 1.08 in 2016-2021", 0.8, 1.6),
    Parameter("beta_default_iwm", 1.10, "ratio", "measured 1.11 in 2016-2021", 0.8, 1.6),
    Parameter("imbalance_signed", True, "flag", "field reports; check live"),
    Parameter("auction_impact_scale", 0.5, "1", "prior; ALM05, TOTH11", 0.1, 1.5),
    Parameter("next_chain_minutes", 100.0, "min", "before the close; windows of 4.5, 4.7", 30, 390),
    Parameter("swing_chain_refresh", 15.0, "s", "prior", 5, 60),
    Parameter("swing_days_min", 21.0, "days", "prior", 14, 60),
    Parameter("swing_days_max", 45.0, "days", "prior", 14, 60),
    Parameter("swing_days_target", 35.0, "days", "prior", 14, 60),
    Parameter("surface_lines_per_symbol", 16.0, "lines", "prior; 100 lines in all", 0, 60),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters as read at one version."""

    version: int
    rate: float
    quote_age_max: float
    quiet_max: float
    option_ages: tuple[float, float, float]
    exposure_iv_age_max: float
    bar_age_max: float
    flow_age_max: float
    vendor_gex_age_max: float
    forward_tolerance_short: float
    forward_tolerance_long: float
    chain_refresh: float
    premiums_max: int
    gex_dte_max: int
    regime_enter: float
    regime_leave: float
    opening_minutes: float
    shock_seconds: float
    variance_exponent: float
    overnight_share: float
    variance_ratios: dict[str, float]
    beta_defaults: dict[str, float]
    imbalance_signed: bool
    impact_scale: float
    lines_per_symbol: int
    next_chain_minutes: float
    """Before the close: from then on the chain of the next session's expiry is published."""
    swing_chain_refresh: float
    swing_days: tuple[float, float, float]
    """Fewest and most days to the expiry held for weeks, and the wanted number."""


def read_settings(state: ParameterState) -> Settings | None:
    """None until the log has set every parameter: nothing is evaluated before that."""
    number = state.number
    try:
        return Settings(
            version=state.version,
            rate=number("risk_free_rate"),
            quote_age_max=number("quote_age_max_underlying"),
            quiet_max=number("quote_quiet_max"),
            option_ages=(
                number("quote_age_max_option_metric_0dte"),
                number("quote_age_max_option_metric_1dte"),
                number("quote_age_max_option_metric_later"),
            ),
            exposure_iv_age_max=number("iv_age_max_exposure"),
            bar_age_max=number("bar_age_max"),
            flow_age_max=number("vendor_flow_age_max"),
            vendor_gex_age_max=number("vendor_gex_age_max"),
            forward_tolerance_short=number("forward_tolerance_short"),
            forward_tolerance_long=number("forward_tolerance_long"),
            chain_refresh=number("chain_refresh"),
            premiums_max=int(number("early_exercise_per_refresh")),
            gex_dte_max=int(number("gex_dte_max")),
            regime_enter=number("gex_regime_enter"),
            regime_leave=number("gex_regime_leave"),
            opening_minutes=number("opening_range_minutes"),
            shock_seconds=number("shock_minutes") * 60,
            variance_exponent=number("variance_adjustment_exponent"),
            overnight_share=number("overnight_share"),
            variance_ratios={
                "SPY": 1.0,
                "QQQ": number("variance_ratio_qqq"),
                "IWM": number("variance_ratio_iwm"),
            },
            beta_defaults={
                "SPY": 1.0,
                "QQQ": number("beta_default_qqq"),
                "IWM": number("beta_default_iwm"),
            },
            imbalance_signed=state.flag("imbalance_signed"),
            impact_scale=number("auction_impact_scale"),
            lines_per_symbol=int(number("surface_lines_per_symbol")),
            next_chain_minutes=number("next_chain_minutes"),
            swing_chain_refresh=number("swing_chain_refresh"),
            swing_days=(
                number("swing_days_min"),
                number("swing_days_max"),
                number("swing_days_target"),
            ),
        )
    except MissingParameter:
        return None
