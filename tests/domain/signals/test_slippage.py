"""What fills cost goes into the cost of the next candidate, and the decision says from where."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from domain.events.orders import FillRecorded, OrderState
from domain.events.signals import SignalRaised, SignalValidated
from domain.instruments import Side
from domain.signals.slippage import FILLS_MIN, Slippage
from tests.domain.risk.build import NOON, one
from tests.domain.signals.build import Strategy
from tests.domain.signals.day import opened, order_changed, ordered, valid


def fill(number: int, slippage: str | None, **changes: Any) -> FillRecorded:
    """The own execution of a combination, so much a share worse than its decision's mid."""
    values: dict[str, Any] = {
        "fill_id": f"f{number}",
        "exec_id": f"f{number}.01",
        "order_ref": "ref-1",
        "position_id": "p",
        "contract": None,
        "side": Side.BUY,
        "quantity": 1,
        "price": Decimal("0.75"),
        "executed_at": NOON,
        "slippage_decision": None if slippage is None else Decimal(slippage),
    }
    return FillRecorded(**{**values, **changes})


def filled(count: int, slippage: str) -> tuple[Strategy, SignalValidated]:
    strategy, signal = valid()
    strategy.when(ordered(signal))
    for number in range(count):
        strategy.when(fill(number, slippage))
    strategy.when(opened(signal))
    strategy.when(order_changed(OrderState.FILLED, filled=5))
    return strategy, signal


def cost_said(strategy: Strategy) -> str:
    raised = one(strategy.evaluate(), SignalRaised)
    return str(next(gate for gate in raised.gates if gate.code == "EV_POSITIVE").reason)


def test_a_candidate_is_not_called_cheap_while_fills_say_that_it_is_not() -> None:
    strategy, signal = filled(FILLS_MIN, "0.05")
    said = cost_said(strategy)
    commissions = 2 * 2 * 0.70
    assert f"cost {commissions + 200 * 0.05:.2f}" in said
    assert f"slippage 0.0500 of {FILLS_MIN} fills, budget {signal.mid_against_max}" in said
    assert signal.risk_inputs.cost_usd == pytest.approx(commissions + 200 * 0.02)


def test_a_few_fills_do_not_take_the_place_of_the_budget() -> None:
    strategy, _ = filled(FILLS_MIN - 1, "0.05")
    assert "slippage 0.0200 budgeted" in cost_said(strategy)


def test_good_luck_never_makes_the_cost_less_than_commissions() -> None:
    strategy, _ = filled(FILLS_MIN, "-0.03")
    assert "cost 2.80, slippage 0.0000 of 20 fills" in cost_said(strategy)


def test_newer_fills_weigh_more_and_twenty_later_ones_halve_a_fill() -> None:
    measured = Slippage()
    measured.follow("p")
    measured.filled(fill(0, "1.00"))
    for number in range(1, 21):
        measured.filled(fill(number, "0.00"))
    weights = [2.0 ** (-age / 20) for age in range(21)]
    assert measured.measured == pytest.approx(weights[20] / sum(weights))
    assert weights[20] == 0.5


def test_no_fill_of_another_bucket_and_no_correction_counts() -> None:
    measured = Slippage()
    measured.follow("p")
    for number in range(FILLS_MIN):
        measured.filled(fill(number, "0.01", position_id="other"))
        measured.filled(fill(number, None))
        measured.filled(fill(number, "0.01", corrects="f0.01"))
    assert measured.measured is None


def test_the_cost_of_a_restarted_desk_is_that_of_the_log() -> None:
    strategy, _ = filled(FILLS_MIN, "0.05")
    assert strategy.folded().states == strategy.consumer.states
