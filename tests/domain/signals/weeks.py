"""Builders for the 14D+ tests: noons at which premium is dear, cheap or between, a strategy there.

A flat smile of ten percent: strikes of every delta that is asked for lie in the chain.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from domain.signals.case import Case
from domain.signals.evaluate import evaluate_key
from domain.signals.fourteen_dte import FourteenDteStage
from domain.signals.gates import evaluate
from domain.signals.life import Key
from tests.domain.risk.build import DAY, NOON
from tests.domain.signals.build import TREND, Strategy
from tests.domain.signals.night import FREE

EXPIRY = DAY + timedelta(days=35)

DEAR: dict[str, float | str | None] = {
    **TREND,
    "noise_x": 0.0,
    "fi_s": 0.0,
    "delta_flow_z": 0.0,
    "sweep_z": 0.0,
    "tide_slope_z": 0.0,
    "tide_5d_z": 0.0,
    "gex_norm": 0.10,
    "gex_regime": "POS",
    "flip_side": "ABOVE",
    "put_wall": 594.0,
    "call_wall": 606.0,
    "peers_x": 0.0,
    "skew_chg_z": 0.0,
    "sma20": 600.0,
    "sd20": 0.01,
    "sd5": 0.02,
    "close_5d_ago": 600.0,
    "iv_rank": 55.0,
    "atm_iv_14d": 0.10,
    "em_1sd_14d": 18.6,
    "forward_ok_14d": 1.0,
    "surface_valid_strikes_14d": 30.0,
    "v_to_expiry_14d": 7.7e-4,
    "vrp_14d": 1.25,
}
"""Dear volatility and no direction: a condor's noon."""

RISING: dict[str, float | str | None] = {
    **DEAR,
    "fi_s": 0.5,
    "delta_flow_z": 1.5,
    "tide_slope_z": 1.5,
    "sma20": 588.0,
    "gex_regime": "NEUTRAL",
    "gex_norm": 0.0,
    "call_wall": 620.0,
}
"""The same with a clear rise: puts are sold."""

CHEAP: dict[str, float | str | None] = {
    **RISING,
    "iv_rank": 20.0,
    "vrp_14d": 1.0,
    "v_to_expiry_14d": 9.6e-4,
}
"""A rise with cheap options: it is bought."""

FALLING: dict[str, float | str | None] = {
    "fi_s": -0.5,
    "delta_flow_z": -1.5,
    "tide_slope_z": -1.5,
    "sma20": 612.0,
}
"""Makes of a rise a fall."""


def noon(
    usual: dict[str, float | str | None] = DEAR, at: datetime = NOON, **parameters: Any
) -> Strategy:
    return Strategy(
        stage=FourteenDteStage(), at=at, expiry=EXPIRY, usual=usual, **{**FREE, **parameters}
    )


def case_of(strategy: Strategy, key: Key) -> Case:
    found = evaluate_key(strategy.state, key, strategy.at, always_choose=True)
    assert found is not None
    return found.case


def results(strategy: Strategy, key: Key) -> dict[str, str]:
    """Every gate of a case by its code, whether or not it is a candidate."""
    gates = evaluate(case_of(strategy, key), strategy.state.parameters)
    return {gate.code: gate.result.value for gate in gates}
