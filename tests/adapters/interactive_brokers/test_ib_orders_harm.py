"""What ib_async or TWS can do to the trader, each test named for the harm it keeps away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from adapters.interactive_brokers.link import LinkError, RequestTimedOut
from adapters.interactive_brokers.orders import (
    KEPT_FOR_EXITS,
    SENDS_A_SECOND_MAX,
    IbOrders,
    NotSent,
)
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.wire import frame
from domain.events.orders import (
    BrokerCommissionSeen,
    BrokerDisconnected,
    BrokerErrorSeen,
    BrokerExecutionSeen,
    BrokerOrderSeen,
)
from tests.adapters.interactive_brokers.intents import intent, wall_clock
from tests.adapters.interactive_brokers.still_market import CALL_600
from tests.adapters.interactive_brokers.test_ib_orders import Heard, connected
from tests.waiting import Until


async def test_a_notice_is_never_taken_for_a_cancel(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    """Notice 10349 makes ib_async's Trade cancelled; others re-sent such orders, and all filled."""
    tws.faults.set("send_tif_notice")
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "entry-1"))
    await until(lambda: heard.status("entry-1")() == "Filled")
    statuses = {e.order.status for e in heard.all(BrokerOrderSeen)}
    assert "Cancelled" not in statuses
    assert [e.code for e in heard.all(BrokerErrorSeen) if e.order_ref] == [10349]


async def test_a_commission_that_overtakes_its_execution_is_not_lost(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    tws.faults.set("commission", "before")
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "entry-1"))
    await until(lambda: heard.all(BrokerExecutionSeen))
    (report,) = heard.all(BrokerCommissionSeen)
    assert report.commission == Decimal("1.4")


async def test_a_corrected_fill_is_not_added_to_the_first(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    tws.faults.set("correct_next_fills", 1)
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "entry-1"))
    await until(lambda: len(heard.all(BrokerExecutionSeen)) == 2)
    families = {e.execution.family for e in heard.all(BrokerExecutionSeen)}
    assert len(families) == 1


async def test_repeated_callbacks_all_reach_the_log_with_one_execution_id(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    tws.faults.set("duplicate_callbacks")
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "entry-1"))
    await until(lambda: len(heard.all(BrokerCommissionSeen)) == 2)
    executions = heard.all(BrokerExecutionSeen)
    assert len(executions) == 2
    assert len({e.execution.exec_id for e in executions}) == 1


async def test_a_fill_without_any_status_is_still_heard(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    tws.faults.set("skip_order_status")
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "entry-1"))
    await until(lambda: heard.all(BrokerExecutionSeen))
    await until(lambda: heard.status("entry-1")() == "Filled")
    assert heard.order("entry-1").source == "openOrder"


async def test_a_frozen_peer_is_given_up_instead_of_trusted(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    await orders.connect("c1")
    tws.faults.set("freeze")
    reason = await asyncio.wait_for(orders.wait_lost(), 30.0)
    assert reason.startswith("no answer to currentTime within")
    assert not orders.is_connected
    with pytest.raises(NotSent, match="a connection must be open"):
        orders.cancel(1)


@pytest.mark.parametrize(
    "switch",
    [
        "swallow_open_order_end",
        "swallow_completed_orders_end",
        "swallow_executions_end",
        "swallow_position_end",
    ],
)
async def test_a_half_answered_snapshot_is_never_reconciled_on(
    switch: str, tws: TwsSandbox
) -> None:
    trader = IbOrders("127.0.0.1", tws.port, 7, "run-1", wall_clock, request_seconds=0.1)
    await trader.connect("c1")
    tws.faults.set(switch)
    with pytest.raises(RequestTimedOut):
        await trader.snapshot()
    assert not trader.is_connected  # a late end could close the next request instead
    await trader.close()


async def test_ids_rolled_back_by_a_restart_are_not_used_again(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "entry-1", limit="1.10"))
    await until(lambda: heard.status("entry-1")() == "Submitted")
    tws.faults.set("restart", 10)
    await asyncio.wait_for(orders.wait_lost(), 30.0)
    await until(lambda: tws.connected_clients() == ())
    made = await orders.connect("c2")
    assert made.next_valid_id <= first
    block = orders.reserve_ids(first_above=first)
    assert block.first > first
    orders.place(intent(block.first, "entry-2", connection="c2", limit="1.10"))
    await until(lambda: heard.status("entry-2")() == "Submitted")
    assert [o.order_ref for o in tws.ledger().orders] == ["entry-1", "entry-2"]


async def test_request_ids_never_fall_into_the_block_of_order_ids(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    await orders.connect("c1")
    await orders.snapshot()
    block = orders.reserve_ids(first_above=0, count=100)
    await orders.snapshot()
    assert orders._link is not None
    assert orders._link.client.getReqId() > block.last


async def test_an_id_outside_the_block_or_used_before_is_never_sent(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    await orders.connect("c1")
    with pytest.raises(NotSent, match="reserved block"):
        orders.place(intent(5, "entry-1"))
    block = orders.reserve_ids(0, count=10)
    with pytest.raises(NotSent, match="reserved block"):
        orders.place(intent(block.last + 1, "entry-1"))
    orders.place(intent(block.first + 1, "entry-1", limit="1.10"))
    for order_id in (block.first, block.first + 1):
        with pytest.raises(NotSent, match="order id must be above"):
            orders.place(intent(order_id, "entry-2"))
    await orders.snapshot()
    assert [o.order_ref for o in tws.ledger().orders] == ["entry-1"]


def until_refused(send: Callable[[int], None]) -> str:
    """Send until there is no room; what the refusal says."""
    for number in range(SENDS_A_SECOND_MAX + 1):
        try:
            send(number)
        except NotSent as refused:
            return str(refused)
    raise AssertionError("a send must be refused, was none")


async def test_a_burst_of_entries_never_starves_an_exit(tws: TwsSandbox, orders: IbOrders) -> None:
    """Entries, cancels and requests count; beyond the limit ib_async would hold messages back."""
    first = await connected(orders)

    def enter(number: int) -> None:
        orders.place(intent(first + number, f"entry-{number}", quantity=1, limit="1.10"))

    refusal = until_refused(enter)
    assert f"at most {SENDS_A_SECOND_MAX - KEPT_FOR_EXITS} a second" in refusal
    assert "send fewer entries" in refusal
    for number in range(KEPT_FOR_EXITS):
        orders.cancel(first + number)
    refusal = until_refused(lambda number: orders.cancel(first + number))
    assert f"at most {SENDS_A_SECOND_MAX} a second" in refusal


async def test_the_lists_of_a_snapshot_leave_room_for_exits(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    first = await connected(orders)

    def enter(number: int) -> None:
        orders.place(intent(first + number, f"entry-{number}", quantity=1, limit="1.10"))

    until_refused(enter)
    taking = asyncio.create_task(orders.snapshot())
    await asyncio.sleep(0)
    for number in range(KEPT_FOR_EXITS):
        orders.cancel(first + number)
    snapshot = await asyncio.wait_for(taking, 30.0)
    assert snapshot.positions == ()


async def test_an_unset_commission_is_no_commission_of_nothing(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    """TWS says 1.797e308 for what it does not know yet; taken as 0 the trade had no fee."""
    await orders.connect("c1")
    for commission in ("1.7976931348623157E308", "0.65"):
        report = frame(59, 1, "0001.01", commission, "USD", "1.7976931348623157E308", "", "")
        tws._sessions[7].send_frames([report])
    await orders.snapshot()
    seen = Heard(orders).all(BrokerCommissionSeen)
    assert [report.commission for report in seen] == [None, Decimal("0.65")]


async def test_bytes_lost_on_the_way_leave_no_trace_but_silence(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    """Nothing confirms the order: the caller's intent is unknown, and nothing is re-sent here."""
    first = await connected(orders)
    tws.faults.set("drop_next_orders", 1)
    orders.place(intent(first, "entry-1"))
    snapshot = await orders.snapshot()
    assert (snapshot.open_orders, snapshot.completed_orders, snapshot.executions) == ((), (), ())
    assert Heard(orders).all(BrokerOrderSeen) == []


async def test_an_unreadable_order_message_costs_the_connection(
    tws: TwsSandbox, orders: IbOrders
) -> None:
    """ib_async logs such a message and drops it; an execution could be in it."""
    await orders.connect("c1")
    tws._sessions[7].send_frames([frame(11, -1, "not an execution")])
    reason = await asyncio.wait_for(orders.wait_lost(), 30.0)
    assert reason == "a message about orders could not be read"
    (lost,) = [e for e in Heard(orders).all(BrokerErrorSeen) if e.code == 0]
    assert "not an execution" in lost.text


async def test_a_message_of_unknown_kind_is_reported_and_survived(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    await orders.connect("c1")
    heard = Heard(orders)
    tws._sessions[7].send_frames([frame(999, "new in a later version")])
    await until(lambda: [e for e in heard.all(BrokerErrorSeen) if e.code == 0])
    assert orders.is_connected


async def test_a_reader_that_falls_behind_loses_the_connection_and_no_event(
    tws: TwsSandbox, until: Until
) -> None:
    trader = IbOrders("127.0.0.1", tws.port, 7, "run-1", wall_clock, events_max=20)
    first = await connected(trader)
    for number in range(10):
        trader.place(intent(first + number, f"entry-{number}", quantity=1, limit="1.10"))
    reason = await asyncio.wait_for(trader.wait_lost(), 30.0)
    assert reason == "more than 20 events wait to be recorded"
    heard = Heard(trader)
    assert heard.all(BrokerDisconnected)[-1].reason == reason
    await trader.close()


async def test_a_forced_liquidation_shows_in_the_snapshot_as_foreign(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    heard = Heard(orders)
    orders.place(intent(first, "entry-1"))
    await until(lambda: heard.status("entry-1")() == "Filled")
    tws.faults.set("liquidate", CALL_600)
    snapshot = await orders.snapshot()
    forced = snapshot.executions[-1]
    assert (forced.liquidation, forced.order_id, forced.order_ref) == (1, 0, "")
    assert snapshot.positions == ()


async def test_a_closed_connection_fails_what_waits_on_it(
    tws: TwsSandbox, orders: IbOrders, until: Until
) -> None:
    first = await connected(orders)
    tws.faults.set("what_if_never_answered")
    asking = asyncio.create_task(orders.what_if(intent(first, "w-1"), seconds=5.0))
    await until(lambda: tws._book.highest_id(7))
    await orders.close("stopping")
    answer = await asyncio.wait_for(asking, 1.0)
    assert answer.initial_change is None
    assert "stopping" in answer.warning
    with pytest.raises(LinkError, match="a connection must be open"):
        await orders.snapshot()


@pytest.mark.parametrize("code", [1100, 2110])
async def test_no_order_leaves_into_a_tws_that_is_cut_off_from_the_broker(
    code: int, tws: TwsSandbox, until: Until
) -> None:
    """Its socket stays open and takes orders that nobody works: the connection counts as lost."""
    trader = IbOrders("127.0.0.1", tws.port, 7, "run-1", wall_clock, quiet_seconds=0.2)
    first = await connected(trader)
    tws.faults.set("notice", code)
    reason = await asyncio.wait_for(trader.wait_lost(), 30.0)
    assert f"cut off from the broker's servers ({code})" in reason
    with pytest.raises(NotSent):
        trader.place(intent(first, "entry-1", limit="1.10"))
    await trader.close()


async def test_a_tws_that_goes_on_saying_it_is_cut_off_is_not_trusted_yet(
    tws: TwsSandbox, until: Until
) -> None:
    trader = IbOrders("127.0.0.1", tws.port, 7, "run-1", wall_clock, quiet_seconds=60)
    await connected(trader)
    tws.faults.set("notice", 1100)
    await asyncio.wait_for(trader.wait_lost(), 30.0)
    await until(lambda: tws.connected_clients() == ())

    again = asyncio.create_task(trader.connect("c2"))
    await until(lambda: tws.connected_clients() == (7,))
    tws.faults.set("notice", 1100)
    with pytest.raises(LinkError, match="not reached yet"):
        await asyncio.wait_for(again, 2.0)
    assert not trader.is_connected
    await trader.close()

    trader._quiet_seconds = 0.05
    await until(lambda: tws.connected_clients() == ())
    assert (await trader.connect("c3")).connection == "c3"
    await trader.close()
