"""Worked cases of the strategies, each by the name it has on docs/edge-cases.md."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from domain.events.analytics import Quality
from domain.events.signals import Result, SignalRaised
from domain.forecasts.record import Record
from domain.instruments import Direction
from domain.risk.codes import DenialCode as C
from domain.signals.reading import Reading
from domain.signals.structure import Choice, NoStructure, may_be_liquid
from domain.signals.zero_dte import choose_trend
from tests.domain.risk.build import NOON, contract, parameters
from tests.domain.signals.build import TREND, chain, measure, metrics, with_row
from tests.domain.signals.day import valid
from tests.domain.signals.test_closing import raised
from tests.domain.signals.test_gates import MARKET, case, gate_of

PARAMETERS = parameters()


def test_an_option_quoted_at_nothing_by_three_cents_is_no_long_leg() -> None:
    """No strike is chosen by it, and LIQUIDITY fails where it was chosen before."""
    con_id = contract(600).con_id
    found = with_row(chain(), con_id, bid=Decimal("0.00"), ask=Decimal("0.03"))
    row = found.row(con_id)
    assert row is not None and not may_be_liquid(row, PARAMETERS)
    chosen = choose_trend(found, Direction.BULLISH, MARKET, PARAMETERS)
    assert isinstance(chosen, NoStructure) or row not in chosen.rows
    before = case()
    assert isinstance(before.chosen, Choice)
    held = replace(before.chosen, rows=(row, before.chosen.rows[1]))
    gate = gate_of(replace(before, chain=found, chosen=held), C.LIQUIDITY)
    assert gate.result is not Result.PASS


@pytest.mark.parametrize(
    ("gone", "coverage", "trades"),
    [
        (("fi_s", "delta_flow_z", "sweep_z"), 0.81, True),
        (("fi_s", "delta_flow_z", "sweep_z", "tide_slope_z"), 0.74, True),
        (
            ("fi_s", "delta_flow_z", "sweep_z", "tide_slope_z", "gex_norm", "gex_regime"),
            0.55,
            False,
        ),
    ],
    ids=["flow", "and tide", "and exposure"],
)
def test_a_silent_flow_feed_still_trades_until_too_much_is_gone(
    gone: tuple[str, ...], coverage: float, trades: bool
) -> None:
    """What is gone counts as x = 0 and lowers coverage; below 0.70 there is no trade."""
    found = case(dict.fromkeys(gone))
    assert found.score.coverage == pytest.approx(coverage, abs=0.005)
    assert (gate_of(found, C.FEATURE_COVERAGE).result is Result.PASS) is trades
    assert all(f.x == 0 for f in found.score.features if f.name in ("flow", "delta_flow", "sweeps"))


def test_the_first_sessions_of_life_trade_at_half_trust_and_half_the_score() -> None:
    """Without an outcome size is halved and so are the log-odds; the noise area of the model
    counts as the one of history does."""
    _, signal = valid()
    p, bias = signal.probability, signal.bias + signal.clip_adjust
    assert signal.risk_inputs.trust == Record().trust(PARAMETERS) == 0.5
    assert Record().recalibration.b == 0.5
    assert math.log(p / (1 - p)) == pytest.approx(0.5 * signal.score + bias, abs=1e-9)
    body = metrics(dict(TREND), qualities={"noise_x": Quality.WARMUP_MODEL})
    early = Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})
    late = case().reading
    assert measure(early, "noise").x == measure(late, "noise").x != 0


def test_an_auction_without_an_indicative_price_counts_its_deviation_as_zero() -> None:
    """Nasdaq before five minutes to the close: the trade is raised on what is known."""
    signal: SignalRaised | None = raised(auction_ind_dev_bps=None)
    assert signal is not None
    (feature,) = [one for one in signal.features if one.name == "ind_dev"]
    assert (feature.raw, feature.x, feature.contribution) == (None, 0.0, 0.0)
