"""A leg is assigned early, or sold under us: what is left of the structure is left in order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.events.controls import AlertRaised, FlattenStarted
from domain.events.orders import (
    BrokerExecutionSeen,
    BrokerSnapshotWanted,
    OrderIntended,
    OrderModifyIntended,
    SnapshotPosition,
)
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from domain.instruments import OptionContract, Right, Side, StructureKind
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    condor,
    contract,
    execution_of,
    held,
    leg_ticks,
    listed,
)
from tests.domain.execution.stories import exits
from tests.domain.execution.test_holdings_harms import holding_vertical, shares

LONG, SHORT = contract(600), contract(605)
PUT_SHORT, PUT_LONG = contract(590, Right.PUT), contract(587, Right.PUT)
CALL_SHORT, CALL_LONG = contract(610), contract(613)


def pages(bench: Bench) -> list[tuple[str, str]]:
    return [(alert.code, alert.text) for alert in bench.all(AlertRaised)]


def look(bench: Bench, *positions: SnapshotPosition) -> None:
    bench.now += timedelta(seconds=11)
    bench.snapshot(positions=positions)


def vertical_quotes(bench: Bench) -> None:
    bench.market(leg_ticks(LONG, 3.0, 3.04, bench.now), leg_ticks(SHORT, 1.0, 1.02, bench.now))


def sell(bench: Bench, intent: OrderIntended, *prices: str) -> None:
    """The exit is sent and fills leg by leg."""
    bench.sent(intent)
    bench.seen(listed(intent))
    for leg, price in enumerate(prices):
        exec_id = f"x{intent.order_id}.0{leg}.01"
        execution = execution_of(intent, intent.quantity, price, exec_id, bench.now, leg=leg)
        bench.give_execution(execution)
    bench.seen(listed(intent, "Filled", intent.quantity))


def assigned_vertical() -> Bench:
    """Two of four short calls were assigned: 200 shares are sold short."""
    bench = holding_vertical()
    look(bench, held(LONG, 4), held(SHORT, -2), shares(-200))
    vertical_quotes(bench)
    return bench


def test_an_assignment_closes_what_is_left_and_tells_the_operator_what_to_do() -> None:
    bench = assigned_vertical()
    (decided,) = bench.all(ExitDecided)
    assert (decided.reason, decided.profile) == (ExitReason.ASSIGNMENT_GUARD, "urgent")
    (intent,) = exits(bench)
    assert (intent.structure.kind, intent.quantity) == (StructureKind.DEBIT_VERTICAL, 2)
    ((code, text),) = pages(bench)
    assert code == "ASSIGNMENT"
    assert "BUY 200 SPY at the broker" in text


def test_a_long_that_covers_delivered_shares_is_sold_once_they_are_gone_and_not_before() -> None:
    """Sold at once it would leave 200 shares short without any bound."""
    bench = assigned_vertical()
    sell(bench, exits(bench)[0], "3.00", "1.02")
    for _ in range(3):
        look(bench, held(LONG, 2), shares(-200))
        vertical_quotes(bench)
    assert len(exits(bench)) == 1
    look(bench, held(LONG, 2))
    vertical_quotes(bench)
    rest = exits(bench)[-1]
    assert (rest.structure.kind, rest.action, rest.quantity) == (
        StructureKind.LONG_OPTION,
        Side.SELL,
        2,
    )
    assert [leg.contract for leg in rest.structure.legs] == [LONG]
    sell(bench, rest, "3.00")
    for _ in range(6):
        bench.wait(1)
    (closed,) = bench.all(PositionClosed)
    assert closed.reason is ExitReason.ASSIGNMENT_GUARD
    assert len(exits(bench)) == 2


def test_shares_that_a_human_buys_back_are_seen_paged_and_free_what_they_bound_once() -> None:
    """His execution is none of ours: it makes the lists be read at once, and no position moves."""
    bench = assigned_vertical()
    sell(bench, exits(bench)[0], "3.00", "1.02")
    look(bench, held(LONG, 2), shares(-200))
    by_hand = execution_of(exits(bench)[0], 200, "606.10", "hand.01.01", bench.now).model_copy(
        update={
            "con_id": shares(1).con_id,
            "sec_type": "STK",
            "side": "BOT",
            "order_ref": "",
            "order_id": 0,
            "client_id": 0,
            "perm_id": 9,
        }
    )
    bench.wait(6)
    emitted = bench.give(BrokerExecutionSeen(connection="c1", execution=by_hand))
    assert [body.reason for body in emitted if isinstance(body, BrokerSnapshotWanted)] == [
        "BOT 200 shares of SPY"
    ]
    changes = len(bench.all(PositionChanged))
    for _ in range(3):
        look(bench, held(LONG, 2))
        vertical_quotes(bench)
    told = [text for code, text in pages(bench) if code == "DELIVERED_SHARES_GONE"]
    assert len(told) == 1 and "200 of 200 delivered shares of SPY" in told[0]
    assert len(bench.all(PositionChanged)) == changes
    assert [intent.quantity for intent in exits(bench)] == [2, 2]
    sell(bench, exits(bench)[-1], "3.00")
    for _ in range(6):
        bench.wait(1)
    assert len(bench.all(PositionClosed)) == 1
    assert len(exits(bench)) == 2


def test_a_rest_that_is_only_partly_sold_is_sold_to_the_end_and_no_further() -> None:
    bench = assigned_vertical()
    sell(bench, exits(bench)[0], "3.00", "1.02")
    look(bench, held(LONG, 2))
    vertical_quotes(bench)
    rest = exits(bench)[-1]
    bench.sent(rest)
    bench.seen(listed(rest))
    bench.fill(rest, 1, "3.00")
    bench.seen(listed(rest, "Cancelled", 1))
    look(bench, held(LONG, 1))
    vertical_quotes(bench)
    again = exits(bench)[-1]
    assert (again.order_ref != rest.order_ref, again.quantity) == (True, 1)


def test_a_rest_on_its_way_out_is_not_enlarged_by_a_late_fill_of_whole_units() -> None:
    """The late unit's long covers its own short: sold with the rest, it would leave that naked."""
    bench = assigned_vertical()
    (entry, *_) = bench.all(OrderIntended)
    sell(bench, exits(bench)[0], "3.00", "1.02")
    look(bench, held(LONG, 2))
    vertical_quotes(bench)
    rest = exits(bench)[-1]
    bench.sent(rest)
    bench.seen(listed(rest))
    for leg, price in ((0, "3.02"), (1, "1.01")):
        late = execution_of(entry, 1, price, f"late.0{leg}.01", bench.now, leg=leg)
        bench.give_execution(late)
    for _ in range(3):
        bench.now += timedelta(seconds=2)
        vertical_quotes(bench)
    assert [c.quantity for c in bench.all(OrderModifyIntended) if c.quantity != 2] == []


def holding_condor() -> Bench:
    bench = Bench()
    bench.start()
    condor_quotes(bench)
    bodies = bench.enter(condor(), units=2, mid="-1.00")
    (entry,) = [body for body in bodies if isinstance(body, OrderIntended)]
    bench.sent(entry)
    for leg, price in enumerate(("1.00", "0.50", "1.00", "0.50")):
        bench.give_execution(execution_of(entry, 2, price, f"e.0{leg}.01", bench.now, leg=leg))
    return bench


def condor_quotes(bench: Bench) -> None:
    def of(leg: OptionContract, bid: float) -> None:
        bench.give(leg_ticks(leg, bid, bid + 0.02, bench.now))

    bench.market()
    for leg, bid in ((PUT_SHORT, 0.99), (PUT_LONG, 0.49), (CALL_SHORT, 0.99), (CALL_LONG, 0.49)):
        of(leg, bid)


def test_the_other_side_of_an_assigned_condor_is_closed_as_the_spread_it_is() -> None:
    """Leg by leg its short would stand alone for a while."""
    bench = holding_condor()
    look(bench, held(PUT_LONG, 2), held(CALL_SHORT, -2), held(CALL_LONG, 2), shares(200))
    condor_quotes(bench)
    (spread,) = exits(bench)
    assert (spread.structure.kind, spread.quantity) == (StructureKind.CREDIT_VERTICAL, 2)
    assert {leg.contract: leg.ratio for leg in spread.structure.legs} == {
        CALL_LONG: 1,
        CALL_SHORT: -1,
    }
    assert Decimal(-3) <= spread.limit_price < 0
    sell(bench, spread, "0.49", "1.01")
    look(bench, held(PUT_LONG, 2), shares(200))
    condor_quotes(bench)
    assert exits(bench) == [spread], "the put covers the shares"
    look(bench, held(PUT_LONG, 2))
    condor_quotes(bench)
    assert [leg.contract for leg in exits(bench)[-1].structure.legs] == [PUT_LONG]


def test_a_leg_whose_pair_is_still_to_be_told_is_never_sold_alone() -> None:
    """Sold alone, the other leg would be short without cover when its execution comes."""
    bench = Bench()
    bench.start()
    vertical_quotes(bench)
    bench.enter(holding_vertical().all(OrderIntended)[0].structure, mid="2.01")
    (entry,) = bench.all(OrderIntended)
    bench.sent(entry)
    bench.give_execution(execution_of(entry, 4, "3.02", "e.00.01", bench.now, leg=0))
    bench.seen(listed(entry, "Filled", 4))
    position = bench.all(PositionOpened)[-1].position_id
    bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))
    for _ in range(5):
        bench.wait(1)
        vertical_quotes(bench)
    assert exits(bench) == []
    bench.give_execution(execution_of(entry, 4, "1.01", "e.01.01", bench.now, leg=1))
    vertical_quotes(bench)
    assert [(i.structure.kind, i.quantity) for i in exits(bench)] == [
        (StructureKind.DEBIT_VERTICAL, 4)
    ]


def test_a_short_that_lost_its_cover_is_paged_at_once_and_once() -> None:
    bench = holding_vertical()
    (entry,) = bench.all(OrderIntended)
    sold = execution_of(entry, 4, "3.00", "liq.01.01", bench.now).model_copy(
        update={"order_ref": "", "order_id": 0, "perm_id": 9, "side": "SLD"}
    )
    bench.give(BrokerExecutionSeen(connection="c1", execution=sold))
    for _ in range(3):
        bench.wait(1)
    told = [text for code, text in pages(bench) if code == "UNCOVERED_SHORT"]
    assert len(told) == 1
    assert f"4 {SHORT.occ_symbol}: BUY them back at the broker" in told[0]
