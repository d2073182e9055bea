"""Parameters of the 14D+ bucket: weights, window, thresholds (rules, 4.2, 4.6)."""

from __future__ import annotations

from domain.signals.parameter_table import PRIOR, number, switch, weights

WEIGHT_SOURCES: dict[str, tuple[float, str]] = {
    "flow": (0.15, "HU14, PP06"),
    "delta_flow": (0.10, "HU14"),
    "sweeps": (0.05, PRIOR),
    "tide": (0.15, PRIOR),
    "walls": (0.10, "NPPW21"),
    "peers": (0.05, PRIOR),
    "skew_chg": (0.10, PRIOR),
    "trend_20d": (0.35, "MOP12"),
    "pullback": (0.20, PRIOR),
    "tide_5d": (0.20, "CKMS21, weak"),
}
"""14D+ column of the feature table, in its order."""

WEIGHTS = weights("14d", WEIGHT_SOURCES)

STANCE = (
    number("14d.sell_rank_min", 50, "IV rank", 30, 100),
    number("14d.sell_vrp_min", 1.15, "ratio", 0.8, 2),
    number("14d.buy_rank_below", 30, "IV rank", 0, 50),
    number("14d.buy_vrp_below", 1.10, "ratio", 0.8, 2),
    number("14d.between_vrp_credit", 1.10, "ratio", 0.8, 2),
)
"""Whether premium is sold, bought, or taken as a vertical of the cheaper kind."""

VARIANTS = (
    number("14d.credit.p_min", 0.55, "probability of the direction", 0.52, 0.70),
    number("14d.credit.trail_activation", 0.30, "share of credit", 0.10, 0.60),
    number("14d.condor.p_min", 0.62, "probability of the target, to stay valid", 0.5, 0.9),
    number("14d.condor.score_below", 0.35, "log-odds", 0, 1.75),
    number("14d.condor.trail_activation", 0.30, "share of credit", 0.10, 0.60),
    number("14d.debit.p_min", 0.56, "probability", 0.52, 0.70),
    number("14d.debit.trail_activation", 0.25, "share of entry", 0.10, 0.60),
    number("14d.between_credit.p_min", 0.57, "probability of the direction", 0.52, 0.70),
    number("14d.between_credit.trail_activation", 0.30, "share of credit", 0.10, 0.60),
    number("14d.between_debit.p_min", 0.57, "probability", 0.52, 0.70),
    number("14d.between_debit.trail_activation", 0.25, "share of entry", 0.10, 0.60),
)

STRUCTURES = (
    number("14d.short_delta_vertical", 0.275, "delta", 0.15, 0.40),
    number("14d.short_delta_condor", 0.18, "delta", 0.08, 0.30),
    number("14d.debit_long_delta", 0.55, "delta", 0.40, 0.70),
    number("14d.debit_short_delta", 0.30, "delta", 0.15, 0.45),
    number("14d.delta_off_max", 0.06, "delta", 0.01, 0.2),
    number("14d.width", 0.01, "share of S", 0.002, 0.03),
    number("14d.credit_min", 0.20, "share of width", 0.05, 0.5),
    number("14d.credit_max", 0.40, "share of width", 0.1, 0.8),
    number("14d.debit_max", 0.50, "share of width", 0.2, 0.9),
    number("14d.interest_min", 1_000, "contracts", 0, 10_000),
    number("14d.liquidity.spread_min_usd", 0.06, "dollars a share", 0.01, 1),
    number("14d.liquidity.spread_share", 0.06, "share of mid", 0.01, 0.5),
)

EXITS = (
    number("14d.target_credit", 0.50, "share of credit", 0.1, 1),
    number("14d.stop_cost", 2.0, "times credit", 1.1, 5),
    number("14d.target_profit", 0.60, "share of the debit's greatest profit", 0.1, 1),
    number("14d.stop_debit", 0.50, "share of debit", 0.1, 1),
    number("14d.time_stop_days", 7, "days to expiry", 1, 14),
    number("14d.time_stop_share", 0.40, "share of the days at entry", 0.1, 0.9),
    number("14d.time_stop_min", 30, "minutes after the open", 0, 390),
    number("14d.forced_flat_min", 15, "minutes before the last close", 5, 60),
)

ROLL = (
    number("14d.roll.tested_delta", 0.35, "delta of the tested short", 0.25, 0.60),
    number("14d.roll.short_delta", 0.16, "delta of the new short", 0.08, 0.30),
    number("14d.roll.tries_max", 3, "orders a position", 1, 10),
    number("14d.roll.wait_min", 15, "minutes after one that came to nothing", 1, 390),
)
"""The one adjustment: the untested side of a condor is rolled."""

OTHER = (
    number("14d.start_min", 30, "minutes after the open", 0, 300),
    number("14d.end_min", 15, "minutes before the close", 1, 120),
    number("14d.window_min", 30, "minutes", 0, 120),
    number("14d.entries_max", 1, "a symbol, direction and day", 1, 4),
)

PARAMETERS = (
    switch("14d"),
    switch("14d.roll"),
    *WEIGHTS,
    *STANCE,
    *VARIANTS,
    *STRUCTURES,
    *EXITS,
    *ROLL,
    *OTHER,
)
