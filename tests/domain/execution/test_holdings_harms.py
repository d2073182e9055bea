"""What changes a holding without an order of ours: inferred, foreign, expired, assigned."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import AlertRaised, FlattenStarted
from domain.events.orders import (
    BrokerExecution,
    BrokerExecutionSeen,
    OrderIntended,
    ReconciliationCompleted,
    SnapshotPosition,
)
from domain.events.positions import (
    FillInferred,
    PositionAdjusted,
    PositionChanged,
    PositionOpened,
)
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    ACCOUNT,
    CLOSE,
    condor,
    contract,
    debit_vertical,
    execution_of,
    held,
    leg_ticks,
    listed,
    long_call,
    underlying_ticks,
)
from tests.domain.execution.stories import exits, holding, leaving_vertical

LONG, SHORT = contract(600), contract(605)


def holding_vertical() -> Bench:
    """Four verticals bought at 2.01."""
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LONG, 3.0, 3.04), leg_ticks(SHORT, 1.0, 1.02))
    bodies = bench.enter(debit_vertical(), mid="2.01")
    (entry,) = [b for b in bodies if isinstance(b, OrderIntended)]
    bench.sent(entry)
    for leg, price in ((0, "3.02"), (1, "1.01")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg}.01", bench.now, leg=leg))
    return bench


def shares(quantity: int) -> SnapshotPosition:
    return SnapshotPosition(
        con_id=756733,
        symbol="SPY",
        sec_type="STK",
        expiry="",
        strike=Decimal(0),
        right="",
        quantity=Decimal(quantity),
        average_cost=Decimal(0),
        account=ACCOUNT,
    )


def units(bench: Bench) -> int:
    return int(bench.all(PositionChanged)[-1].units)


def pages(bench: Bench) -> list[str]:
    return [alert.code for alert in bench.all(AlertRaised)]


def look(bench: Bench, stop: OrderIntended, quantity: int, **more: Any) -> list[Any]:
    """A snapshot eleven seconds later, in which the broker holds so many."""
    bench.now += timedelta(seconds=11)
    row = listed(stop, "PreSubmitted", why_held="trigger", quantity=Decimal(max(1, quantity)))
    rows = [held(LONG, quantity)] if quantity else []
    return bench.snapshot(open_orders=[row], positions=rows, **more)


def is_clean(bench: Bench) -> bool:
    return bool(bench.all(ReconciliationCompleted)[-1].clean)


# Inferred


def test_a_difference_that_no_execution_explains_ends_with_what_the_broker_holds_and_a_page() -> (
    None
):
    bench, _, stop = holding()
    look(bench, stop, 1)
    assert units(bench) == 4
    look(bench, stop, 1)
    (inferred,) = bench.all(FillInferred)
    assert (inferred.ours, inferred.theirs, units(bench)) == (4, 1, 1)
    assert pages(bench) == ["FILL_INFERRED"]
    look(bench, stop, 1)
    assert is_clean(bench), "a second pass has nothing to say"
    assert len(bench.all(FillInferred)) == 1
    assert bench.all(PositionChanged)[-1].realised_pnl == 0, "nobody knows a price"


def test_an_execution_that_comes_after_it_was_inferred_is_not_counted_twice() -> None:
    bench, parent, stop = holding()
    for _ in range(2):
        look(bench, stop, 1)
    sold = execution_of(parent, 3, "1.90", "liq.01.01", bench.now).model_copy(
        update={"order_ref": "", "order_id": 0, "perm_id": 9, "side": "SLD"}
    )
    bench.give(BrokerExecutionSeen(connection="c1", execution=sold))
    assert units(bench) == 1
    (back,) = bench.all(PositionAdjusted)
    assert (back.kind, back.quantity) == ("inferred", 3)
    changed = bench.all(PositionChanged)[-1]
    assert (changed.realised_pnl, changed.average_exit_price is None) == (Decimal("-30.00"), False)
    look(bench, stop, 1)
    assert is_clean(bench)


def test_an_exit_never_sells_twice_what_was_inferred_and_then_executed() -> None:
    """The broker shows two more than we counted; their executions come late."""
    bench, parent, stop = holding()
    for _ in range(2):
        look(bench, stop, 6)
    assert units(bench) == 6
    more = execution_of(parent, 2, "2.00", "late.01.01", bench.now)
    bench.market(leg_ticks(LONG, 1.98, 2.02, bench.now))
    position = bench.all(PositionOpened)[-1].position_id
    bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))
    assert [i.quantity for i in exits(bench)] == [6]
    bench.give_execution(more)
    assert units(bench) == 6
    assert [i.quantity for i in exits(bench)] == [6]


def test_a_list_of_holdings_that_was_empty_for_a_while_gives_the_position_back() -> None:
    bench, _, stop = holding()
    for _ in range(2):
        look(bench, stop, 0)
    assert units(bench) == 0
    for _ in range(3):
        look(bench, stop, 4)
    assert units(bench) == 4
    assert is_clean(bench)


def test_an_execution_and_its_correction_that_one_look_brings_count_once() -> None:
    """Counted twice they would look like contracts that are gone, and with shares of another
    delivery about, like ones that were exercised."""
    bench, parent, stop = holding()
    told = [execution_of(parent, 2, "2.00", f"late.01.0{n}", bench.now) for n in (1, 2)]
    look(bench, stop, 6, executions=told)
    assert units(bench) == 6
    assert is_clean(bench)


def test_what_was_sold_while_we_were_away_is_not_sold_again_before_the_second_look() -> None:
    """Executions vanish from the lists at midnight: an exit that is due at the reconnection would
    open a naked short in what the broker does not show."""
    bench, _, _ = holding()
    bench.start_run("run2")
    position = bench.all(PositionOpened)[-1].position_id
    bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))
    bench.connect("c2", positions=[])
    bench.wait(5, [leg_ticks(LONG, 1.98, 2.02, bench.now + timedelta(seconds=5))])
    assert exits(bench) == []
    bench.wait(6, [leg_ticks(LONG, 1.98, 2.02, bench.now + timedelta(seconds=6))])
    bench.snapshot(positions=[])
    assert (units(bench), exits(bench)) == (0, [])


def test_a_list_that_is_behind_a_fill_holds_no_exit_back() -> None:
    bench, _, stop = holding()
    row = listed(stop, "PreSubmitted", why_held="trigger")
    bench.snapshot(open_orders=[row], positions=[held(LONG, 4)])
    bench.snapshot(open_orders=[row], positions=[])
    position = bench.all(PositionOpened)[-1].position_id
    bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))
    assert [intent.quantity for intent in exits(bench)] == [4]


# Foreign


def test_a_fill_by_no_order_of_ours_is_paged() -> None:
    bench, parent, _ = holding()
    foreign = execution_of(parent, 1, "1.90", "liq.01.01", bench.now).model_copy(
        update={"order_ref": "", "order_id": 0, "perm_id": 9, "side": "SLD", "liquidation": 1}
    )
    bench.give(BrokerExecutionSeen(connection="c1", execution=foreign))
    bench.give(BrokerExecutionSeen(connection="c1", execution=foreign))
    assert (units(bench), pages(bench)) == (3, ["FOREIGN_FILL"])


@pytest.mark.parametrize(
    ("minutes", "reference"),
    [(-1, ""), (0, "P0000000000000099-X1.1")],
    ids=["by hand", "forgotten"],
)
def test_what_was_traded_before_a_position_or_by_an_order_of_a_day_that_is_over_changes_it_not(
    minutes: int, reference: str
) -> None:
    """The lists go on showing it: counted into the position, its exits would sell too little."""
    bench, parent, stop = holding()
    at = bench.now + timedelta(minutes=minutes)
    sold = execution_of(parent, 1, "1.90", "old.01.01", at).model_copy(
        update={"order_ref": reference, "order_id": 0, "perm_id": 9, "side": "SLD"}
    )
    row = listed(stop, "PreSubmitted", why_held="trigger")
    bench.snapshot(open_orders=[row], executions=[sold], positions=[held(LONG, 4)])
    assert (units(bench), pages(bench), is_clean(bench)) == (4, [], True)


def test_what_another_account_of_the_login_holds_and_trades_is_not_ours() -> None:
    bench, parent, stop = holding()
    other = {"account": "DU7654321"}
    sold = execution_of(parent, 3, "1.90", "other.01.01", bench.now).model_copy(
        update=other | {"order_ref": "", "order_id": 0, "perm_id": 9, "side": "SLD"}
    )
    row = listed(stop, "PreSubmitted", why_held="trigger")
    stranger = row.model_copy(update=other | {"order_ref": "", "perm_id": 77, "order_id": 0})
    bench.snapshot(
        open_orders=[row, stranger],
        executions=[sold],
        positions=[held(LONG, 4), held(LONG, 9).model_copy(update=other)],
    )
    assert units(bench) == 4
    assert is_clean(bench)
    assert pages(bench) == []


# Expiry, exercise, assignment


def gone(bench: Bench, *rows: SnapshotPosition) -> list[PositionAdjusted]:
    bench.snapshot(positions=rows)
    return bench.all(PositionAdjusted)


def test_an_assigned_short_leg_is_adjusted_with_its_delivery_and_paged() -> None:
    bench = holding_vertical()
    bench.now += timedelta(minutes=5)
    bench.give(underlying_ticks(608.0, bench.now))
    (adjusted,) = gone(bench, held(LONG, 4), held(SHORT, -2), shares(-200))
    assert (adjusted.kind, adjusted.con_id, adjusted.quantity) == ("assignment", SHORT.con_id, 2)
    assert adjusted.price == Decimal("3.00"), "what the contract was worth"
    assert pages(bench) == ["ASSIGNMENT"]
    assert gone(bench, held(LONG, 4), held(SHORT, -2), shares(-200)) == [adjusted]
    assert not is_clean(bench), "the shares are for a human to sell: no entry until then"


def test_a_second_assignment_needs_shares_of_its_own() -> None:
    bench = holding_vertical()
    gone(bench, held(LONG, 4), held(SHORT, -3), shares(-100))
    assert len(gone(bench, held(LONG, 4), held(SHORT, -2), shares(-100))) == 1
    assert len(gone(bench, held(LONG, 4), held(SHORT, -2), shares(-200))) == 2


def test_shares_that_were_sold_are_no_evidence_of_a_later_assignment() -> None:
    bench = holding_vertical()
    gone(bench, held(LONG, 4), held(SHORT, -3), shares(-100))
    gone(bench, held(LONG, 4), held(SHORT, -3))
    assert len(gone(bench, held(LONG, 4), held(SHORT, -2), shares(-100))) == 2


def cover(bench: Bench, side: str, quantity: int, number: int = 1) -> BrokerExecution:
    """A human's trade of shares, as a look lists it."""
    return BrokerExecution(
        exec_id=f"0000000{number}.7.01.01",
        order_id=0,
        client_id=0,
        perm_id=900 + number,
        order_ref="",
        con_id=756733,
        symbol="SPY",
        sec_type="STK",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal("607.51"),
        executed_at=bench.now,
        account=ACCOUNT,
    )


def test_an_assignment_whose_shares_were_bought_back_before_the_look_is_proven_by_that_trade() -> (
    None
):
    """One is assigned, then another; a human buys 200 shares back before anybody has looked."""
    bench = holding_vertical()
    gone(bench, held(LONG, 4), held(SHORT, -3), shares(-100))
    bench.now += timedelta(seconds=30)
    bought = cover(bench, "BOT", 200)
    bench.snapshot(positions=[held(LONG, 4), held(SHORT, -2)], executions=[bought])
    assert [(a.kind, a.quantity) for a in bench.all(PositionAdjusted)] == [("assignment", 1)] * 2
    assert pages(bench) == ["ASSIGNMENT", "DELIVERED_SHARES_GONE", "ASSIGNMENT"]
    assert is_clean(bench)
    bench.now += timedelta(seconds=60)
    bench.snapshot(positions=[held(LONG, 4), held(SHORT, -2)], executions=[bought])
    assert len(bench.all(PositionAdjusted)) == 2, "a trade that was counted counts no more"
    assert is_clean(bench)
    assert pages(bench).count("DELIVERED_SHARES_GONE") == 1


def test_shares_that_a_human_bought_are_no_evidence_of_an_exercise() -> None:
    """A long is missing in one look while somebody buys shares: the shares have their trade."""
    bench = holding_vertical()
    bench.snapshot(positions=[held(LONG, 4), held(SHORT, -4)])
    bench.now += timedelta(seconds=30)
    bought = cover(bench, "BOT", 400)
    bench.snapshot(positions=[held(SHORT, -4), shares(400)], executions=[bought])
    assert not bench.all(PositionAdjusted)
    assert not is_clean(bench)


def test_an_exercised_long_option_is_adjusted_with_its_delivery() -> None:
    bench, _, _ = holding()
    bench.give(underlying_ticks(603.5, bench.now))
    (adjusted,) = gone(bench, shares(400))
    assert (adjusted.kind, adjusted.quantity, adjusted.price) == (
        "exercise",
        -4,
        Decimal("3.50"),
    )
    assert bench.all(PositionChanged)[-1].realised_pnl == Decimal("600.00")


def test_shares_prove_the_contract_that_is_in_the_money_and_not_one_that_expired() -> None:
    """Two shorts are gone the same evening; the shares that came are those of the dearer one."""
    bench = Bench()
    bench.start()
    put, far_put, call, far_call = (leg.contract for leg in condor().legs)
    bench.market(*(leg_ticks(sold, 1.0, 1.02) for sold in (put, call)))
    bench.market(*(leg_ticks(bought, 0.5, 0.52) for bought in (far_put, far_call)))
    bodies = bench.enter(condor(), mid="-1.00")
    (entry,) = [b for b in bodies if isinstance(b, OrderIntended)]
    bench.sent(entry)
    for number in range(4):
        name = f"e.0{number}.01"
        bench.give_execution(execution_of(entry, 1, "1.0", name, bench.now, leg=number))
    bench.now = CLOSE + timedelta(minutes=16)
    bench.give(underlying_ticks(612.0, bench.now))
    kinds = {a.con_id: (a.kind, a.price) for a in gone(bench, shares(-100))}
    assert kinds[call.con_id] == ("assignment", Decimal("2.00"))
    assert kinds[put.con_id] == ("expiry", Decimal(0))
    assert pages(bench) == ["ASSIGNMENT"]


def test_what_expires_is_adjusted_the_same_evening_at_what_it_was_worth() -> None:
    bench, _, _ = holding()
    bench.now = CLOSE + timedelta(minutes=16)
    bench.give(underlying_ticks(599.0, bench.now))
    (adjusted,) = gone(bench)
    assert (adjusted.kind, adjusted.quantity, adjusted.price) == ("expiry", -4, Decimal(0))
    assert bench.all(FillInferred) == []
    assert bench.all(PositionChanged)[-1].realised_pnl == Decimal("-800.00")


def test_nothing_expires_before_its_last_session_has_ended() -> None:
    bench, _, _ = holding()
    bench.now = CLOSE + timedelta(minutes=14)
    bench.give(underlying_ticks(599.0, bench.now))
    assert gone(bench) == []


def test_a_contract_that_no_position_holds_is_paged_and_taken_over_by_none() -> None:
    bench, _, stop = holding()
    row = listed(stop, "PreSubmitted", why_held="trigger")
    for _ in range(3):
        bench.now += timedelta(seconds=11)
        bench.snapshot(open_orders=[row], positions=[held(LONG, 4), held(SHORT, 1)])
    (inferred,) = bench.all(FillInferred)
    assert (inferred.position_id, inferred.theirs, units(bench)) == ("", 1, 4)
    assert pages(bench) == ["FILL_INFERRED"]
    assert not is_clean(bench)


def test_an_exit_does_not_sell_what_somebody_else_sold_before_the_entry_filled() -> None:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LONG, 1.98, 2.02))
    parent, stop = [b for b in bench.enter(long_call()) if isinstance(b, OrderIntended)]
    for intent in (parent, stop):
        bench.sent(intent)
    waiting = listed(stop, "PreSubmitted", why_held="child,trigger")
    for _ in range(2):
        bench.snapshot(open_orders=[listed(parent), waiting], positions=[held(LONG, -3)])
        bench.now += timedelta(seconds=11)
    bench.fill(parent, 4, "2.00")
    bench.seen(listed(parent, "Filled", 4))
    bench.seen(listed(stop, "PreSubmitted", why_held="trigger"))
    bench.market(leg_ticks(LONG, 1.98, 2.02, bench.now))
    position = bench.all(PositionOpened)[-1].position_id
    bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))
    assert [intent.quantity for intent in exits(bench)] == [1], "the broker holds four less three"


def test_a_short_that_is_assigned_while_an_exit_buys_it_back_leaves_a_long_of_the_position() -> (
    None
):
    """It was inferred without a price, and the contract bought too much belonged to nobody."""
    bench, long, short, exit_intent = leaving_vertical()
    for leg, price in ((0, "3.02"), (1, "1.01")):
        execution = execution_of(exit_intent, 4, price, f"x.0{leg + 2}.01", bench.now, leg=leg)
        bench.give_execution(execution)
    bench.seen(listed(exit_intent, "Filled", 4))
    assert units(bench) == 0
    bench.now += timedelta(seconds=11)
    bench.give(underlying_ticks(607.5, bench.now))
    bodies = bench.snapshot(positions=[held(short, 1), shares(-100)])
    (adjusted,) = [body for body in bodies if isinstance(body, PositionAdjusted)]
    assert (adjusted.con_id, adjusted.quantity) == (short.con_id, 1)
    assert (adjusted.kind, adjusted.price) == ("assignment", Decimal("2.50"))
    assert "ASSIGNMENT" in pages(bench) and not bench.all(FillInferred)
    changed = bench.all(PositionChanged)[-1]
    assert {leg.con_id: leg.quantity for leg in changed.legs} == {long.con_id: 0, short.con_id: 1}
    # A human buys the shares back: now the long may be sold.
    bench.now += timedelta(seconds=11)
    bench.snapshot(positions=[held(short, 1)])
    bench.market(leg_ticks(short, 2.48, 2.52, bench.now), underlying=607.5)
    bench.wait(1, [leg_ticks(short, 2.48, 2.52, bench.now + timedelta(seconds=1))])
    rest = exits(bench)[-1]
    assert rest.order_ref != exit_intent.order_ref
    (leg,) = rest.structure.legs
    assert (leg.contract.con_id, rest.action.sign * leg.ratio, rest.quantity) == (
        short.con_id,
        -1,
        1,
    )


def test_a_long_that_came_without_shares_is_no_assignment() -> None:
    """Somebody bought it by hand: it is inferred and paged, and nothing is booked at a price."""
    bench, _, short, exit_intent = leaving_vertical()
    for leg, price in ((0, "3.02"), (1, "1.01")):
        execution = execution_of(exit_intent, 4, price, f"x.0{leg + 2}.01", bench.now, leg=leg)
        bench.give_execution(execution)
    bench.seen(listed(exit_intent, "Filled", 4))
    for _ in range(2):
        bench.now += timedelta(seconds=11)
        bench.snapshot(positions=[held(short, 1)])
    assert not bench.all(PositionAdjusted)
    assert bench.all(FillInferred)[-1].position_id == ""
