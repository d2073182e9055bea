"""Builders for the 1DTE tests: an evening of dear options, one of cheap ones, a strategy in it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain.signals.one_dte import OneDteStage
from tests.domain.risk.build import CLOSE, DAY
from tests.domain.signals.build import TREND, VOLATILITY, Strategy

TOMORROW = DAY + timedelta(days=1)
EVENING = CLOSE - timedelta(hours=1)

CALM: dict[str, float | str | None] = {
    **TREND,
    "vwap_dev": 0.0,
    "noise_x": 0.0,
    "ofi_5m_z": 0.0,
    "fi_s": 0.0,
    "delta_flow_z": 0.0,
    "sweep_z": 0.0,
    "tide_slope_z": 0.0,
    "tide_5d_z": 0.0,
    "gex_norm": 0.10,
    "gex_regime": "POS",
    "flip_side": "ABOVE",
    "peers_x": 0.0,
    "skew_chg_z": 0.0,
    "sma20": 600.0,
    "sd20": 0.01,
    "sd5": 0.02,
    "close_5d_ago": 600.0,
    "atm_iv_1dte": VOLATILITY,
    "em_1sd_1dte": 7.7,
    "forward_ok_1dte": 1.0,
    "surface_valid_strikes_1dte": 30.0,
    "v_to_expiry_1dte": 1.05e-4,
    "vrp_1dte": 1.25,
    "v_rem": 8e-6,
    "calendar_next": "",
}
"""Dear options, nothing due tomorrow, no direction: the night is sold on both sides."""

RISING: dict[str, float | str | None] = {
    **CALM,
    "vwap_dev": 2.0,
    "noise_x": 1.5,
    "ofi_5m_z": 2.0,
    "fi_s": 0.6,
    "delta_flow_z": 2.0,
    "sweep_z": 2.0,
    "tide_slope_z": 2.0,
    "peers_x": 1.0,
    "gex_norm": 0.0,
    "gex_regime": "NEUTRAL",
    "put_wall": 594.0,
    "call_wall": 606.0,
    "v_to_expiry_1dte": 8.8e-5,
}
"""The same night with a clear rise: one side is sold, or a rise is bought where none is."""

FREE: dict[str, float] = {
    "risk__fees__commission_usd": 0.0,
    "risk__fees__exchange_usd": 0.0,
    "signals__ev_min_usd": 0.0,
    "signals__ev_min_share": 0.0,
}
"""Without fees: what is asked here is not whether a flat smile pays."""


NEARER: dict[str, float] = {"signals__1dte__night_premium__delta_max": 0.25}
"""A flat smile pays one side too little for the usual delta."""


def evening(usual: dict[str, float | str | None] = CALM, **parameters: Any) -> Strategy:
    return Strategy(
        stage=OneDteStage(),
        at=EVENING,
        expiry=TOMORROW,
        usual=usual,
        **{**FREE, **parameters},
    )
