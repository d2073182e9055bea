"""The 0DTE stage: a signal's life, its lines, and its way through risk and orders."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.event import derived_id
from domain.events.feeds import LineOpened, LinesWanted
from domain.events.orders import EntryRefused, OrderState
from domain.events.positions import ExitReason, PositionClosed
from domain.events.signals import Gate, Result, SignalGatesChanged, SignalRaised, SignalValidated
from domain.events.system import ClockStarted
from domain.instruments import Direction, StructureKind
from domain.instruments import Strategy as Bucket
from domain.risk.stage import RiskStage
from domain.signals.rationale import HONEST_NOTE
from tests.domain.risk.build import CLOSE, DAY, NOON, OPEN, Driven, changed, desk_events, one
from tests.domain.risk.desk_story import decide
from tests.domain.signals.build import CHEAP_RANGE, RANGE, TREND, Strategy, metrics
from tests.domain.signals.day import (
    SIGNAL_ID,
    opened,
    order_changed,
    ordered,
    refused,
    signals,
    valid,
)


def test_a_trend_day_raises_and_validates_one_signal_with_everything_it_rests_on() -> None:
    strategy, signal = valid()
    assert signal.signal_id == SIGNAL_ID and signal.variant == "TREND"
    assert signal.structure.kind is StructureKind.DEBIT_VERTICAL
    assert all(gate.result is Result.PASS for gate in signal.gates)
    assert signal.valid_until == NOON + timedelta(seconds=20)
    inputs = signal.risk_inputs
    assert signal.underlying_move_max == pytest.approx(0.15 * inputs.variance_remaining**0.5 * 600)
    assert signal.mid_against_max == Decimal("0.02")
    assert [quote.con_id for quote in inputs.legs] == [
        leg.contract.con_id for leg in signal.structure.legs
    ]
    assert inputs.trust == 0.5 and inputs.regime == "NEG" and inputs.model_hits is None
    assert inputs.net_mid == (inputs.net_bid + inputs.net_ask) / 2
    emitted = strategy.inputs[-1][1]
    story = [event for event in emitted if event.stream == f"signal/{SIGNAL_ID}"]
    assert {event.correlation_id for event in story} == {derived_id("signal", SIGNAL_ID)}
    assert [event.type for event in story] == ["SignalRaised", "SignalValidated"]


def test_contributions_of_both_variants_add_up_to_their_log_odds() -> None:
    _, trend = valid()
    strategy = Strategy(**CHEAP_RANGE)
    premium = one(strategy.evaluate(RANGE), SignalValidated)
    for signal in (trend, premium):
        total = signal.bias + signal.clip_adjust + sum(f.contribution for f in signal.features)
        p = signal.probability
        assert total == pytest.approx(math.log(p / (1 - p)), abs=1e-9)


def test_rationale_is_told_from_the_same_numbers_and_names_assumed_gamma() -> None:
    _, signal = valid()
    assert "assumed dealer gamma" in signal.rationale
    assert f"Score {signal.score:+.3f}" in signal.rationale
    assert f"probability {100 * signal.probability:.1f} %" in signal.rationale
    assert HONEST_NOTE not in signal.rationale


def test_a_quiet_day_sells_a_condor_with_the_honest_note() -> None:
    strategy = Strategy(**CHEAP_RANGE)
    signal = one(strategy.evaluate(RANGE), SignalValidated)
    assert signal.variant == "RANGE" and signal.direction is Direction.NEUTRAL
    assert signal.structure.kind is StructureKind.IRON_CONDOR
    assert signal.rationale.endswith(HONEST_NOTE)
    assert signal.confidence == pytest.approx(100 * signal.risk_inputs.p_win)
    early = {**RANGE, "calendar_today": "DATA_0830"}
    half = one(Strategy(**CHEAP_RANGE).evaluate(early), SignalValidated)
    assert half.risk_inputs.size_factor == 0.5


def test_a_bearish_day_mirrors_the_bullish_one() -> None:
    flipped = {
        name: -value
        if name in ("vwap_dev", "noise_x", "or_break", "ofi_5m_z", "fi_s", "delta_flow_z",
                    "sweep_z", "tide_slope_z", "peers_x", "skew_chg_z")
        and isinstance(value, float) else value
        for name, value in TREND.items()
    }  # fmt: skip
    signal = one(Strategy().evaluate({**flipped, "vwap": 602.0}), SignalValidated)
    assert signal.direction is Direction.BEARISH and signal.score < 0
    assert signal.probability > 0.56


def test_risk_decides_on_the_signal_without_any_tick() -> None:
    _, signal = valid()
    desk = Driven(RiskStage())
    desk.when(changed())
    for body in desk_events():
        desk.when(body)
    decision = decide(desk, signal)
    assert decision.approved and decision.units >= 1, decision.denials


def test_candidate_without_lines_asks_for_them_and_becomes_valid_on_their_quotes() -> None:
    strategy = Strategy(lines=False)
    raised = one(strategy.evaluate(), SignalRaised)
    liquidity = next(gate for gate in raised.gates if gate.code == "LIQUIDITY")
    assert liquidity.result is Result.UNEVALUABLE
    wanted = one(strategy.tick(), LinesWanted)
    assert wanted.requester == "signals.0dte"
    assert [str(line.contract.strike) for line in wanted.lines] == ["600", "602"]
    assert strategy.tick() == []
    for line in wanted.lines:
        strategy.when(LineOpened(contract=line.contract))
    assert signals(strategy.evaluate()) == ["SignalValidated"]


def test_lines_are_given_back_when_no_signal_lives() -> None:
    strategy = Strategy(lines=False)
    strategy.evaluate()
    strategy.tick()
    assert signals(strategy.evaluate(fi_s=-1.0, noise_x=0.0, or_break=0.0)) == ["SignalExpired"]
    assert one(strategy.tick(), LinesWanted).lines == ()


def test_gates_are_recorded_again_only_when_an_outcome_changes() -> None:
    strategy = Strategy(lines=False)
    strategy.evaluate()
    assert signals(strategy.evaluate()) == []
    assert signals(strategy.evaluate(spot_bid=599.98)) == []
    changed_gates = one(strategy.evaluate(news_state="SHOCK"), SignalGatesChanged)
    shock: Gate = next(gate for gate in changed_gates.gates if gate.code == "NO_SHOCK")
    assert shock.result is Result.FAIL


def test_candidate_expires_when_its_conditions_cease_and_the_key_waits_a_minute() -> None:
    strategy = Strategy(lines=False)
    strategy.evaluate(after=0.0)
    assert signals(strategy.evaluate(vwap=601.0, after=59.999)) == ["SignalExpired"]
    assert signals(strategy.evaluate(after=0.001)) == []
    second = one(strategy.evaluate(), SignalRaised)
    assert second.signal_id.endswith("-2")


def test_candidate_expires_at_the_end_of_its_window() -> None:
    strategy = Strategy(lines=False, at=CLOSE - timedelta(minutes=60, seconds=2))
    assert signals(strategy.evaluate(after=0.0)) == ["SignalRaised"]
    assert signals(strategy.tick(after=1.0)) == []
    assert signals(strategy.tick(after=1.0)) == ["SignalExpired"]


def test_no_candidate_arises_outside_the_window_or_while_the_clock_is_closed() -> None:
    assert signals(Strategy(at=OPEN + timedelta(minutes=29)).evaluate()) == []
    strategy = Strategy()
    clock = ClockStarted(
        base_market_time=NOON, speed=600, session_date=DAY, thinned=True, entries_open=False
    )
    strategy.when(clock)
    assert signals(strategy.evaluate()) == []


@pytest.mark.parametrize("missing", ["v_rem", "spot_bid", "rv_hat_day"])
def test_without_what_strikes_and_size_rest_on_nothing_is_valid(missing: str) -> None:
    emitted = Strategy().evaluate(**{missing: None})
    assert "SignalValidated" not in signals(emitted)


def test_refusal_by_risk_or_by_the_order_side_ends_the_signal_and_its_key_waits() -> None:
    for body in (refused(), EntryRefused(decision_id="d", signal_id=SIGNAL_ID, codes=("X",))):
        strategy, _ = valid()
        strategy.when(body)
        assert strategy.state.lives == {}
        strategy.tick_forward(59.9)
        assert signals(strategy.evaluate(after=0.1)) == []
        assert "SignalRaised" in signals(strategy.evaluate())


def test_ordered_signal_is_tested_until_its_order_fills() -> None:
    strategy, signal = valid()
    strategy.when(ordered(signal))
    strategy.when(order_changed(OrderState.FILLED, filled=5))
    strategy.when(opened(signal))
    assert signals(strategy.tick(after=21)) == []
    assert strategy.state.lives == {}


def test_ordered_signal_goes_stale_while_its_order_works() -> None:
    strategy, signal = valid()
    strategy.when(ordered(signal))
    strategy.when(order_changed(OrderState.WORKING))
    assert signals(strategy.tick(after=21)) == ["SignalInvalidated"]


def test_entry_that_ends_unfilled_ends_its_signal() -> None:
    strategy, signal = valid()
    strategy.when(ordered(signal))
    assert signals(strategy.when(order_changed(OrderState.CANCELLED))) == ["SignalExpired"]


def test_open_position_of_the_key_blocks_a_second_and_a_loss_cools_down() -> None:
    strategy, signal = valid()
    strategy.when(ordered(signal))
    strategy.when(opened(signal))
    strategy.when(order_changed(OrderState.FILLED, filled=5))
    raised = one(strategy.evaluate(), SignalRaised)
    assert next(g for g in raised.gates if g.code == "NO_DUPLICATE").result is Result.FAIL
    strategy.when(
        PositionClosed(
            position_id="p",
            signal_id=signal.signal_id,
            strategy=Bucket.ZERO_DTE,
            symbol="SPY",
            reason=ExitReason.STOP,
            units=5,
            entry_price=Decimal("0.75"),
            exit_price=Decimal("0.38"),
            realised_pnl=Decimal(-190),
            fees=Decimal(7),
            pnl_over_max_loss=Decimal("-0.5"),
            opened_at=NOON,
            closed_at=strategy.at,
        )
    )
    later = one(strategy.evaluate(), SignalGatesChanged)
    results = {g.code: g.result for g in later.gates}
    assert results["NO_DUPLICATE"] is Result.PASS and results["COOLDOWN"] is Result.FAIL


def test_older_evaluations_and_foreign_expiries_change_nothing() -> None:
    strategy = Strategy(lines=False)
    strategy.evaluate(noise_x=0.0, or_break=0.0)
    assert strategy.when(metrics(dict(TREND), NOON - timedelta(seconds=5))) == []
