"""Parameters of the closing-imbalance bucket: weights, window, thresholds (rules, 4.2, 4.7)."""

from __future__ import annotations

from domain.signals.parameter_table import PRIOR, number, switch, weights

WEIGHT_SOURCES: dict[str, tuple[float, str]] = {
    "vwap": (0.05, "ZAB24"),
    "ofi_5m": (0.15, "CKS14"),
    "late_mom": (0.15, "GHLZ18, BDLM21"),
    "imb": (0.60, "BM23"),
    "imb_persist": (0.20, PRIOR),
    "ind_dev": (0.25, PRIOR),
    "moved_already": (0.20, PRIOR),
}
"""MOC column of the feature table, in its order."""

WEIGHTS = weights("moc", WEIGHT_SOURCES)

CLOSING = (
    number("moc.closing.start_s", 595, "seconds before the close", 300, 600),
    number("moc.closing.end_s", 180, "seconds before the close", 30, 300),
    number("moc.closing.p_min", 0.58, "probability", 0.52, 0.70),
    number("moc.closing.z_min", 1.5, "z", 0.5, 4),
    number("moc.closing.held_s", 20, "seconds", 5, 120),
    number("moc.closing.indicative_s", 300, "seconds before the close", 0, 600),
    number("moc.closing.moved_share_max", 0.60, "share of the expected move", 0.1, 1),
    number("moc.closing.gain_costs_min", 3.0, "times the cost", 1, 10),
    number("moc.closing.delta", 0.55, "delta", 0.45, 0.65),
    number("moc.closing.delta_off_max", 0.06, "delta", 0.01, 0.1),
    number("moc.closing.target", 0.20, "share of debit", 0.05, 1),
    number("moc.closing.stop", 0.20, "share of debit", 0.05, 1),
    number("moc.closing.time_stop_min", 2, "minutes after the close", 0, 8),
    number("moc.closing.forced_flat_min", 10, "minutes after the close", 3, 12),
    number("moc.closing.trail_activation", 0.25, "share of entry", 0.10, 0.60),
)

PARAMETERS = (switch("moc"), *WEIGHTS, *CLOSING)
