"""Local margin estimate, comparison with the what-if, and what must remain."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.events.risk import Check
from domain.events.signals import Result
from domain.instruments import Strategy, Structure
from domain.risk.codes import DenialCode
from domain.risk.margin import (
    Answer,
    day_trade_check,
    is_mismatch,
    local_estimate,
    margin_checks,
    needs_what_if,
)
from tests.domain.risk.build import (
    EQUITY,
    call_vertical,
    condor,
    long_call,
    parameters,
    put_credit,
)

PARAMETERS = parameters()
VALUES = {
    "ExcessLiquidity": "1000000",
    "LookAheadExcessLiquidity": "1000000",
    "PostExpirationExcess": "1000000",
}


def answer(change: str | None) -> Answer:
    number = None if change is None else Decimal(change)
    return Answer(number, number, "dec-1", 1, Decimal("-1.00"))


def checks(shape: Structure, given: Answer | None = None, **values: str) -> dict[str, Check]:
    estimate = local_estimate(shape, Decimal("-1.00"), 1)
    found = margin_checks(shape, estimate, given, {**VALUES, **values}, EQUITY, PARAMETERS)
    return {check.code: check for check in found}


@pytest.mark.parametrize(
    ("shape", "price", "margin"),
    [
        (long_call(), "2.00", 400),
        (call_vertical(), "1.50", 300),
        (put_credit(596, 592), "-1.00", 600),
        (condor(587, 592, 608, 612), "-1.00", 800),
    ],
)
def test_estimate_of_two_units_follows_the_strategy_rules(
    shape: Structure, price: str, margin: int
) -> None:
    assert local_estimate(shape, Decimal(price), 2) == margin


@pytest.mark.parametrize(
    ("estimate", "change", "mismatch"),
    [
        ("1000", "1200", False),
        ("1000", "1200.01", True),
        ("100", "150", False),
        ("100", "150.01", True),
        ("1000", "0", False),
    ],
)
def test_mismatch_needs_more_than_the_share_and_more_than_the_amount(
    estimate: str, change: str, mismatch: bool
) -> None:
    assert is_mismatch(Decimal(estimate), Decimal(change), PARAMETERS) is mismatch


def test_a_credit_structure_without_answer_is_unevaluable() -> None:
    found = checks(condor())
    assert found[DenialCode.MARGIN].result is Result.UNEVALUABLE
    assert found[DenialCode.MARGIN_MISMATCH].result is Result.UNEVALUABLE
    assert "what-if" in found[DenialCode.MARGIN].input
    assert checks(condor(), answer(None))[DenialCode.MARGIN].result is Result.UNEVALUABLE


def test_an_answer_near_the_estimate_passes_and_one_far_above_fails() -> None:
    assert checks(condor(), answer("300"))[DenialCode.MARGIN_MISMATCH].result is Result.PASS
    assert checks(condor(), answer("400"))[DenialCode.MARGIN_MISMATCH].result is Result.FAIL


def test_every_short_leg_is_margined_by_the_broker_whatever_the_parameter_says() -> None:
    """No default and no setting may let a short leg past the broker's own margin."""
    for mode in ("short_leg", "every"):
        given = parameters(risk__margin__what_if_for=mode)
        for shape in (call_vertical(), put_credit(), condor()):
            assert needs_what_if(shape, given)
        assert needs_what_if(long_call(), given) is (mode == "every")


@pytest.mark.parametrize(("age", "result"), [(10.0, "pass"), (10.1, "fail")])
def test_an_old_what_if_answer_is_not_traded_on(age: float, result: str) -> None:
    """Margin asked for before a move says nothing about the account now."""
    old = Answer(Decimal(300), None, "dec-1", 1, Decimal("-1.00"), age)
    assert checks(condor(), old)[DenialCode.MARGIN].result == result


@pytest.mark.parametrize(("excess", "result"), [("300299.99", "fail"), ("300300", "pass")])
def test_excess_liquidity_after_the_trade_keeps_its_share(excess: str, result: str) -> None:
    assert (
        checks(condor(), answer("300"), ExcessLiquidity=excess)[DenialCode.MARGIN_EXCESS].result
        == result
    )


@pytest.mark.parametrize(("excess", "result"), [("300799.99", "fail"), ("300800", "pass")])
def test_margin_is_not_promised_twice_while_another_entry_works(excess: str, result: str) -> None:
    """The account shows nothing of an order that is not filled: it counts as if it were."""
    estimate = local_estimate(condor(), Decimal("-1"), 1)
    values = {**VALUES, "ExcessLiquidity": excess}
    found = {
        check.code: check
        for check in margin_checks(
            condor(), estimate, answer("300"), values, EQUITY, PARAMETERS, Decimal(500)
        )
    }
    assert found[DenialCode.MARGIN_EXCESS].result == result


@pytest.mark.parametrize(("ahead", "result"), [("300", "fail"), ("300.01", "pass")])
def test_look_ahead_excess_must_stay_above_zero(ahead: str, result: str) -> None:
    found = checks(condor(), answer("300"), LookAheadExcessLiquidity=ahead)
    assert found[DenialCode.MARGIN_LOOK_AHEAD].result == result


def test_a_missing_account_value_is_named() -> None:
    estimate = local_estimate(long_call(), Decimal(2), 1)
    found = {c.code: c for c in margin_checks(long_call(), estimate, None, {}, EQUITY, PARAMETERS)}
    assert found[DenialCode.MARGIN_EXCESS].input == "missing: ExcessLiquidity"
    assert found[DenialCode.MARGIN_LOOK_AHEAD].input == "missing: LookAheadExcessLiquidity"


@pytest.mark.parametrize(
    ("left", "result"), [("0", "fail"), ("1", "pass"), ("-1", "pass"), (None, "pass")]
)
def test_broker_field_blocks_only_when_no_day_trade_is_left(left: str | None, result: str) -> None:
    values = {} if left is None else {"DayTradesRemaining": left}
    found = day_trade_check(Strategy.ZERO_DTE, values, EQUITY, 9, PARAMETERS)
    assert found.result == result
    other = day_trade_check(
        Strategy.FOURTEEN_DTE, {"DayTradesRemaining": "0"}, EQUITY, 9, PARAMETERS
    )
    assert other.result is Result.PASS


@pytest.mark.parametrize(
    ("equity", "trades", "result"),
    [("24999.99", 3, "fail"), ("25000", 3, "pass"), ("24999.99", 2, "pass")],
)
def test_strict_mode_blocks_a_small_account_after_three_day_trades(
    equity: str, trades: int, result: str
) -> None:
    strict = parameters(risk__pdt_mode="strict")
    found = day_trade_check(Strategy.ZERO_DTE, {}, Decimal(equity), trades, strict)
    assert found.result == result


def test_strict_mode_without_equity_is_unevaluable_and_off_asks_nothing() -> None:
    strict = parameters(risk__pdt_mode="strict")
    assert day_trade_check(Strategy.CLOSING, {}, None, 0, strict).result is Result.UNEVALUABLE
    off = parameters(risk__pdt_mode="off")
    assert day_trade_check(Strategy.CLOSING, {}, None, 0, off).result is Result.PASS
