"""Every check of an order is on the log; a failed one refuses an entry and widens an exit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from domain.events.controls import FlattenStarted, TradingState, TradingStateChanged
from domain.events.orders import (
    EntryRefused,
    OrderCancelIntended,
    OrderIntended,
    OrderModifyIntended,
    Purpose,
)
from domain.events.positions import PositionOpened
from domain.events.signals import Result
from domain.risk.codes import DenialCode
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    contract,
    held,
    leg_ticks,
    listed,
    long_call,
    underlying_ticks,
)

LEG = contract()


def working() -> tuple[Bench, OrderIntended]:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    parent, stop = [b for b in bench.enter(long_call()) if isinstance(b, OrderIntended)]
    for intent in (parent, stop):
        bench.sent(intent)
    bench.seen(listed(parent))
    bench.seen(listed(stop, "PreSubmitted", why_held="child,trigger"))
    return bench, parent


def holding() -> Bench:
    bench, parent = working()
    bench.fill(parent, 4, "2.00")
    bench.seen(listed(parent, "Filled", 4))
    return bench


def reduce_only(bench: Bench) -> list[Any]:
    body = TradingStateChanged(
        state=TradingState.REDUCING,
        previous=TradingState.ACTIVE,
        codes=("LIMIT_BUCKET",),
        reason="LIMIT_BUCKET",
    )
    return bench.give(body)


def flatten(bench: Bench) -> OrderIntended:
    position = bench.all(PositionOpened)[-1].position_id
    bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))
    (intent,) = [i for i in bench.all(OrderIntended) if i.purpose is Purpose.EXIT]
    return intent  # type: ignore[no-any-return]


def failed(intent: OrderIntended | OrderModifyIntended | EntryRefused) -> set[str]:
    return {check.code for check in intent.checks if check.result is not Result.PASS}


def test_no_entry_leaves_while_a_limit_is_breached_and_the_refusal_names_the_limit() -> None:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    reduce_only(bench)
    emitted = bench.enter(long_call())
    (refused,) = [b for b in emitted if isinstance(b, EntryRefused)]
    assert refused.codes == ("REDUCE_ONLY",)
    (row,) = [check for check in refused.checks if check.code == "REDUCE_ONLY"]
    assert row.value == "LIMIT_BUCKET"
    assert not bench.all(OrderIntended)


def test_a_working_entry_climbs_no_further_while_a_limit_is_breached() -> None:
    bench, parent = working()
    reduce_only(bench)
    bench.now += timedelta(seconds=4.1)
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    assert not bench.all(OrderModifyIntended)
    assert [c.order_ref for c in bench.all(OrderCancelIntended)] == [parent.order_ref]


def test_a_working_entry_fills_no_more_once_a_limit_is_breached() -> None:
    """Waiting for its next step it could still be filled, fifteen seconds long."""
    bench, parent = working()
    reduce_only(bench)
    (cancel,) = bench.all(OrderCancelIntended)
    assert (cancel.order_ref, cancel.reason) == (parent.order_ref, "limit breached: LIMIT_BUCKET")


def test_a_working_entry_is_withdrawn_while_the_broker_shows_what_we_do_not_have() -> None:
    """Its next fill would be added to a position that nobody knows."""
    bench, parent = working()
    rest = [
        listed(parent),
        *(
            listed(i, "PreSubmitted", why_held="child")
            for i in bench.all(OrderIntended)
            if i.purpose is Purpose.PROTECTIVE_STOP
        ),
    ]
    bench.snapshot(open_orders=rest, positions=[held(contract(605), 3)])
    bench.now += timedelta(seconds=1)
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    (cancel,) = bench.all(OrderCancelIntended)
    assert (cancel.order_ref, cancel.reason) == (parent.order_ref, "the broker's lists differ")


def test_an_exit_is_not_refused_while_a_limit_is_breached() -> None:
    bench = holding()
    reduce_only(bench)
    assert flatten(bench).quantity == 4


def test_every_check_of_an_entry_is_on_its_intent() -> None:
    _, parent = working()
    made = {check.code for check in parent.checks}
    assert not failed(parent)
    assert made >= {
        code.value
        for code in (
            DenialCode.BROKER_READY,
            DenialCode.CLOCK_NORMAL,
            DenialCode.KILL_SWITCH_OFF,
            DenialCode.RECONCILED,
            DenialCode.SIGNAL_LIVE,
            DenialCode.REDUCE_ONLY,
            DenialCode.PRICE_COLLAR,
            DenialCode.QUOTE_AGE,
        )
    }


def test_every_failed_check_of_an_exit_is_recorded_and_widens_its_ladder_by_a_step() -> None:
    prices = []
    for silence in (0, 3):
        bench = holding()
        bench.now += timedelta(seconds=30)
        bench.give(underlying_ticks(600.0, bench.now))
        bench.now += timedelta(seconds=silence)
        bench.give(leg_ticks(LEG, 1.90, 2.10, bench.now))
        intent = flatten(bench)
        assert failed(intent) - {"FAIR_VALUE"} == ({"UNDERLYING_AGE"} if silence else set())
        prices.append((intent.ladder_step, intent.limit_price))
    assert prices == [(2, Decimal("1.95")), (3, Decimal("1.93"))]


def test_a_step_of_an_exit_records_its_checks() -> None:
    bench = holding()
    bench.now += timedelta(seconds=30)
    bench.market(leg_ticks(LEG, 1.90, 2.10, bench.now))
    intent = flatten(bench)
    bench.sent(intent)
    bench.seen(listed(intent))
    bench.now += timedelta(seconds=3)
    bench.give(leg_ticks(LEG, 1.90, 2.10, bench.now))
    (step,) = bench.all(OrderModifyIntended)
    assert (step.ladder_step, "UNDERLYING_AGE" in failed(step)) == (4, True)
