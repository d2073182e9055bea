"""What the broker says about our orders is kept: why it refused, what it charged, how it filled."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.events.controls import FlattenStarted
from domain.events.orders import (
    BrokerCommissionSeen,
    BrokerErrorSeen,
    CommissionRecorded,
    FillRecorded,
    OrderChanged,
    OrderIdBlockReserved,
    OrderIntended,
    OrderState,
    Purpose,
)
from domain.execution.desk import IDS_KEPT_FOR_EXITS, IDS_PER_BLOCK
from domain.execution.fills import PENDING_COMMISSIONS_MAX
from domain.instruments import Structure
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    contract,
    debit_vertical,
    execution_of,
    leg_ticks,
    listed,
    long_call,
)

LONG, SHORT = contract(600), contract(605)


def entered(structure: Structure) -> tuple[Bench, OrderIntended]:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LONG, 1.98, 2.02), leg_ticks(SHORT, 0.98, 1.02))
    mid = "2.00" if structure.is_single else "1.00"
    bodies = bench.enter(structure, mid=mid)
    intents = [b for b in bodies if isinstance(b, OrderIntended)]
    for intent in intents:
        bench.sent(intent)
    return bench, intents[0]


def commission(exec_id: str, amount: str | None) -> BrokerCommissionSeen:
    return BrokerCommissionSeen(
        connection="c1",
        exec_id=exec_id,
        commission=None if amount is None else Decimal(amount),
        currency="USD",
        realised_pnl=None,
    )


# Refusals


def test_a_rejection_keeps_the_code_and_the_words_of_the_broker() -> None:
    bench, parent = entered(long_call())
    error = BrokerErrorSeen(
        connection="c1", request_id=parent.order_id, code=201, text="margin is short", order_ref=""
    )
    bench.give(error)
    bench.seen(listed(parent, "Inactive"))
    change = bench.all(OrderChanged)[-1]
    assert change.state is OrderState.REJECTED
    assert (change.broker_code, change.broker_text) == (201, "margin is short")


# Commissions


def test_a_commission_that_the_broker_does_not_know_yet_is_no_fee_of_nothing() -> None:
    bench, parent = entered(long_call())
    bench.fill(parent, 4, "2.00", "a.01.01")
    bench.give(commission("a.01.01", None))
    assert bench.all(CommissionRecorded) == []
    bench.give(commission("a.01.01", "2.60"))
    assert [c.commission for c in bench.all(CommissionRecorded)] == [Decimal("2.60")]


def test_a_thousand_commissions_of_strangers_leave_room_for_ours() -> None:
    bench, parent = entered(long_call())
    for number in range(PENDING_COMMISSIONS_MAX + 1):
        bench.give(commission(f"other.{number}.01", "1.00"))
    bench.give(commission("a.01.01", "2.60"))
    bench.fill(parent, 4, "2.00", "a.01.01")
    assert [c.commission for c in bench.all(CommissionRecorded)] == [Decimal("2.60")]


# Overfills


def test_an_overfill_is_told_with_its_quantity_and_never_hidden_by_the_state() -> None:
    bench, parent = entered(long_call())
    bench.fill(parent, 4, "2.00")
    bench.fill(parent, 1, "2.00")
    change = bench.all(OrderChanged)[-1]
    assert (change.state, change.filled, change.remaining) == (OrderState.FILLED, 5, 0)


# Slippage


def test_slippage_is_measured_from_the_decision_and_from_the_mid_at_the_fill() -> None:
    bench, parent = entered(long_call())
    bench.market(leg_ticks(LONG, 1.99, 2.05, bench.now))
    bench.fill(parent, 4, "2.01")
    (fill,) = bench.all(FillRecorded)
    assert fill.slippage_decision == Decimal("0.01"), "a cent more than the mid of the decision"
    assert fill.slippage_mid == Decimal("-0.01"), "a cent less than the mid at the fill"


def test_only_the_own_execution_of_a_combination_has_slippage() -> None:
    bench, parent = entered(debit_vertical())
    for leg, price in ((0, "2.01"), (1, "1.00")):
        execution = execution_of(parent, 4, price, f"e.0{leg}.01", bench.now, leg=leg)
        bench.give_execution(execution)
    whole = execution_of(parent, 4, "1.01", "e.09.01", bench.now, sec_type="BAG")
    bench.give_execution(whole)
    measured = [fill.slippage_decision for fill in bench.all(FillRecorded)]
    assert measured == [None, None, Decimal("0.01")]


def test_an_execution_listed_long_after_has_no_mid_of_its_time() -> None:
    bench, parent = entered(long_call())
    late = execution_of(parent, 4, "2.01", "a.01.01", bench.now)
    bench.now += timedelta(seconds=30)
    bench.market(leg_ticks(LONG, 1.98, 2.02, bench.now))
    bench.snapshot(executions=[late])
    (fill,) = bench.all(FillRecorded)
    assert (fill.slippage_decision, fill.slippage_mid) == (Decimal("0.01"), None)


# Ids


def test_an_exit_never_waits_for_an_id_because_a_block_is_used_up() -> None:
    bench, parent = entered(long_call())
    bench.seen(listed(parent))
    (first,) = bench.all(OrderIdBlockReserved)
    bench.wait(1)
    assert bench.all(OrderIdBlockReserved) == [first]
    last_kept = first.last - IDS_KEPT_FOR_EXITS
    used = parent.model_copy(
        update={
            "order_ref": "used",
            "order_id": last_kept,
            "purpose": Purpose.WHAT_IF,
            "position_id": "",
        }
    )
    bench.give(used)
    bench.wait(1)
    _, second = bench.all(OrderIdBlockReserved)
    assert second.first > first.last
    assert second.last - second.first + 1 == IDS_PER_BLOCK
    bench.wait(1)
    assert len(bench.all(OrderIdBlockReserved)) == 2
    bench.fill(parent, 4, "2.00")
    bench.market(leg_ticks(LONG, 1.98, 2.02, bench.now))
    bench.give(FlattenStarted(who="x", reason="y", positions=(parent.position_id,)))
    (leaving,) = [i for i in bench.all(OrderIntended) if i.purpose is Purpose.EXIT]
    assert leaving.order_id == second.first
