"""The account's cash against the day's trades: what differs, when it may be said, what ends it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import AlertRaised
from domain.events.orders import (
    BrokerCommissionSeen,
    BrokerExecution,
    OrderCancelIntended,
    OrderIntended,
    ReconciliationCompleted,
)
from domain.events.positions import PositionAdjusted
from domain.events.risk import CashFlowRecorded
from domain.execution.desk import Desk
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    ACCOUNT,
    CLOSE,
    contract,
    debit_vertical,
    execution_of,
    held,
    leg_ticks,
    listed,
    long_call,
)
from tests.domain.execution.stories import holding

CALL = contract(600)
QUIET_SECONDS = 300
COMMISSION = Decimal("2.60")


def commission(bench: Bench, exec_id: str, dollars: Decimal | None = COMMISSION) -> list[Any]:
    seen = BrokerCommissionSeen(
        connection=bench.connection,
        exec_id=exec_id,
        commission=dollars,
        currency="USD",
        realised_pnl=None,
    )
    return bench.give(seen)


def desk_of(bench: Bench) -> Desk:
    (desk,) = (state for state in bench.consumer.states if isinstance(state, Desk))
    return desk


def look(bench: Bench, cash: str, wait_seconds: float = 11, **lists: Any) -> list[Any]:
    """A look after some seconds: the broker has our orders and positions as we have them."""
    bench.now += timedelta(seconds=wait_seconds)
    desk = desk_of(bench)
    intents = {intent.order_ref: intent for intent in bench.all(OrderIntended)}
    orders = [
        listed(intents[order.ref], "PreSubmitted", why_held="trigger")
        for order in desk.book.orders.values()
        if not order.state.is_final
    ]
    positions = [
        held(leg.contract, trade.held[leg.contract.con_id])
        for trade in desk.trades.values()
        for leg in trade.structure.legs
        if trade.held.get(leg.contract.con_id)
    ]
    return bench.snapshot(open_orders=orders, positions=positions, cash=cash, **lists)


def last(bench: Bench) -> ReconciliationCompleted:
    found: ReconciliationCompleted = bench.all(ReconciliationCompleted)[-1]
    return found


def pages(bench: Bench) -> list[str]:
    return [alert.code for alert in bench.all(AlertRaised)]


def bought(looks: int, dollars: Decimal | None = COMMISSION) -> Bench:
    """Four calls bought at 2.00, after so many looks that showed 10,000 dollars."""
    made = Bench()
    made.start()
    for _ in range(looks):
        look(made, "10000.00")
    made.market(leg_ticks(CALL, 1.98, 2.02, made.now))
    holding(bench=made)
    (fill,) = desk_of(made).fills.fills.values()
    commission(made, fill.exec_id, dollars)
    return made


@pytest.fixture
def bench() -> Bench:
    """Four calls bought at 2.00 for 2.60 of commission, from 10,000 dollars that two looks showed
    before."""
    return bought(looks=2)


AFTER = "9197.40"


def test_cash_that_the_days_trades_explain_is_no_difference(bench: Bench) -> None:
    """800 dollars for four calls and their commission are gone, and nothing else."""
    for _ in range(3):
        look(bench, AFTER, QUIET_SECONDS)
    assert last(bench).clean and last(bench).cash_difference is None
    assert desk_of(bench).cash.agreed == Decimal("10000.00")


def test_a_fill_told_at_another_price_than_paid_closes_trading_by_the_second_look(
    bench: Bench,
) -> None:
    """The profit and loss that all limits look at would be wrong by it, and nobody would know."""
    look(bench, "9097.40", QUIET_SECONDS)
    assert last(bench).clean, "one look is no proof"
    look(bench, "9097.40")
    assert not last(bench).clean and last(bench).cash_difference == Decimal("-100.00")
    assert last(bench).holdings_agree, "only the cash differs: no reason to halt"
    assert "-100.00 dollars" in last(bench).differences[0]
    assert pages(bench).count("CASH_DIFFERS") == 1
    look(bench, "9097.40")
    assert pages(bench).count("CASH_DIFFERS") == 1, "told once"


def test_a_difference_of_cash_ends_working_entries_and_lets_exits_work(bench: Bench) -> None:
    look(bench, "9097.40", QUIET_SECONDS)
    look(bench, "9097.40")
    bench.market(leg_ticks(CALL, 2.0, 2.04, bench.now))
    before = len(bench.all(OrderIntended))
    bench.enter(long_call(strike=605), signal_id="s2", mid="2.02")
    assert len(bench.all(OrderIntended)) == before, "no entry while cash differs"
    assert not bench.all(OrderCancelIntended)


def test_cash_is_compared_again_after_it_agrees(bench: Bench) -> None:
    look(bench, "9097.40", QUIET_SECONDS)
    look(bench, "9097.40")
    look(bench, AFTER)
    assert last(bench).clean and last(bench).differences == ()


@pytest.mark.parametrize("shown_first", [True, False])
def test_a_recorded_flow_explains_the_difference_before_and_after_it_shows(
    bench: Bench, shown_first: bool
) -> None:
    """A withdrawal that is recorded days before it is paid must not close trading meanwhile."""
    flow = CashFlowRecorded(amount=Decimal("-100"), who="ann", reason="fee of July")
    if shown_first:
        look(bench, "9097.40", QUIET_SECONDS)
        look(bench, "9097.40")
        assert not last(bench).clean
    bench.give(flow)
    if not shown_first:
        look(bench, AFTER, QUIET_SECONDS)
        look(bench, AFTER)
        assert last(bench).clean, "recorded, and not paid yet"
    look(bench, "9097.40", QUIET_SECONDS)
    look(bench, "9097.40")
    assert last(bench).clean
    look(bench, "8997.40")
    look(bench, "8997.40")
    assert last(bench).cash_difference == Decimal("-100.00"), "it explains one payment, not two"


def test_nothing_is_said_of_cash_soon_after_an_execution(bench: Bench) -> None:
    """The broker brings its account values up to three minutes late."""
    for _ in range(4):
        look(bench, "10000.00")
    assert last(bench).clean
    assert desk_of(bench).cash.seen is None


@pytest.mark.parametrize("shown", ["", "many", "nan"])
def test_cash_that_is_not_told_is_not_compared(bench: Bench, shown: str) -> None:
    for _ in range(3):
        look(bench, shown, QUIET_SECONDS)
    assert last(bench).clean and last(bench).cash_difference is None


def test_nothing_is_said_of_cash_before_a_commission_is_known() -> None:
    made = bought(looks=2, dollars=None)
    for _ in range(3):
        look(made, "9000.00", QUIET_SECONDS)
    assert last(made).clean and desk_of(made).cash.seen is None


def foreign(
    sec_type: str, exec_id: str, price: str, at: Any, quantity: int = 10
) -> BrokerExecution:
    return BrokerExecution(
        exec_id=exec_id,
        order_id=0,
        client_id=0,
        perm_id=77,
        order_ref="",
        con_id=4711,
        symbol="KO",
        sec_type=sec_type,
        side="BOT",
        quantity=Decimal(quantity),
        price=Decimal(price),
        executed_at=at,
        account=ACCOUNT,
    )


def test_what_somebody_else_trades_in_the_account_is_counted(bench: Bench) -> None:
    """Ten shares of Coca-Cola at 60 dollars, corrected to 61, by hand: no difference."""
    rows = [
        foreign("STK", "f.01.01", "60", bench.now),
        foreign("STK", "f.01.02", "61", bench.now),
    ]
    commission(bench, "f.01.02", Decimal("1.00"))
    cash = str(Decimal(AFTER) - 610 - 1)
    for _ in range(3):
        look(bench, cash, QUIET_SECONDS, executions=rows)
    assert last(bench).clean and desk_of(bench).cash.agreed == Decimal("10000.00")
    without = str(Decimal(AFTER))
    look(bench, without, executions=rows)
    look(bench, without, executions=rows)
    assert last(bench).cash_difference == Decimal("611.00")


def test_a_trade_of_a_kind_that_cannot_be_counted_is_no_difference(bench: Bench) -> None:
    """A future has another multiplier: what it cost is unknown to us."""
    rows = [foreign("FUT", "f.01.01", "60", bench.now)]
    commission(bench, "f.01.01", Decimal("1.00"))
    for _ in range(3):
        look(bench, "5000.00", QUIET_SECONDS, executions=rows)
    assert last(bench).clean and last(bench).cash_difference is None


def test_a_combination_is_counted_by_its_legs_once() -> None:
    """The combination's own execution moves no cash of its own."""
    made = Bench()
    made.start()
    look(made, "10000.00")
    look(made, "10000.00")
    structure = debit_vertical()
    quotes = (leg_ticks(CALL, 3.0, 3.04, made.now), leg_ticks(contract(605), 1.0, 1.02, made.now))
    made.market(*quotes)
    bodies = made.enter(structure, mid="2.01", units=2)
    (entry,) = [body for body in bodies if isinstance(body, OrderIntended)]
    made.sent(entry)
    cash = Decimal("10000.00")
    rows = [execution_of(entry, 2, "0.80", "c.00.01", made.now, sec_type="BAG")]
    for place, leg in enumerate(structure.legs):
        rows.append(execution_of(entry, 2, "1.02", f"c.0{place + 1}.01", made.now, leg=place))
        cash -= entry.action.sign * leg.ratio * 2 * Decimal("1.02") * 100 + 1
    for row in rows:
        made.give_execution(row)
        if row.sec_type != "BAG":
            commission(made, row.exec_id, Decimal("1.00"))
    for _ in range(3):
        look(made, str(cash), QUIET_SECONDS, executions=rows)
    assert last(made).clean and desk_of(made).cash.agreed == Decimal("10000.00")


def test_a_look_before_the_first_trade_and_one_after_it_agree_on_the_cash() -> None:
    """The desk starts, looks once and trades: the second look that can be compared comes later."""
    made = bought(looks=1)
    look(made, "10000.00")
    assert desk_of(made).cash.agreed is None, "too soon after the execution"
    look(made, AFTER, QUIET_SECONDS)
    assert desk_of(made).cash.agreed == Decimal("10000.00")


def test_what_is_booked_between_sessions_is_no_difference(bench: Bench) -> None:
    """Interest and fees come in the night; after the close nothing is compared."""
    look(bench, AFTER, QUIET_SECONDS)
    bench.now = CLOSE + timedelta(minutes=1)
    look(bench, "5000.00", QUIET_SECONDS)
    look(bench, "5000.00")
    assert last(bench).clean
    assert desk_of(bench).cash.session_date is None, "the next session begins anew"


def test_an_adjustment_begins_the_comparison_anew(bench: Bench) -> None:
    """An exercise pays for shares: cash moves without an execution."""
    look(bench, AFTER, QUIET_SECONDS)
    (trade,) = desk_of(bench).trades.values()
    adjusted = PositionAdjusted(
        position_id=trade.position_id,
        con_id=trade.structure.legs[0].contract.con_id,
        quantity=-4,
        kind="operator",
        evidence="statement",
        price=Decimal("2.00"),
    )
    bench.give(adjusted)
    look(bench, "9997.40")
    look(bench, "9997.40")
    assert last(bench).clean
    assert desk_of(bench).cash.agreed == Decimal("10800.00")
