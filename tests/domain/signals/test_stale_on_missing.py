"""A valid signal is spent where what it is tested against is missing or old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from domain.events.analytics import ChainEvaluated
from domain.events.signals import SignalInvalidated, SignalValidated
from domain.instruments import Direction
from domain.signals.evaluate import evaluate_key
from tests.domain.risk.build import NOON, one
from tests.domain.signals.build import CHEAP_RANGE, RANGE, TREND, Strategy, chain_body, metrics
from tests.domain.signals.day import signals, valid
from tests.domain.signals.weeks import RISING, noon


def none_to_choose() -> ChainEvaluated:
    """The quiet day's chain with every volatility interpolated: no strike may be chosen."""
    body = chain_body(volatility=float(RANGE["atm_iv_0dte"] or 0))
    return replace(body, own_volatility=[False] * len(body.strike))


@pytest.mark.parametrize(("forecast", "stale"), [(1.34e-5, False), (6e-5, True)])
def test_sold_premium_is_judged_by_its_own_strikes_also_where_none_could_be_chosen(
    forecast: float, stale: bool
) -> None:
    strategy = Strategy(usual=RANGE, **CHEAP_RANGE)
    one(strategy.evaluate(), SignalValidated)
    emitted = strategy.evaluate(body=none_to_choose(), v_to_expiry_0dte=forecast)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale
    if stale:
        assert one(emitted, SignalInvalidated).condition == "probability"


@pytest.mark.parametrize("missing", ["atm_iv_0dte", "v_to_expiry_0dte"])
def test_sold_premium_is_spent_when_its_odds_cannot_be_computed(missing: str) -> None:
    strategy = Strategy(usual=RANGE, **CHEAP_RANGE)
    one(strategy.evaluate(), SignalValidated)
    chain = chain_body(strategy.at, volatility=float(RANGE["atm_iv_0dte"] or 0))
    found = one(strategy.evaluate(body=chain, **{missing: None}), SignalInvalidated)
    assert (found.condition, found.measured) == ("probability", "missing: p_win of the structure")


@pytest.mark.parametrize(("slack", "stale"), [(0.021, False), (0.019, True)])
def test_a_trend_in_positive_gamma_keeps_the_higher_threshold_that_let_it_in(
    slack: float, stale: bool
) -> None:
    usual = {**TREND, "gex_regime": "POS", "gex_norm": -0.08}
    weak: dict[str, Any] = {"fi_s": -0.2, "delta_flow_z": -1.0, "sweep_z": -1.0}
    probe = Strategy(usual=usual)
    probe.evaluate(after=0.0, **weak)
    found = evaluate_key(probe.state, ("SPY", Direction.BULLISH), probe.at)
    assert found is not None and found.case.p_side > 0.57
    changes: dict[str, Any] = {
        "signals__0dte__trend__p_min_positive_gamma": found.case.p_side + 0.02,
        "signals__0dte__stale__p_slack": slack,
    }
    strategy = Strategy(usual=usual, **changes)
    one(strategy.evaluate(), SignalValidated)
    emitted = strategy.evaluate(**weak)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale


@pytest.mark.parametrize(("seconds", "stale"), [(30.0, False), (30.1, True)])
def test_a_signal_is_spent_when_nothing_was_measured_for_half_a_minute(
    seconds: float, stale: bool
) -> None:
    strategy = noon(RISING)
    one(strategy.evaluate(after=0.0), SignalValidated)
    emitted = strategy.tick(after=seconds)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale
    if stale:
        assert one(emitted, SignalInvalidated).condition == "reading"


@pytest.mark.parametrize(("seconds", "stale"), [(45.0, False), (45.1, True)])
def test_a_signal_is_spent_when_its_chain_was_not_refreshed(seconds: float, stale: bool) -> None:
    """Half a minute more than the rarest refresh: its legs' quotes say nothing by then."""
    strategy = noon(RISING)
    one(strategy.evaluate(after=0.0), SignalValidated)
    at = NOON + timedelta(seconds=seconds)
    emitted = strategy.when(metrics(RISING, at), after=seconds)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale
    if stale:
        assert one(emitted, SignalInvalidated).condition == "chain"


@pytest.mark.parametrize(
    ("name", "condition"), [("news_state", "shock"), ("calendar_state", "blackout")]
)
def test_a_signal_is_spent_when_shocks_or_blackouts_are_unknown(name: str, condition: str) -> None:
    strategy, _ = valid()
    found = one(strategy.evaluate(**{name: None}), SignalInvalidated)
    assert (found.condition, found.measured) == (condition, f"missing: {name}")
