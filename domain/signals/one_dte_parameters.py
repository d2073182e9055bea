"""Parameters of the 1DTE bucket: weights, windows, thresholds (rules, 4.2, 4.5)."""

from __future__ import annotations

from domain.signals.parameter_table import PRIOR, number, switch, weights

WEIGHT_SOURCES: dict[str, tuple[float, str]] = {
    "noise": (0.15, "ZAB24"),
    "vwap": (0.05, "ZAB24"),
    "ofi_5m": (0.05, "CKS14"),
    "flow": (0.20, "HU14, PP06"),
    "delta_flow": (0.10, "HU14"),
    "sweeps": (0.10, PRIOR),
    "tide": (0.15, PRIOR),
    "gamma_gate": (0.10, "BDLM21"),
    "walls": (0.15, "NPPW21"),
    "peers": (0.10, PRIOR),
    "skew_chg": (0.10, PRIOR),
    "trend_20d": (0.10, "MOP12"),
    "pullback": (0.05, PRIOR),
    "tide_5d": (0.05, "CKMS21, weak"),
}
"""1DTE column of the feature table, in its order."""

WEIGHTS = weights("1dte", WEIGHT_SOURCES)

PREMIUM = (
    number("1dte.night_premium.p_min", 0.62, "probability", 0.5, 0.9),
    number("1dte.night_premium.vrp_min", 1.10, "ratio", 0.8, 2, "MN20"),
    number("1dte.night_premium.term_max", 0.05, "ratio", -0.2, 0.3),
    number("1dte.night_premium.score_max", 0.4, "log-odds, for a condor", 0, 1.75),
    number("1dte.night_premium.event_free_min", 90, "minutes after the next open", 0, 390),
    number("1dte.night_premium.distance_sd", 1.0, "sd to the expiry", 0.5, 3),
    number("1dte.night_premium.delta_min", 0.15, "delta", 0.02, 0.3),
    number("1dte.night_premium.delta_max", 0.20, "delta", 0.05, 0.4),
    number("1dte.night_premium.wing", 0.005, "share of S", 0.001, 0.02),
    number("1dte.night_premium.credit_min", 0.15, "share of width", 0.05, 0.5),
    number("1dte.night_premium.credit_max", 0.40, "share of width", 0.1, 0.8),
    number("1dte.night_premium.target_credit", 0.50, "share of credit", 0.1, 1),
    number("1dte.night_premium.stop_cost", 2.0, "times credit", 1.1, 5),
    number("1dte.night_premium.trail_activation", 0.30, "share of credit", 0.10, 0.60),
)

DIRECTION = (
    number("1dte.night_direction.p_min", 0.56, "probability", 0.52, 0.70),
    number("1dte.night_direction.score_min", 0.6, "log-odds", 0, 1.75),
    number("1dte.night_direction.delta", 0.50, "delta", 0.40, 0.60),
    number("1dte.night_direction.short_sd", 0.8, "sd to the expiry", 0.2, 2),
    number("1dte.night_direction.debit_max", 0.50, "share of width", 0.2, 0.9),
    number("1dte.night_direction.target_debit", 0.60, "share of debit", 0.1, 3),
    number("1dte.night_direction.stop_debit", 0.50, "share of debit", 0.1, 1),
    number("1dte.night_direction.trail_activation", 0.25, "share of entry", 0.10, 0.60),
)

OTHER = (
    number("1dte.start_min", 90, "minutes before the close", 15, 300),
    number("1dte.end_min", 10, "minutes before the close", 1, 60),
    number("1dte.window_min", 30, "minutes", 0, 120),
    number("1dte.delta_off_max", 0.06, "delta", 0.01, 0.2),
    number("1dte.time_stop_min", 60, "minutes before the next close", 15, 240),
    number("1dte.forced_flat_min", 15, "minutes before the next close", 5, 60),
)

PARAMETERS = (switch("1dte"), *WEIGHTS, *PREMIUM, *DIRECTION, *OTHER)
