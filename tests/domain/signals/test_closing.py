"""The closing-imbalance bucket: window, entry row, gates, structure, exits, one entry a day."""

from __future__ import annotations

from dataclasses import replace as changed_case
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.event import Body
from domain.events.analytics import ChainEvaluated
from domain.events.feeds import LineOpened
from domain.events.positions import PositionOpened
from domain.events.signals import Gate, Result, SignalRaised, SignalValidated
from domain.instruments import Direction, Right, StructureKind
from domain.instruments import Strategy as Strategies
from domain.signals.bucket import Variant
from domain.signals.case import Case
from domain.signals.closing import CLOSING, ClosingStage, gain_gate
from domain.signals.evaluate import evaluate_key
from domain.signals.gates import evaluate
from domain.signals.structure import Choice
from tests.domain.risk.build import (
    CLOSE,
    DAY,
    Driven,
    changed,
    desk_events,
    none,
    one,
    parameters,
    session,
    session_planned,
)
from tests.domain.signals.build import SPOT, TREND, chain_body, contracts, metrics

AT = CLOSE - timedelta(minutes=8)
AUCTION: dict[str, float | str | None] = {
    **{name: value for name, value in TREND.items() if not name.endswith("_0dte")},
    "atm_iv_1dte": 0.20,
    "em_1sd_1dte": 5.0,
    "forward_ok_1dte": 1.0,
    "surface_valid_strikes_1dte": 30.0,
    "vrp_1dte": 1.05,
    "v_to_expiry_1dte": 6e-5,
    "late_mom_x": 0.4,
    "auction_q": 0.012,
    "auction_z": 3.0,
    "auction_persist": 1.0,
    "auction_paired_ratio": 0.8,
    "auction_sign_held_s": 60.0,
    "auction_ind_dev_bps": 4.0,
    "auction_moved_bps": 1.0,
    "auction_k_bps": 8.0,
}
"""Eight minutes before the close with much to buy: every gate passes."""


def next_expiry(at: datetime, spot: float = SPOT) -> ChainEvaluated:
    """The next session's chain, worth what a day more makes it worth."""
    made = chain_body(at - timedelta(hours=20), spot=spot, volatility=0.20)
    return replace(made, expiry=DAY + timedelta(days=1), evaluated_at=at)


class Closing(Driven):
    """The stage minutes before the close, the desk ready and every option on a line."""

    def __init__(self, at: datetime = AT, **changes: Any) -> None:
        super().__init__(ClosingStage(), worker="signals")
        self.at = at
        self.when(changed(**changes))
        for body in desk_events():
            self.when(body)
        for listed in contracts():
            self.when(LineOpened(contract=listed))

    def evaluate(self, **values: float | str | None) -> list[Body]:
        self.when(next_expiry(self.at))
        return self.when(metrics({**AUCTION, **values}, self.at))

    def gates(self, direction: Direction = Direction.BULLISH) -> dict[str, Result]:
        """Every gate of a case, whether or not it is a candidate."""
        return {gate.code: gate.result for gate in self.all_gates(direction)}

    def gate(self, code: str) -> Gate:
        return next(gate for gate in self.all_gates() if gate.code == code)

    def case(self, direction: Direction = Direction.BULLISH) -> Case:
        found = evaluate_key(self.state, ("SPY", direction), self.at, always_choose=True)
        assert found is not None
        return found.case

    def all_gates(self, direction: Direction = Direction.BULLISH) -> tuple[Gate, ...]:
        return evaluate(self.case(direction), self.state.parameters)


def raised(**values: float | str | None) -> SignalRaised | None:
    found = Closing().evaluate(**values)
    return next((body for body in found if isinstance(body, SignalRaised)), None)


def test_much_to_buy_becomes_one_long_call_of_the_next_expiry() -> None:
    signal: SignalValidated = one(Closing().evaluate(), SignalValidated)
    assert signal.strategy is Strategies.CLOSING
    assert signal.direction is Direction.BULLISH
    assert signal.structure.kind is StructureKind.LONG_OPTION
    (leg,) = signal.structure.legs
    assert leg.contract.expiry == DAY + timedelta(days=1)
    assert leg.contract.right is Right.CALL
    assert 0.49 <= signal.risk_inputs.legs[0].delta <= 0.61


def test_much_to_sell_becomes_a_long_put() -> None:
    mirrored = {
        name: -float(AUCTION[name] or 0)
        for name in (
            *("vwap_dev", "ofi_5m_z", "late_mom_x", "auction_q", "auction_z", "auction_persist"),
            *("auction_ind_dev_bps", "auction_moved_bps", "auction_k_bps"),
        )
    }
    signal: SignalValidated = one(Closing().evaluate(**mirrored), SignalValidated)
    assert signal.direction is Direction.BEARISH
    assert signal.structure.legs[0].contract.right is Right.PUT


def test_it_is_left_at_a_fifth_or_after_the_bell_and_never_held_overnight() -> None:
    plan = one(Closing().evaluate(), SignalValidated).exit_plan
    mid = one(Closing().evaluate(), SignalValidated).risk_inputs.net_mid
    assert abs(plan.target_price - mid * Decimal("1.2")) <= Decimal("0.01")
    assert abs(plan.stop_price - mid * Decimal("0.8")) <= Decimal("0.01")
    assert plan.time_stop_at == CLOSE + timedelta(minutes=2)
    assert plan.forced_flat_at == CLOSE + timedelta(minutes=10)
    assert plan.invalidation == ""


@pytest.mark.parametrize(("half", "minutes"), [(False, 390), (True, 210)])
def test_the_window_ends_with_the_close_also_of_a_half_day(half: bool, minutes: int) -> None:
    day = session(half=half)
    close = day.open_at + timedelta(minutes=minutes)
    window = CLOSING.rules.window(Variant.CLOSING, day, parameters())
    assert window == (close - timedelta(minutes=9, seconds=55), close - timedelta(minutes=3))


def test_a_window_of_no_length_is_still_the_moment_of_its_start() -> None:
    used = parameters(signals__moc__closing__start_s=300.0, signals__moc__closing__end_s=300.0)
    moment = CLOSE - timedelta(seconds=300)
    assert CLOSING.rules.window(Variant.CLOSING, session(), used) == (moment, moment)


@pytest.mark.parametrize(
    ("seconds", "arises"), [(596, False), (595, True), (181, True), (180, False)]
)
def test_no_candidate_arises_outside_the_window(seconds: int, arises: bool) -> None:
    found = Closing(CLOSE - timedelta(seconds=seconds)).evaluate()
    assert any(isinstance(body, SignalRaised) for body in found) is arises


@pytest.mark.parametrize(
    ("changes", "arises"),
    [
        ({"auction_z": 1.5, "auction_sign_held_s": 20.0}, True),
        ({"auction_z": 1.49}, False),
        ({"auction_z": -3.0}, False),
        ({"auction_sign_held_s": 19.9}, False),
        ({"auction_z": None}, False),
        ({"auction_sign_held_s": None}, False),
        ({"auction_ind_dev_bps": -0.01, "vwap_dev": 4.0}, False),
        ({"auction_ind_dev_bps": 0.0, "vwap_dev": 4.0}, True),
        ({"auction_ind_dev_bps": None, "vwap_dev": 4.0}, True),
    ],
)
def test_entry_row_at_its_boundaries(changes: dict[str, float | None], arises: bool) -> None:
    assert (raised(**changes) is not None) is arises


@pytest.mark.parametrize(
    ("seconds", "deviation", "result"),
    [
        (301, -6.0, Result.FAIL),
        (301, 0.0, Result.PASS),
        (301, None, Result.PASS),
        (300, -6.0, Result.FAIL),
        (300, 0.0, Result.PASS),
        (300, None, Result.UNEVALUABLE),
    ],
)
def test_indicative_prices_on_the_other_side_count_when_known_and_must_be_for_five_minutes(
    seconds: int, deviation: float | None, result: Result
) -> None:
    closing = Closing(CLOSE - timedelta(seconds=seconds))
    closing.evaluate(auction_ind_dev_bps=deviation)
    assert closing.gates()["ENTRY_SCORE"] is result


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"auction_moved_bps": 4.8}, Result.PASS),
        ({"auction_moved_bps": 4.81}, Result.FAIL),
        ({"auction_moved_bps": -20.0}, Result.PASS),
        # 0.55 of 600 dollars moves 3.3 cents a basis point: three costs of 3.40 are 3.1 of them.
        ({"auction_k_bps": 2.5, "auction_moved_bps": 0.0}, Result.FAIL),
        ({"auction_k_bps": 4.0, "auction_moved_bps": 0.0}, Result.PASS),
        ({"auction_k_bps": None}, Result.UNEVALUABLE),
        ({"auction_moved_bps": None}, Result.UNEVALUABLE),
    ],
)
def test_enough_of_the_expected_move_is_left_and_pays_the_costs(
    changes: dict[str, float | None], result: Result
) -> None:
    closing = Closing()
    closing.evaluate(**changes)
    assert closing.gates()["AUCTION_GAIN_LEFT"] is result


def test_without_auction_data_there_is_no_trade_and_the_gate_says_so() -> None:
    closing = Closing()
    missing: dict[str, float | str | None] = {
        name: None for name in AUCTION if name.startswith("auction_")
    }
    none(closing.evaluate(**missing), SignalRaised)
    assert closing.gates()["NO_AUCTION_DATA"] is Result.UNEVALUABLE


def test_the_gate_of_data_tells_the_imbalance_or_that_it_is_missing() -> None:
    closing = Closing()
    closing.evaluate()
    known = closing.gate("NO_AUCTION_DATA")
    assert (known.result, known.measured, known.reason) == (Result.PASS, "0.012", "")
    closing.evaluate(auction_q=None)
    missing = closing.gate("NO_AUCTION_DATA")
    assert (missing.measured, missing.reason) == ("-", "missing: auction_q")


def test_without_a_structure_nobody_can_tell_what_is_to_gain() -> None:
    closing = Closing()
    closing.when(metrics(AUCTION, closing.at))
    found = closing.gate("AUCTION_GAIN_LEFT")
    assert (found.result, found.reason) == (Result.UNEVALUABLE, "missing: structure")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (("auction_k_bps",), "auction_k_bps"),
        (("auction_moved_bps", "spot_mid"), "auction_moved_bps, spot_mid"),
    ],
)
def test_the_gate_of_the_gain_names_what_is_missing(missing: tuple[str, ...], named: str) -> None:
    closing = Closing()
    closing.evaluate(**dict.fromkeys(missing))
    assert closing.gate("AUCTION_GAIN_LEFT").reason == f"missing: {named}"


def test_a_move_that_is_expected_the_other_way_is_no_gain() -> None:
    """Less to sell than usual scores as buying, and still pulls the price down."""
    closing = Closing()
    closing.evaluate(auction_q=-0.001, auction_k_bps=-8.0, auction_moved_bps=-1.0)
    found = closing.gate("AUCTION_GAIN_LEFT")
    assert found.result is Result.FAIL
    assert found.measured == "expected move -8.00 bps, on the other side"


@pytest.mark.parametrize("expected", [0.0, 0.5])
def test_a_move_that_is_hardly_expected_is_weighed_against_the_cost(expected: float) -> None:
    closing = Closing()
    closing.evaluate(auction_k_bps=expected, auction_moved_bps=0.0)
    found = closing.gate("AUCTION_GAIN_LEFT")
    assert found.result is Result.FAIL
    assert found.measured.startswith(f"moved 0.00 of {expected:.2f} bps, remaining gain")


def test_a_symbol_is_not_entered_one_way_while_it_is_being_entered_the_other() -> None:
    closing = Closing()
    one(closing.evaluate(), SignalValidated)
    other = {gate.code: gate for gate in closing.all_gates(Direction.BEARISH)}["ENTRIES_TODAY"]
    assert (other.result, other.measured) == (Result.FAIL, "0, another one being entered")
    own = closing.gate("ENTRIES_TODAY")
    assert (own.result, own.measured) == (Result.PASS, "0"), "itself does not count"


def gain_of(case: Case, **changes: float) -> Gate:
    return gain_gate(case, parameters(**changes))


@pytest.mark.parametrize("direction", [Direction.BULLISH, Direction.BEARISH])
def test_a_gain_of_just_so_many_costs_is_enough(direction: Direction) -> None:
    """What is left of the expected move, by spot, delta and hundred shares, against one cost."""
    closing = Closing()
    sign = 1 if direction is Direction.BULLISH else -1
    closing.evaluate(auction_k_bps=sign * 8.0, auction_moved_bps=sign * 2.0)
    case = closing.case(direction)
    assert isinstance(case.chosen, Choice) and case.odds is not None
    (row,) = case.chosen.rows
    case = changed_case(case, chosen=changed_case(case.chosen, rows=(
        replace(row, delta=sign * 0.5),)))  # fmt: skip
    gain = (8.0 - 2.0) / 1e4 * 600.0 * 0.5 * 100
    for cost, result in ((gain, Result.PASS), (gain + 1e-9, Result.FAIL)):
        paid = changed_case(case, odds=changed_case(case.odds, cost_usd=cost))
        assert gain_of(paid, signals__moc__closing__gain_costs_min=1.0).result is result


def test_a_gain_cannot_be_told_without_a_delta_or_a_cost() -> None:
    closing = Closing()
    closing.evaluate()
    case = closing.case()
    assert isinstance(case.chosen, Choice)
    blind = changed_case(case.chosen, rows=(replace(case.chosen.rows[0], delta=None),))
    for unknown in (changed_case(case, odds=None), changed_case(case, chosen=blind)):
        found = gain_of(unknown)
        assert (found.result, found.reason) == (Result.UNEVALUABLE, "missing: structure")


def test_a_probability_at_its_threshold_is_enough() -> None:
    found = one(Closing().evaluate(), SignalRaised).probability
    at_limit = Closing(signals__moc__closing__p_min=found)
    assert at_limit.evaluate()
    assert at_limit.gates()["ENTRY_SCORE"] is Result.PASS


def test_a_symbol_is_entered_once_a_day_whichever_way() -> None:
    closing = Closing()
    signal: SignalValidated = one(closing.evaluate(), SignalValidated)
    assert closing.gates()["ENTRIES_TODAY"] is Result.PASS
    closing.when(
        PositionOpened(
            position_id="p", signal_id=signal.signal_id, decision_id="d",
            strategy=Strategies.CLOSING, symbol="SPY", direction=signal.direction,
            structure=signal.structure, planned_units=5, exit_plan=signal.exit_plan,
            max_loss_per_unit_usd=Decimal(80), risk_units=Decimal(1), opened_at=closing.at,
        )
    )  # fmt: skip
    for direction in CLOSING.directions:
        assert closing.gates(direction)["ENTRIES_TODAY"] is Result.FAIL


def test_the_day_after_it_may_be_entered_again() -> None:
    closing = Closing()
    closing.state.entries[("SPY", Direction.BULLISH)] = 1
    closing.when(session_planned(DAY + timedelta(days=1)))
    assert not closing.state.entries


def test_the_other_expiry_of_today_is_no_chain_for_it() -> None:
    closing = Closing()
    closing.when(chain_body(closing.at))
    none(closing.when(metrics(AUCTION, closing.at)), SignalValidated)
    assert closing.gates()["NO_EXPIRY"] is Result.FAIL


def test_features_are_those_of_the_closing_column_and_add_up() -> None:
    signal: SignalRaised = one(Closing().evaluate(), SignalRaised)
    x = {feature.name: feature.x for feature in signal.features}
    assert list(x) == list(CLOSING.features)
    assert x["imb"] == pytest.approx(0.905148253645, abs=1e-12)  # tanh(3/2)
    assert x["imb_persist"] == pytest.approx(0.8)
    assert x["ind_dev"] == pytest.approx(0.664036770268, abs=1e-12)  # tanh(4/5)
    assert x["moved_already"] == pytest.approx(-0.125)  # an eighth of 8 bps, against buying
    total = signal.bias + signal.clip_adjust + sum(f.contribution for f in signal.features)
    assert total == pytest.approx(0.5 * signal.score, abs=1e-9)
