"""The 0DTE stage: a signal's life, staleness, lines, predictions, and its way through risk."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.event import Body, decode_body, derived_id, encode_body
from domain.events.analytics import (
    PredictionMade,
    PredictionResolved,
    PredictionVoided,
    Quality,
)
from domain.events.controls import TradingHalted, TradingReleased
from domain.events.feeds import LineOpened, LinesWanted
from domain.events.market_facts import HaltEnded, HaltStarted
from domain.events.orders import (
    BrokerDisconnected,
    EntryRefused,
    OrderChanged,
    OrderIntended,
    OrderState,
    OrderType,
    Purpose,
)
from domain.events.positions import ExitReason, PositionClosed, PositionOpened
from domain.events.risk import RiskDecided
from domain.events.signals import (
    Gate,
    Result,
    SignalExpired,
    SignalGatesChanged,
    SignalInvalidated,
    SignalRaised,
    SignalValidated,
)
from domain.events.system import ClockStarted
from domain.instruments import Direction, Side, StructureKind
from domain.instruments import Strategy as Bucket
from domain.risk.stage import RiskStage
from domain.signals.evaluate import evaluate_key
from domain.signals.rationale import HONEST_NOTE
from domain.signals.zero_dte import ZeroDteStage
from domain.stage import Consumer
from tests.domain.risk.build import (
    CLOSE,
    DAY,
    HALT,
    NOON,
    OPEN,
    Driven,
    changed,
    desk_events,
    none,
    one,
)
from tests.domain.risk.desk_story import decide
from tests.domain.signals.build import (
    CHEAP_RANGE,
    RANGE,
    TREND,
    Strategy,
    chain_body,
    contracts,
    metrics,
)

SIGNAL_ID = "sig-2026-10-06-SPY-0DTE-bullish-1"


def signals(bodies: list[Body]) -> list[str]:
    kinds = (SignalRaised, SignalValidated, SignalExpired, SignalInvalidated, SignalGatesChanged)
    return [type(body).__name__ for body in bodies if isinstance(body, kinds)]


def valid(**parameters: Any) -> tuple[Strategy, SignalValidated]:
    """A strategy with one valid signal, at the moment it became valid."""
    strategy = Strategy(**parameters)
    found: SignalValidated = one(strategy.evaluate(after=0.0), SignalValidated)
    return strategy, found


def refused(signal_id: str = SIGNAL_ID) -> RiskDecided:
    return RiskDecided(
        decision_id=f"dec-{signal_id}", signal_id=signal_id, strategy=Bucket.ZERO_DTE,
        symbol="SPY", approved=False, units=0, denials=("SIZE",), checks=(), size=None,
        max_loss_usd=Decimal(0), max_profit_usd=None, equity_usd=None, broker_ready_id="",
        decided_at=NOON,
    )  # fmt: skip


def ordered(signal: SignalValidated) -> OrderIntended:
    return OrderIntended(
        order_ref="ref-1", order_id=1, client_id=1, connection="c", broker_ready_id="b",
        purpose=Purpose.ENTRY, signal_id=signal.signal_id, decision_id="d", position_id="p",
        structure=signal.structure, action=Side.BUY, quantity=5, order_type=OrderType.LIMIT,
        limit_price=Decimal("0.75"), stop_price=None, account="DU1",
    )  # fmt: skip


def order_changed(state: OrderState, filled: int = 0) -> OrderChanged:
    return OrderChanged(
        order_ref="ref-1", order_id=1, perm_id=1, state=state, filled=filled, remaining=0, reason=""
    )


def opened(signal: SignalValidated) -> PositionOpened:
    return PositionOpened(
        position_id="p", signal_id=signal.signal_id, decision_id="d", strategy=Bucket.ZERO_DTE,
        symbol="SPY", direction=signal.direction, structure=signal.structure, planned_units=5,
        exit_plan=signal.exit_plan, max_loss_per_unit_usd=Decimal(80), risk_units=Decimal(1),
        opened_at=NOON,
    )  # fmt: skip


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


@pytest.mark.parametrize(("seconds", "stale"), [(19.9, False), (20.0, False), (20.1, True)])
def test_signal_is_stale_by_age(seconds: float, stale: bool) -> None:
    strategy, _ = valid()
    emitted = strategy.tick(after=seconds)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale
    if stale:
        assert one(emitted, SignalInvalidated).condition == "age"


MOVE = 0.15 * 2.2e-5**0.5 * 600


@pytest.mark.parametrize(
    ("moved", "stale"), [(MOVE - 1e-6, False), (MOVE + 1e-6, True), (-MOVE - 1e-6, True)]
)
def test_signal_is_stale_when_the_underlying_moved_either_way(moved: float, stale: bool) -> None:
    strategy, _ = valid()
    body = chain_body(strategy.at)
    emitted = strategy.evaluate(body=body, spot_mid=600.0 + moved)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale
    if stale:
        assert one(emitted, SignalInvalidated).condition == "underlying"


def quoted(bid_shift: float, ask_shift: float) -> Any:
    """The chain with the long leg's quote moved."""
    body = chain_body(NOON)
    at = body.con_id.index(next(c.con_id for c in contracts() if c.strike == 600))
    assert body.bid[at] is not None and body.ask[at] is not None
    body.bid[at] = round((body.bid[at] or 0) + bid_shift, 3)
    body.ask[at] = round((body.ask[at] or 0) + ask_shift, 3)
    return body


@pytest.mark.parametrize(
    ("bid", "ask", "condition"),
    [
        (0.02, 0.02, None),
        (0.021, 0.021, "structure_mid"),
        (-0.5, -0.5, None),
        (-0.005, 0.005, None),
        (-0.006, 0.006, "leg_spread"),
    ],
)
def test_signal_is_stale_when_its_mid_runs_away_or_a_spread_widens(
    bid: float, ask: float, condition: str | None
) -> None:
    strategy, _ = valid()
    emitted = strategy.evaluate(body=quoted(bid, ask))
    if condition is None:
        assert signals(emitted) == []
    else:
        assert one(emitted, SignalInvalidated).condition == condition


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        ({"gex_regime": "NEUTRAL"}, "gex_regime"),
        ({"flip_side": "ABOVE"}, "flip_side"),
        ({"news_state": "SHOCK"}, "shock"),
        ({"calendar_state": "BLACKOUT"}, "blackout"),
        ({"spot_mid": None}, "underlying"),
    ],
)
def test_signal_is_stale_when_the_market_is_another(change: dict[str, Any], condition: str) -> None:
    strategy, _ = valid()
    emitted = strategy.evaluate(body=chain_body(strategy.at), **change)
    assert one(emitted, SignalInvalidated).condition == condition


@pytest.mark.parametrize(("slack", "stale"), [(0.021, False), (0.019, True)])
def test_signal_is_stale_when_its_probability_fell_below_the_threshold_less_slack(
    slack: float, stale: bool
) -> None:
    weak: dict[str, Any] = {"fi_s": -0.9, "delta_flow_z": -4.0, "sweep_z": -4.0, "peers_x": -1.0}
    probe = Strategy()
    probe.evaluate()
    made = probe.evaluate(after=0.0, **weak)
    assert none(made, SignalInvalidated)
    found = evaluate_key(probe.state, ("SPY", Direction.BULLISH), probe.at)
    assert found is not None
    strategy, _ = valid(signals__0dte__trend__p_min=found.case.p_side + 0.02,
                        signals__0dte__stale__p_slack=slack)  # fmt: skip
    emitted = strategy.evaluate(**weak)
    assert (signals(emitted) == ["SignalInvalidated"]) is stale


def test_signal_is_stale_when_a_feature_fails_and_coverage_falls_below_its_minimum() -> None:
    strategy, _ = valid()
    names = ("fi_s", "delta_flow_z", "sweep_z", "tide_slope_z")
    fine = dict.fromkeys(names, Quality.STALE)
    assert signals(strategy.evaluate(qualities=fine, after=0.0)) == []
    emitted = strategy.evaluate(qualities={**fine, "ofi_5m_z": Quality.STALE})
    assert one(emitted, SignalInvalidated).condition == "coverage"


def test_halt_and_a_closed_clock_invalidate_at_once() -> None:
    strategy, _ = valid()
    assert one(strategy.when(HALT), SignalInvalidated).condition == "halt"
    strategy, _ = valid()
    clock = ClockStarted(base_market_time=NOON, speed=60, session_date=DAY, entries_open=False)
    assert one(strategy.when(clock), SignalInvalidated).condition == "clock"


def test_a_halt_of_the_underlying_ends_its_signal_and_blocks_entries_five_minutes_more() -> None:
    strategy, valid_one = valid()
    other = "IWM" if valid_one.symbol == "SPY" else "SPY"
    assert signals(strategy.when(HaltStarted(symbol=other, source="vendor", at=NOON))) == []
    halt = HaltStarted(symbol=valid_one.symbol, source="broker", at=NOON)
    assert one(strategy.when(halt), SignalInvalidated).condition == "halt"
    until = NOON + timedelta(minutes=5)
    strategy.when(HaltEnded(symbol=valid_one.symbol, at=NOON, entries_from=until))
    strategy.tick_forward(298.0)
    for body in desk_events():
        strategy.when(body)
    assert signals(strategy.evaluate(after=2.0)) == ["SignalRaised"]
    assert signals(strategy.evaluate()) == ["SignalValidated"]


def test_halted_desk_keeps_candidates_and_validates_none_until_the_release() -> None:
    strategy = Strategy()
    strategy.when(TradingHalted(who="op", reason="x"))
    assert signals(strategy.evaluate()) == ["SignalRaised"]
    strategy.when(TradingReleased(who="op", reason="ok"))
    assert signals(strategy.evaluate()) == ["SignalValidated"]
    other = Strategy()
    other.when(BrokerDisconnected(connection="c", reason="lost"))
    assert signals(other.evaluate()) == ["SignalRaised"]


def test_closed_clock_ends_a_candidate_once_though_numbers_come_in_the_same_second() -> None:
    strategy = Strategy()
    strategy.when(TradingHalted(who="op", reason="x"))
    assert signals(strategy.evaluate()) == ["SignalRaised"]
    strategy.when(
        ClockStarted(base_market_time=NOON, speed=60, session_date=DAY, entries_open=False)
    )
    assert signals(strategy.evaluate(after=0.0)) == []
    assert signals(strategy.tick()) == ["SignalExpired"]
    assert signals(strategy.evaluate()) == []


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


def predictions(bodies: list[Body], model: str, *, scheduled: bool) -> list[PredictionMade]:
    return [
        b for b in bodies
        if isinstance(b, PredictionMade) and b.model == model and b.scheduled is scheduled
    ]  # fmt: skip


def test_direction_is_predicted_once_in_each_slot_whether_traded_or_not() -> None:
    strategy = Strategy(at=OPEN + timedelta(minutes=30))
    quiet: dict[str, Any] = {"noise_x": 0.0, "or_break": 0.0}
    made = predictions(strategy.evaluate(**quiet), "P2", scheduled=True)
    assert [m.prediction_id for m in made] == ["p2-2026-10-06-SPY-0"]
    assert made[0].horizon_end == OPEN + timedelta(minutes=60)
    assert predictions(strategy.evaluate(**quiet), "P2", scheduled=True) == []
    strategy.at = OPEN + timedelta(minutes=35)
    made = predictions(strategy.evaluate(**quiet), "P2", scheduled=True)
    assert [m.prediction_id for m in made] == ["p2-2026-10-06-SPY-1"]
    early = Strategy(at=OPEN + timedelta(minutes=29, seconds=55))
    assert predictions(early.evaluate(), "P2", scheduled=True) == []
    last = Strategy(at=CLOSE - timedelta(minutes=30))
    made = predictions(last.evaluate(), "P2", scheduled=True)
    assert made[0].horizon_end == CLOSE


@pytest.mark.parametrize(("mid", "outcome"), [(600.01, 1.0), (599.99, 0.0), (600.0, 0.5)])
def test_direction_is_resolved_at_its_horizon_and_recalibrates(mid: float, outcome: float) -> None:
    strategy = Strategy(at=OPEN + timedelta(minutes=30))
    strategy.evaluate(noise_x=0.0, or_break=0.0)
    strategy.at = OPEN + timedelta(minutes=60)
    emitted = strategy.evaluate(spot_mid=mid, noise_x=0.0, or_break=0.0)
    resolved = [b for b in emitted if isinstance(b, PredictionResolved)]
    assert [(b.prediction_id, b.outcome) for b in resolved] == [("p2-2026-10-06-SPY-0", outcome)]
    record = strategy.state.direction_record
    assert record.ever.weight == 1 and record.ever.base == outcome
    assert (record.recalibration.b > 0.5) is (outcome == 1.0)


def test_prediction_without_data_at_its_end_is_void_and_counts_nowhere() -> None:
    strategy = Strategy(at=OPEN + timedelta(minutes=30))
    strategy.evaluate(noise_x=0.0, or_break=0.0)
    strategy.at = OPEN + timedelta(minutes=61)
    assert strategy.tick(after=0) == []
    assert one(strategy.tick(), PredictionVoided).model == "P2"
    assert strategy.state.direction_record.ever.weight == 0


def test_structure_outcome_is_predicted_once_a_signal_even_when_the_desk_may_not_trade() -> None:
    strategy = Strategy()
    strategy.when(HALT)
    made = predictions(strategy.evaluate(), "P5", scheduled=False)
    assert [m.prediction_id for m in made] == [f"p5-{SIGNAL_ID}"]
    assert predictions(strategy.evaluate(), "P5", scheduled=False) == []
    assert predictions(Strategy(lines=False).evaluate(), "P5", scheduled=False) == []


def resolved_structure(strategy: Strategy, emitted: list[Body]) -> float | None:
    found = [b for b in emitted if isinstance(b, PredictionResolved) and b.model == "P5"]
    return found[0].outcome if found else None


def test_structure_outcome_is_one_at_the_target() -> None:
    strategy, signal = valid()
    strategy.when(refused())
    strategy.tick_forward(5)
    # At 604 the vertical 600/602 is worth nearly its width.
    emitted = strategy.evaluate(body=chain_body(strategy.at, spot=604.0), spot_mid=604.0)
    assert resolved_structure(strategy, emitted) == 1.0
    assert strategy.state.structure_record.hit_rate == 1.0
    assert strategy.state.neutral_record.hit_rate is None
    assert signal.risk_inputs.model_hits is None


def test_structure_outcome_is_zero_at_the_stop_on_two_refreshes_in_a_row() -> None:
    strategy, _ = valid()
    strategy.when(refused())
    strategy.tick_forward(5)
    low: dict[str, Any] = {"spot_mid": 598.0, "noise_x": 0.0, "or_break": 0.0}
    once = strategy.evaluate(body=chain_body(strategy.at, spot=598.0), **low)
    assert resolved_structure(strategy, once) is None
    twice = strategy.evaluate(body=chain_body(strategy.at, spot=598.0), **low)
    assert resolved_structure(strategy, twice) == 0.0


def test_structure_outcome_at_the_time_stop_lies_between() -> None:
    strategy, signal = valid()
    strategy.when(refused())
    strategy.at = signal.exit_plan.time_stop_at
    emitted = strategy.evaluate(noise_x=0.0, or_break=0.0)
    outcome = resolved_structure(strategy, emitted)
    assert outcome is not None and 0 < outcome < 1


def test_condor_outcome_recalibrates_the_neutral_model() -> None:
    strategy = Strategy(**CHEAP_RANGE)
    strategy.evaluate(RANGE)
    emitted = strategy.evaluate(
        RANGE, body=chain_body(strategy.at, spot=602.9, volatility=0.23), spot_mid=602.9
    )
    outcome = resolved_structure(strategy, emitted)
    assert outcome is not None and outcome < 1
    assert strategy.state.neutral_record.hit_rate == outcome


def test_back_inside_the_noise_area_and_across_vwap_twice_ends_the_followed_trend() -> None:
    strategy, _ = valid()
    strategy.when(refused())
    back: dict[str, Any] = {"minute_close": 597.9, "noise_x": 0.0, "or_break": 0.0}
    strategy.tick_forward(60)
    assert resolved_structure(strategy, strategy.evaluate(after=60, **back)) is None
    assert resolved_structure(strategy, strategy.evaluate(**back)) is not None


def test_older_evaluations_and_foreign_expiries_change_nothing() -> None:
    strategy = Strategy(lines=False)
    strategy.evaluate(noise_x=0.0, or_break=0.0)
    assert strategy.when(metrics(dict(TREND), NOON - timedelta(seconds=5))) == []


def story() -> Strategy:
    strategy = Strategy(lines=False)
    strategy.evaluate()
    strategy.tick()
    for listed in contracts():
        strategy.when(LineOpened(contract=listed))
    signal = one(strategy.evaluate(), SignalValidated)
    strategy.when(ordered(signal))
    strategy.when(opened(signal))
    strategy.when(order_changed(OrderState.FILLED, filled=5))
    for minute in range(40):
        strategy.at = NOON + timedelta(minutes=minute + 1)
        strategy.evaluate(spot_mid=600.0 + minute / 10, after=1.0)
        strategy.tick()
    strategy.when(HALT)
    strategy.evaluate(RANGE)
    return strategy


def test_folding_the_recorded_log_gives_the_live_state() -> None:
    strategy = story()
    assert strategy.folded().states == strategy.consumer.states


def test_two_runs_decide_the_same() -> None:
    strategy = story()
    assert strategy.repeated() == [emitted for _, emitted in strategy.inputs]


def test_what_is_read_back_from_the_log_folds_to_the_same_state() -> None:
    strategy = story()
    stored = [event for _, emitted in strategy.inputs for event in emitted]
    assert len(stored) >= 25
    again: Consumer[Any] = Consumer("signals", "test", [ZeroDteStage()])
    for source, emitted in strategy.inputs:
        read = [
            replace(event, body=decode_body(event.type, event.schema, encode_body(event.body)))
            for event in emitted
        ]
        assert [event.body for event in read] == [event.body for event in emitted]
        again.fold(source, read)
    assert again.states == strategy.consumer.states
