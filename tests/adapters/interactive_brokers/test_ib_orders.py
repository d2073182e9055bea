"""The trader's connection against the sandbox TWS, over a real ib_async client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import pytest

from adapters.interactive_brokers.link import ClientIdInUse, LinkError
from adapters.interactive_brokers.order_link import BrokerEvent
from adapters.interactive_brokers.orders import IbOrders, NotSent
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.session import SessionRule, WrongSession
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerCommissionSeen,
    BrokerDisconnected,
    BrokerErrorSeen,
    BrokerExecutionSeen,
    BrokerOrderSeen,
    BrokerTimeSeen,
    OrderModifyIntended,
)
from domain.instruments import Side
from tests.adapters.interactive_brokers.intents import (
    DEBIT_CALL_SPREAD,
    LONG_CALL,
    intent,
    protective_stop,
    wall_clock,
)
from tests.adapters.interactive_brokers.still_market import CALL_600, CALL_605, StillMarket
from tests.waiting import Until

EventT = TypeVar("EventT")


class Heard:
    """Everything that came out of the queue so far."""

    def __init__(self, trader: IbOrders) -> None:
        self._trader = trader
        self._events: list[BrokerEvent] = []

    def all(self, kind: type[EventT]) -> list[EventT]:
        while not self._trader.events.empty():
            self._events.append(self._trader.events.get_nowait())
        return [event for event in self._events if isinstance(event, kind)]

    def order(self, order_ref: str) -> BrokerOrderSeen:
        """The last word on an order."""
        return [e for e in self.all(BrokerOrderSeen) if e.order.order_ref == order_ref][-1]

    def status(self, order_ref: str) -> Callable[[], str]:
        def last() -> str:
            seen = [e for e in self.all(BrokerOrderSeen) if e.order.order_ref == order_ref]
            return seen[-1].order.status if seen else ""

        return last


async def connected(trader: IbOrders, connection: str = "c1") -> int:
    """Connect, reserve, and return the first id of the block."""
    await trader.connect(connection)
    return trader.reserve_ids(0).first


async def test_connecting_tells_account_client_and_next_valid_id(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    made = await orders.connect("c1")
    assert (made.account, made.paper, made.client_id) == ("DU1234567", True, 7)
    assert (made.server_version, made.next_valid_id) == (178, 1)
    assert tws.connected_clients() == (7,)


async def test_a_second_trader_is_told_that_the_id_is_in_use_without_waiting(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    await orders.connect("c1")
    second = IbOrders("127.0.0.1", tws.port, 7, "run-2", wall_clock)
    with pytest.raises(ClientIdInUse, match="client id is already in use"):
        await asyncio.wait_for(second.connect("c2"), 1.0)
    assert orders.is_connected
    await second.close()


async def test_another_account_than_ours_is_never_traded(tws: TwsSandbox) -> None:
    session = SessionRule("sandbox", "DU7654321")
    trader = IbOrders("127.0.0.1", tws.port, 7, "run-1", wall_clock, session=session)
    with pytest.raises(WrongSession, match=r"was DU7654321, not one of DU1234567"):
        await trader.connect("c1")
    assert not trader.is_connected


async def test_a_paper_account_is_never_traded_in_live_mode(tws: TwsSandbox) -> None:
    session = SessionRule("live")
    trader = IbOrders("127.0.0.1", tws.port, 7, "run-1", wall_clock, session=session)
    with pytest.raises(WrongSession, match="must be a live one in mode live, was DU1234567"):
        await trader.connect("c1")
    assert not trader.is_connected


async def test_a_tws_that_is_not_there_is_an_error_at_once(tws: TwsSandbox) -> None:
    port = tws.port
    await tws.stop()
    trader = IbOrders("127.0.0.1", port, 7, "run-1", wall_clock)
    with pytest.raises(LinkError, match="must become ready"):
        await trader.connect("c1")


async def test_an_order_fills_and_every_message_of_it_is_an_event(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "entry-1"))
    await until(lambda: heard.all(BrokerCommissionSeen))
    order = heard.order("entry-1")
    assert (order.order.status, order.order.filled, order.average_price) == (
        "Filled",
        2,
        Decimal("1.25"),
    )
    (fill,) = heard.all(BrokerExecutionSeen)
    assert fill.execution.order_ref == "entry-1"
    assert (fill.execution.price, fill.execution.quantity) == (Decimal("1.25"), 2)
    assert fill.execution.family == fill.execution.exec_id.rpartition(".")[0]
    (report,) = heard.all(BrokerCommissionSeen)
    assert (report.commission, report.realised_pnl) == (Decimal("1.4"), None)
    assert [o.order_ref for o in tws.ledger().orders] == ["entry-1"]


async def test_a_combination_is_sent_with_its_legs_and_comes_back_leg_by_leg(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "spread", structure=DEBIT_CALL_SPREAD, limit="0.85"))
    await until(lambda: len(heard.all(BrokerExecutionSeen)) == 3)
    by_contract = {
        e.execution.con_id: (e.execution.side, e.execution.sec_type)
        for e in heard.all(BrokerExecutionSeen)
    }
    assert by_contract[CALL_600] == ("BOT", "OPT")
    assert by_contract[CALL_605] == ("SLD", "OPT")
    assert ("BOT", "BAG") in by_contract.values()


async def test_a_credit_price_goes_out_negative_and_exact(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(
        intent(first, "leave", structure=DEBIT_CALL_SPREAD, action=Side.SELL, limit="-1E-1")
    )
    await until(lambda: heard.status("leave")() == "Filled")
    assert tws.ledger().orders[0].limit_price == Decimal("-0.1")


async def test_parent_and_protective_stop_go_out_in_one_write(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    parent = intent(first, "entry-1", transmit=False)
    orders.place_bracket([parent, protective_stop(first + 1, "stop-1", "entry-1")])
    await until(lambda: heard.status("stop-1")() == "PreSubmitted")
    await until(lambda: heard.order("stop-1").order.why_held == "trigger")
    stop = heard.order("stop-1").order
    assert (stop.parent_id, stop.stop_price, stop.quantity) == (first, Decimal("0.6"), 2)
    assert {o.account for o in tws.ledger().orders} == {"DU1234567"}
    assert {o.tif for o in tws.ledger().orders} == {"DAY"}


async def test_a_broken_bracket_sends_nothing_at_all(tws: TwsSandbox, orders: IbOrders) -> None:
    first = await connected(orders)
    parent = intent(first, "entry-1", transmit=True)
    with pytest.raises(NotSent, match="last member alone"):
        orders.place_bracket([parent, protective_stop(first + 1, "stop-1", "entry-1")])
    with pytest.raises(NotSent, match="child must go with its parent"):
        orders.place(protective_stop(first + 1, "stop-1", "entry-9"))
    await orders.snapshot()
    assert tws.ledger().orders == []


async def test_the_oca_group_given_by_the_broker_is_kept_when_a_stop_is_modified(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    child = protective_stop(first + 1, "stop-1", "entry-1")
    orders.place_bracket([intent(first, "entry-1", transmit=False), child])
    await until(lambda: heard.status("stop-1")() == "PreSubmitted")
    group = heard.order("stop-1").order.oca_group
    assert group and group != child.oca_group
    orders.modify(
        child,
        OrderModifyIntended(
            order_ref="stop-1",
            order_id=first + 1,
            connection="c1",
            revision=1,
            quantity=1,
            limit_price=Decimal("0.55"),
            stop_price=Decimal("0.65"),
        ),
    )
    await until(lambda: heard.order("stop-1").order.quantity == 1)
    changed = tws.ledger().orders[1]
    assert (changed.oca_group, changed.parent_id) == (group, first)
    assert (changed.stop_price, changed.limit_price) == (Decimal("0.65"), Decimal("0.55"))


async def test_an_order_not_yet_acknowledged_on_this_connection_is_never_modified(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    original = intent(first, "entry-1", limit="1.10")
    change = OrderModifyIntended(
        order_ref="entry-1",
        order_id=first,
        connection="c1",
        revision=1,
        quantity=2,
        limit_price=Decimal("1.25"),
        stop_price=None,
    )
    orders.place(original)
    with pytest.raises(NotSent, match="openOrder of"):
        orders.modify(original, change)
    heard = Heard(orders)
    await until(lambda: heard.status("entry-1")() == "Submitted")
    orders.modify(original, change)
    await until(lambda: heard.status("entry-1")() == "Filled")
    assert len(tws.ledger().orders) == 1


async def test_a_cancel_is_answered_by_error_and_status(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "entry-1", limit="1.10"))
    await until(lambda: heard.status("entry-1")() == "Submitted")
    orders.cancel(first)
    await until(lambda: heard.status("entry-1")() == "Cancelled")
    (error,) = [e for e in heard.all(BrokerErrorSeen) if e.code == 202]
    assert error.order_ref == "entry-1"


async def test_what_if_returns_numbers_and_uses_up_its_id(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    first = await connected(orders)
    answer = await orders.what_if(intent(first, "w-1", structure=DEBIT_CALL_SPREAD, limit="0.85"))
    assert (answer.initial_change, answer.commission) == (Decimal(160), Decimal("2.8"))
    assert answer.warning == ""
    with pytest.raises(NotSent, match="order id must be above"):
        orders.place(intent(first, "entry-1"))
    assert tws.ledger().orders == []


async def test_what_if_that_is_refused_or_never_answered_has_no_numbers(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    first = await connected(orders)
    tws.faults.set("what_if_unset_first")
    answer = await orders.what_if(intent(first, "w-1"))
    assert answer.initial_change == Decimal(245)
    refused = await orders.what_if(intent(first + 1, "w-2", action=Side.SELL, quantity=500))
    assert refused.initial_change is None
    assert refused.warning.startswith("201: Order rejected - reason:")
    tws.faults.set("what_if_never_answered")
    silent = await orders.what_if(intent(first + 2, "w-3"), seconds=0.05)
    assert (silent.initial_change, silent.warning) == (None, "no answer within 0.05 s")
    assert orders.is_connected


async def test_a_snapshot_has_all_five_parts(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "done"))
    orders.place(intent(first + 1, "open", limit="1.10"))
    await until(lambda: heard.status("open")() == "Submitted")
    await until(lambda: heard.status("done")() == "Filled")
    snapshot = await orders.snapshot()
    assert [(o.order_ref, o.status, o.remaining) for o in snapshot.open_orders] == [
        ("open", "Submitted", 2)
    ]
    (done,) = snapshot.completed_orders
    assert (done.order_ref, done.order_id, done.filled) == ("done", 0, 2)
    assert [e.order_ref for e in snapshot.executions] == ["done"]
    assert [(p.con_id, p.quantity) for p in snapshot.positions] == [(CALL_600, 2)]
    assert snapshot.account_values["NetLiquidation"] != "1000000.00"
    assert "PostExpirationExcess" in snapshot.account_values


async def test_account_values_profit_and_time_are_streamed(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    await orders.snapshot()
    heard = Heard(orders)
    orders.place(intent(first, "entry-1"))
    await until(lambda: any("TotalCashValue" in e.values for e in heard.all(BrokerAccountSeen)[1:]))
    await until(lambda: len(heard.all(BrokerTimeSeen)) > 1)
    assert heard.all(BrokerTimeSeen)[0].broker_time.isoformat() == "2026-11-23T15:00:00+00:00"
    profits = [e for e in heard.all(BrokerAccountSeen) if e.daily_pnl is not None]
    assert profits[0].daily_pnl == 0


async def test_orders_found_after_a_reconnect_are_ours_by_reference(
    tws: TwsSandbox, orders: IbOrders, market: StillMarket, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    original = intent(first, "entry-1", limit="1.10")
    orders.place(original)
    await until(lambda: heard.status("entry-1")() == "Submitted")
    tws.faults.set("disconnect", "reset")
    assert await asyncio.wait_for(orders.wait_lost(), 30.0) == "the socket was closed"
    assert heard.all(BrokerDisconnected)[0].connection == "c1"
    await until(lambda: tws.connected_clients() == ())
    await orders.connect("c2")
    snapshot = await orders.snapshot()
    assert [o.order_ref for o in snapshot.open_orders] == ["entry-1"]
    block = orders.reserve_ids(first_above=first)
    assert block.first > first
    with pytest.raises(NotSent, match="intent must be of connection c2"):
        orders.place(intent(block.first, "entry-2", connection="c1"))
    change = OrderModifyIntended(
        order_ref="entry-1",
        order_id=first,
        connection="c2",
        revision=1,
        quantity=2,
        limit_price=Decimal("1.25"),
        stop_price=None,
    )
    orders.modify(original, change)  # its openOrder was seen on c2
    await until(lambda: heard.status("entry-1")() == "Filled")
    assert LONG_CALL.is_single and len(tws.ledger().orders) == 1
