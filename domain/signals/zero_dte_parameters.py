"""Parameters of the 0DTE bucket: weights, windows, thresholds (rules, 4.2, 4.4)."""

from __future__ import annotations

from domain.signals.parameter_table import PRIOR, number, switch, weights

WEIGHT_SOURCES: dict[str, tuple[float, str]] = {
    "noise": (0.35, "ZAB24"),
    "vwap": (0.15, "ZAB24"),
    "or_break": (0.15, PRIOR),
    "ofi_5m": (0.15, "CKS14"),
    "flow": (0.20, "HU14, PP06"),
    "delta_flow": (0.10, "HU14"),
    "sweeps": (0.10, PRIOR),
    "tide": (0.15, PRIOR),
    "gamma_gate": (0.25, "BDLM21"),
    "walls": (0.15, "NPPW21"),
    "late_mom": (0.20, "GHLZ18, BDLM21"),
    "peers": (0.10, PRIOR),
    "skew_chg": (0.05, PRIOR),
}
"""0DTE column of the feature table, in its order."""


WEIGHTS = weights("0dte", WEIGHT_SOURCES)

TREND = (
    number("0dte.trend.start_min", 30, "minutes after the open", 0, 390),
    number("0dte.trend.end_min", 60, "minutes before the close", 0, 390),
    number("0dte.trend.p_min", 0.56, "probability", 0.52, 0.70),
    number("0dte.trend.p_min_positive_gamma", 0.60, "probability", 0.52, 0.75),
    number("0dte.trend.vrp_max", 1.30, "ratio", 0.8, 2),
    number("0dte.trend.vrp_single", 1.00, "ratio", 0.5, 1.5),
    number("0dte.trend.delta", 0.50, "delta", 0.40, 0.60),
    number("0dte.trend.delta_single", 0.45, "delta", 0.30, 0.60),
    number("0dte.trend.delta_low", 0.40, "delta", 0.2, 0.5),
    number("0dte.trend.delta_high", 0.60, "delta", 0.5, 0.8),
    number("0dte.trend.short_sd", 0.8, "sd of the remaining day", 0.2, 2),
    number("0dte.trend.width_min", 0.003, "share of S", 0.0005, 0.01),
    number("0dte.trend.width_max", 0.015, "share of S", 0.005, 0.05),
    number("0dte.trend.debit_max", 0.55, "share of width", 0.2, 0.9),
    number("0dte.trend.target_debit", 0.60, "share of debit", 0.1, 3),
    number("0dte.trend.target_profit", 0.70, "share of max profit", 0.1, 1),
    number("0dte.trend.stop_debit", 0.50, "share of debit", 0.1, 1),
    number("0dte.trend.time_stop_min", 90, "minutes after the first fill", 15, 240),
    number("0dte.trend.trail_activation", 0.25, "share of entry", 0.10, 0.60),
)

RANGE = (
    number("0dte.range.start_min", 45, "minutes after the open", 0, 390),
    number("0dte.range.end_min", 150, "minutes before the close", 0, 390),
    number("0dte.range.vrp_min", 1.10, "ratio", 0.8, 2),
    number("0dte.range.score_max", 0.5, "log-odds", 0, 1.75),
    number("0dte.range.term_max", 0.05, "ratio", -0.2, 0.3),
    number("0dte.range.p_min", 0.62, "probability", 0.5, 0.9),
    number("0dte.range.distance_sd", 1.1, "expected moves", 0.5, 3),
    number("0dte.range.delta_max", 0.16, "delta", 0.05, 0.4),
    number("0dte.range.wing", 0.005, "share of S", 0.001, 0.02),
    number("0dte.range.credit_min", 0.15, "share of width", 0.05, 0.5),
    number("0dte.range.credit_max", 0.40, "share of width", 0.1, 0.8),
    number("0dte.range.target_credit", 0.50, "share of credit", 0.1, 1),
    number("0dte.range.stop_cost", 2.0, "times credit", 1.1, 5),
    number("0dte.range.time_stop_min", 60, "minutes before the close", 15, 240),
    number("0dte.range.trail_activation", 0.30, "share of credit", 0.10, 0.60),
)

OTHER = (
    number("0dte.delta_off_max", 0.06, "delta", 0.01, 0.2),
    number("0dte.forced_flat_min", 15, "minutes before the close", 5, 60),
    number("0dte.window_min", 30, "minutes", 0, 120),
)

PARAMETERS = (switch("0dte"), *WEIGHTS, *TREND, *RANGE, *OTHER)
