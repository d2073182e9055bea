"""A cash account buys with what is settled, and never sells short."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.events.risk import Check, RiskDecided
from domain.events.signals import Result
from domain.risk.margin import is_cash_account
from tests.domain.risk.build import Driven, account, long_call, parameters, signal
from tests.domain.risk.desk_story import C, decide, denied, ready


def desk_of(settled: str) -> Driven:
    desk = ready()
    desk.when(account(BuyingPower="1000000", SettledCash=settled))
    return desk


def row(decision: RiskDecided) -> Check:
    return next(check for check in decision.checks if check.code == C.CASH_ACCOUNT)


@pytest.mark.parametrize(
    ("power", "kind", "is_cash"),
    [
        ("4000", "broker_field", False),
        ("2000", "broker_field", False),
        ("1000", "broker_field", True),
        (None, "broker_field", None),
        ("4000", "cash", True),
        (None, "margin", False),
    ],
)
def test_the_kind_of_account_is_what_its_buying_power_tells(
    power: str | None, kind: str, is_cash: bool | None
) -> None:
    values = {"AvailableFunds": "1000"} | ({} if power is None else {"BuyingPower": power})
    assert is_cash_account(values, parameters(risk__account_kind=kind)) is is_cash


def test_a_cash_account_trades_no_spread() -> None:
    """The broker would refuse it, or take the short leg for a naked one."""
    decision = decide(desk_of("1000000"))
    assert denied(decision, C.CASH_ACCOUNT)
    assert (row(decision).limit, row(decision).value) == ("no short leg", "debit_vertical")


def test_a_cash_account_spends_settled_funds_alone_with_working_entries_counted() -> None:
    """Funds spent twice before they settle are a violation that freezes the account."""
    desk = desk_of("1000000")
    first = decide(desk, signal(long_call()))
    assert first.approved
    desk.when(account(BuyingPower="1000000", SettledCash=str(first.max_loss_usd + 150)))
    second = decide(desk, signal(long_call(symbol="QQQ"), signal_id="sig-2"))
    assert denied(second, C.CASH_ACCOUNT)
    assert row(second).limit == "150.00 USD"


def test_an_account_that_does_not_tell_its_kind_is_not_traded() -> None:
    desk = ready()
    desk.state.account.values.pop("BuyingPower")
    decision = decide(desk, signal(long_call()))
    assert row(decision).result is Result.UNEVALUABLE and denied(decision, C.CASH_ACCOUNT)
    assert decision.max_loss_usd == Decimal(0)
