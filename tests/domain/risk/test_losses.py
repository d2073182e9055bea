"""Day, week and drawdown rules act at their threshold; equity is carried by the P&L stream."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.events.orders import BrokerAccountSeen
from domain.risk.confirmation import confirmation_rule
from domain.risk.losses import Account, LossBook, Reading
from tests.domain.risk.build import DAY, parameters

PARAMETERS = parameters()
RULE = confirmation_rule(PARAMETERS)


def seen(value: str | None, pnl: str | None = None) -> BrokerAccountSeen:
    return BrokerAccountSeen(
        connection="c",
        account="DU1",
        values={} if value is None else {"NetLiquidation": value},
        daily_pnl=None if pnl is None else Decimal(pnl),
    )


def book(*equities: str) -> LossBook:
    found = LossBook()
    found.session_started(DAY)
    for second, equity in enumerate(equities):
        see(found, equity, float(second))
    return found


def see(found: LossBook, equity: Decimal | str, at: float = 0.0, *, stream: bool = False) -> None:
    """A believed reading of equity."""
    assert RULE is not None
    found.equity_seen(Reading(Decimal(equity), not stream), at, PARAMETERS, RULE)


def test_equity_is_the_last_value_plus_the_change_of_the_stream_since() -> None:
    account = Account()
    account.apply(seen("10000"), 0.0, RULE)
    account.apply(seen("10000", "5"), 0.0, RULE)
    account.apply(seen(None, "5"), 0.0, RULE)
    account.apply(seen(None, "25"), 1.0, RULE)
    assert account.equity == 10020
    account.apply(seen("10030"), 2.0, RULE)
    assert account.equity == 10030
    account.apply(seen(None, "20"), 3.0, RULE)
    assert account.equity == 10025


def test_equity_without_a_stream_is_the_last_value_and_unreadable_text_is_none() -> None:
    account = Account()
    assert account.equity is None
    account.apply(seen("n/a"), 0.0, RULE)
    assert account.equity is None
    account.apply(seen("1000"), 0.0, RULE)
    account.apply(seen("1000"), 0.0, RULE)
    assert account.equity == 1000


@pytest.mark.parametrize(("rule", "at"), [("soft_day", "980000"), ("hard_day", "970000")])
def test_day_rule_acts_at_its_threshold(rule: str, at: str) -> None:
    above = str(Decimal(at) + Decimal("0.01"))
    assert not book("1000000", above).day_breached(rule, PARAMETERS)
    assert book("1000000", at).day_breached(rule, PARAMETERS)


def test_bucket_rule_acts_at_one_percent_of_the_reference() -> None:
    found = book("1000000")
    assert not found.bucket_breached(Decimal("-9999.99"), PARAMETERS)
    assert found.bucket_breached(Decimal(-10_000), PARAMETERS)


def test_drawdown_is_measured_from_the_highest_value_and_acts_at_its_threshold() -> None:
    assert not book("1000000", "1100000", "1100000", "1012000.01").drawdown_breached(PARAMETERS)
    assert book("1000000", "1100000", "1100000", "1012000").drawdown_breached(PARAMETERS)


@pytest.mark.parametrize("amount", [-200_000, 200_000, -3_000, 3_000])
@pytest.mark.parametrize("said", ["before", "while", "after"])
def test_a_deposit_is_no_result_and_a_withdrawal_no_drawdown(amount: int, said: str) -> None:
    """Whenever the operator says it: a mark that moves alone flattens the book."""
    found = book("1000000", "1000000")
    now = 1_000_000 + amount
    if said == "before":
        found.flow(Decimal(amount), RULE)
        for second in (2, 3, 4):
            see(found, "1000000", float(second))
        assert not found.drawdown_breached(PARAMETERS)
    if said == "while":
        found.flow(Decimal(amount), RULE)
    for second in (5, 6, 7):
        see(found, str(now), float(second))
    if said == "after":
        found.flow(Decimal(amount), RULE)
    see(found, str(now), 8.0)
    small = abs(amount) == 3_000
    assert abs(found.pnl) <= (3_000 if small else 0)
    assert found.drawdown is not None and found.drawdown >= (Decimal("-0.004") if small else 0)
    assert not found.fall.is_confirmed(RULE) or said == "after"
    assert found.awaited_flows == () and found.jumps == ()


def test_a_loss_beside_a_withdrawal_is_still_a_loss() -> None:
    found = book("1000000", "1000000")
    found.flow(Decimal(-200_000), RULE)
    see(found, "797000", 2.0)
    see(found, "767000", 3.0)
    assert found.pnl == -33_000 and found.day_breached("hard_day", PARAMETERS)


def test_reference_is_the_first_value_of_the_session_unless_a_fill_came_before_it() -> None:
    found = book("1000000", "990000")
    found.session_started(DAY + timedelta(days=1))
    found.filled = True
    see(found, Decimal(985_000))
    assert found.reference == 990_000 and found.pnl == -5_000


def test_stream_values_before_the_first_account_value_set_no_reference() -> None:
    found = LossBook()
    found.session_started(DAY)
    see(found, Decimal(5), stream=True)
    assert found.reference is None


def test_weekly_loss_over_five_sessions_halves_this_and_five_more_sessions() -> None:
    found = LossBook()
    equity = Decimal(1_000_000)
    for n in range(4):
        found.session_started(DAY + timedelta(days=n))
        see(found, equity)
        equity -= 12_000
        see(found, equity)
        assert found.half_sessions_left == 0
    found.session_started(DAY + timedelta(days=4))
    see(found, equity)
    see(found, equity - Decimal("1999.99"))
    assert found.half_sessions_left == 0
    for second in range(3):
        assert found.week_breached(PARAMETERS) is (second > 0)
        assert found.half_sessions_left == 0
        see(found, equity - 2_000, float(second))
    assert found.half_sessions_left == 6
    for n in range(5, 10):
        found.session_started(DAY + timedelta(days=n))
        assert found.half_sessions_left == 10 - n
    found.session_started(DAY + timedelta(days=10))
    assert found.half_sessions_left == 0


def test_an_account_that_never_held_anything_has_no_drawdown() -> None:
    assert book("0", "0").drawdown is None


def test_release_re_arms_the_drawdown_from_the_present_equity() -> None:
    found = book("1000000", "1000000", "900000")
    assert found.drawdown_breached(PARAMETERS)
    found.re_armed()
    assert found.drawdown == 0
