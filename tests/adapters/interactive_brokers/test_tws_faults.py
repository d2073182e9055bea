"""Each fault switch of the sandbox, felt by an unmodified ib_async."""

from __future__ import annotations

import asyncio

import pytest
from ib_async import IB, Contract

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.faults import Faults
from tests.adapters.interactive_brokers.still_market import CALL_600, SPY, StillMarket
from tests.adapters.interactive_brokers.test_tws_orders import (
    CALL,
    errors_of,
    limit,
    positions,
    status,
    stop,
)
from tests.waiting import Until


def test_a_switch_must_exist_and_get_a_value_of_its_kind() -> None:
    faults = Faults(lambda _name, _value: None)
    with pytest.raises(LookupError, match="fault must be one of"):
        faults.set("no_such_fault")
    with pytest.raises(ValueError, match="commission must be one of"):
        faults.set("commission", "sometimes")
    with pytest.raises(ValueError, match="freeze must be a bool"):
        faults.set("freeze", "yes")
    faults.set("delay_callbacks_seconds", 1)
    assert faults.number("delay_callbacks_seconds") == 1.0
    faults.clear()
    assert not faults.is_on("delay_callbacks_seconds")


@pytest.mark.parametrize("kind", ["fin", "reset"])
async def test_disconnect_ends_every_link(kind: str, tws: TwsSandbox, ib: IB, until: Until) -> None:
    tws.faults.set("disconnect", kind)
    await until(lambda: not ib.isConnected())
    await until(lambda: tws.connected_clients() == ())


async def test_a_frozen_sandbox_reads_and_never_answers(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    tws.faults.set("freeze")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.1)
    ib.placeOrder(CALL, limit("BUY", 1, 1.25))
    assert ib.isConnected()
    assert tws.ledger().orders == []


async def test_a_mute_sandbox_fills_and_says_nothing(tws: TwsSandbox, ib: IB, until: Until) -> None:
    tws.faults.set("mute")
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.25))
    await until(lambda: positions(tws) == {CALL_600: 1})
    assert status(trade) == "PendingSubmit"


async def test_the_bytes_of_the_next_order_are_lost(tws: TwsSandbox, ib: IB, until: Until) -> None:
    tws.faults.set("drop_next_orders", 1)
    lost = ib.placeOrder(CALL, limit("BUY", 1, 1.10))
    kept = ib.placeOrder(CALL, limit("BUY", 1, 1.10))
    await until(lambda: status(kept) == "Submitted")
    assert status(lost) == "PendingSubmit"
    assert len(tws.ledger().orders) == 1


async def test_callbacks_are_doubled_and_turned_round_and_delayed(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    seen: list[str] = []
    ib.execDetailsEvent += lambda trade, _fill: seen.append(f"fill while {status(trade)}")
    tws.faults.set("duplicate_callbacks")
    tws.faults.set("reorder_callbacks")
    tws.faults.set("delay_callbacks_seconds", 0.05)
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.25))
    await until(lambda: status(trade) == "Filled" and seen)
    assert seen == ["fill while Filled"]  # the status came first; the repeat was no second fill
    assert len(tws.ledger().executions) == 1


async def test_the_next_order_is_rejected_and_leaves_its_child_cancelled(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    heard = errors_of(ib)
    tws.faults.set("reject_next_orders", 1)
    parent = limit("BUY", 1, 1.25, orderId=ib.client.getReqId(), transmit=False)
    entry = ib.placeOrder(CALL, parent)
    child = ib.placeOrder(CALL, stop("SELL", 1, 0.60, 0.50, parentId=parent.orderId))
    await until(lambda: status(child) == "Cancelled")
    assert heard[0][0] == 201
    assert status(entry) == "Inactive"
    assert positions(tws) == {}


async def test_a_restart_rolls_ids_back_and_forgets_what_was_not_transmitted(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    working = ib.placeOrder(CALL, limit("BUY", 1, 1.10))
    held = ib.placeOrder(CALL, limit("BUY", 1, 1.10, transmit=False))
    await until(lambda: status(working) == "Submitted" and len(tws.ledger().orders) == 2)
    before = tws._book.next_valid_id(7)
    tws.faults.set("restart", 3)
    await until(lambda: not ib.isConnected())
    assert tws._book.next_valid_id(7) == before - 3
    assert [order.order_id for order in tws.ledger().orders] == [working.order.orderId]
    assert held.order.orderId == before - 1


async def test_connectivity_notices_come_with_the_real_texts(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    heard = errors_of(ib)
    for code in (1100, 1101, 1102, 2103, 2104):
        tws.faults.set("notice", code)
    await until(lambda: len(heard) == 5)
    assert heard[0] == (1100, "Connectivity between IB and Trader Workstation has been lost.")
    assert heard[2][1].endswith("has been restored - data maintained.")


@pytest.mark.parametrize(
    "switch",
    ["swallow_open_order_end", "swallow_position_end", "swallow_completed_orders_end"],
)
async def test_a_swallowed_end_fails_the_synchronisation(switch: str, tws: TwsSandbox) -> None:
    tws.faults.set(switch)
    client = IB()
    with pytest.raises(ConnectionError):
        await client.connectAsync(
            "127.0.0.1", tws.port, clientId=9, timeout=0.2, raiseSyncErrors=True
        )


@pytest.mark.parametrize("switch", ["silent_handshake", "withhold_next_valid_id"])
async def test_a_handshake_that_never_ends_times_out(switch: str, tws: TwsSandbox) -> None:
    tws.faults.set(switch)
    client = IB()
    with pytest.raises(TimeoutError):
        await client.connectAsync("127.0.0.1", tws.port, clientId=9, timeout=0.2)


async def test_what_if_can_come_unset_first_or_never(tws: TwsSandbox, ib: IB) -> None:
    tws.faults.set("what_if_unset_first")
    state = await asyncio.wait_for(ib.whatIfOrderAsync(CALL, limit("BUY", 1, 1.25)), 30.0)
    assert float(state.initMarginChange) == 122.5
    tws.faults.set("what_if_never_answered")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ib.whatIfOrderAsync(CALL, limit("BUY", 1, 1.25)), 0.1)


@pytest.mark.parametrize(("when", "commission"), [("late", 0.7), ("before", 0.0), ("never", 0.0)])
async def test_a_commission_can_come_late_early_or_never(
    when: str, commission: float, tws: TwsSandbox, ib: IB, until: Until
) -> None:
    tws.faults.set("commission", when)
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.25))
    await until(lambda: status(trade) == "Filled" and trade.fills)
    await until(lambda: trade.fills[0].commissionReport.commission == commission)
    assert float(tws.ledger().executions[0].commission) == 0.7


async def test_a_correction_replaces_the_fill_in_the_ledger(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    tws.faults.set("correct_next_fills", 1)
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.25))
    await until(lambda: len(trade.fills) == 2)
    first, second = (fill.execution.execId for fill in trade.fills)
    assert first.rpartition(".")[0] == second.rpartition(".")[0]
    assert positions(tws) == {CALL_600: 1}
    assert [float(e.price) for e in tws.ledger().counted_executions()] == [1.26]


async def test_a_correction_may_take_a_contract_back(tws: TwsSandbox, ib: IB, until: Until) -> None:
    tws.faults.set("correct_next_fills", 1)
    tws.faults.set("correction", "quantity")
    trade = ib.placeOrder(CALL, limit("BUY", 3, 1.25))
    await until(lambda: len(trade.fills) == 2)
    assert [fill.execution.shares for fill in trade.fills] == [3, 2]
    assert positions(tws) == {CALL_600: 2}
    assert [e.quantity for e in tws.ledger().counted_executions()] == [2]


async def test_an_order_may_be_refused_after_it_was_submitted(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    tws.faults.set("reject_after_submitted", 1)
    tws.faults.set("reject_reason", "Riskless combination orders are not allowed")
    heard = errors_of(ib)
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.25))
    seen: list[str] = []
    trade.statusEvent += lambda told: seen.append(told.orderStatus.status)
    await until(lambda: heard and status(trade) == "Inactive")
    assert heard[0] == (201, "Order rejected - reason:Riskless combination orders are not allowed")
    assert "Submitted" in seen and positions(tws) == {}


async def test_both_members_of_a_group_may_fill(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    """The reduction comes too late: more is sold than was held."""
    entry = ib.placeOrder(CALL, limit("BUY", 2, 1.25))
    await until(lambda: status(entry) == "Filled")
    tws.faults.set("oca_overfills")
    group = {"ocaGroup": "p/1", "ocaType": 2}
    first = ib.placeOrder(CALL, limit("SELL", 2, 2.00, **group))
    second = ib.placeOrder(CALL, limit("SELL", 2, 2.00, **group))
    await until(lambda: status(first) == status(second) == "Submitted")
    market.set_quote(CALL_600, 2.10, 2.15, 10)
    tws.poll_once()
    await until(lambda: status(first) == status(second) == "Filled")
    assert positions(tws) == {CALL_600: -2}


async def test_orders_that_came_right_before_a_restart_are_lost_without_a_word(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    lasting = limit("BUY", 1, 1.10)
    lasting.tif = "GTC"
    standing = ib.placeOrder(CALL, lasting)
    await until(lambda: status(standing) == "Submitted")
    tws.faults.set("order_hold_seconds", 0.2)
    late = ib.placeOrder(CALL, limit("BUY", 1, 1.11))
    due = asyncio.get_running_loop().time() + 0.2
    await ib.reqCurrentTimeAsync()  # TWS has read the order
    tws.faults.set("restart")
    await until(lambda: not ib.isConnected())
    again = IB()
    await again.connectAsync("127.0.0.1", tws.port, clientId=7, raiseSyncErrors=True)
    await until(lambda: asyncio.get_running_loop().time() > due)
    orders = {trade.order.orderId for trade in await again.reqAllOpenOrdersAsync()}
    assert orders == {standing.order.orderId} and late.order.orderId not in orders
    again.disconnect()


async def test_a_status_can_be_left_out_at_a_fill(tws: TwsSandbox, ib: IB, until: Until) -> None:
    tws.faults.set("skip_order_status")
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.25))
    await until(lambda: trade.fills)
    assert status(trade) == "Submitted"


async def test_the_tif_notice_reads_like_a_cancel_and_the_order_fills(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    tws.faults.set("send_tif_notice")
    statuses: list[str] = []
    ib.orderStatusEvent += lambda trade: statuses.append(status(trade))
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.25))
    await until(lambda: status(trade) == "Filled")
    assert statuses[0] == "Cancelled"  # what ib_async makes of notice 10349


@pytest.mark.parametrize(
    ("sizing", "remaining", "why_held"),
    [
        ("to_fill", 5, "trigger"),
        ("held_until_full", 7, "child,trigger"),
        ("full_at_once", 7, "trigger"),
    ],
)
async def test_a_child_is_sized_as_the_switch_says(
    sizing: str, remaining: int, why_held: str, tws: TwsSandbox, ib: IB, until: Until
) -> None:
    tws.faults.set("child_sizing", sizing)
    parent = limit("BUY", 7, 1.25, orderId=ib.client.getReqId(), transmit=False)
    entry = ib.placeOrder(CALL, parent)
    child = ib.placeOrder(CALL, stop("SELL", 7, 0.60, 0.50, parentId=parent.orderId))
    await until(lambda: entry.orderStatus.filled == 5)
    await until(lambda: child.orderStatus.whyHeld == why_held)
    assert child.orderStatus.remaining == remaining


async def test_a_child_can_be_cancelled_with_the_rest_of_its_parent(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    tws.faults.set("child_cancelled_with_rest")
    parent = limit("BUY", 7, 1.25, orderId=ib.client.getReqId(), transmit=False)
    entry = ib.placeOrder(CALL, parent)
    child = ib.placeOrder(CALL, stop("SELL", 7, 0.60, 0.50, parentId=parent.orderId))
    await until(lambda: entry.orderStatus.filled == 5)
    ib.cancelOrder(parent)
    await until(lambda: status(child) == "Cancelled")
    assert positions(tws) == {CALL_600: 5}


async def test_a_stop_can_be_held_back_while_an_exit_of_its_group_works(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    tws.faults.set("oca_holds_stop")
    entry = ib.placeOrder(CALL, limit("BUY", 2, 1.25))
    await until(lambda: status(entry) == "Filled")
    group = {"ocaGroup": "p/1", "ocaType": 2}
    protective = ib.placeOrder(CALL, stop("SELL", 2, 0.60, 0.40, **group))
    leaving = ib.placeOrder(CALL, limit("SELL", 2, 2.00, **group))
    await until(lambda: status(leaving) == "Submitted")
    for bid in (0.55, 0.54, 0.53):
        market.set_quote(CALL_600, bid, bid + 0.05)
        tws.poll_once()
    assert status(protective) == "PreSubmitted"
    assert positions(tws) == {CALL_600: 2}


async def test_a_closed_group_can_refuse_a_new_member_and_a_cancel_can_spread(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    tws.faults.set("oca_cancel_spreads")
    tws.faults.set("oca_closed_group_rejects")
    group = {"ocaGroup": "p/1", "ocaType": 2}
    first = ib.placeOrder(CALL, limit("BUY", 1, 1.10, **group))
    second = ib.placeOrder(CALL, limit("BUY", 1, 1.11, **group))
    await until(lambda: status(second) == "Submitted")
    ib.cancelOrder(first.order)
    await until(lambda: status(second) == "Cancelled")
    heard = errors_of(ib)
    late = ib.placeOrder(CALL, limit("BUY", 1, 1.10, **group))
    await until(lambda: heard)
    assert heard[0][0] == 201
    assert status(late) in ("Inactive", "Cancelled")


async def test_a_forced_liquidation_is_an_execution_without_an_order_of_ours(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    entry = ib.placeOrder(CALL, limit("BUY", 1, 1.25))
    await until(lambda: status(entry) == "Filled")
    tws.faults.set("liquidate", CALL_600)
    assert positions(tws) == {}
    fills = await ib.reqExecutionsAsync()
    forced = fills[-1].execution
    assert (forced.liquidation, forced.orderId, forced.orderRef) == (1, 0, "")


async def test_depth_can_shift_with_true_inserts_and_be_reset(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    tws.faults.set("depth_style", "insert_delete")
    operations: list[int] = []
    contract = Contract(secType="STK", conId=SPY, symbol="SPY", exchange="SMART")
    ticker = ib.reqMktDepth(contract, 5, isSmartDepth=True)
    ticker.updateEvent += lambda t: operations.extend(tick.operation for tick in t.domTicks)
    await until(lambda: operations == [0, 0, 0])
    market.book["SPY"] = ([(599.99, 50), (599.98, 100), (599.97, 200)], [])
    tws.on_updates([market.underlying_quoted("SPY", 599.99, 600.02)])
    await until(lambda: sorted(operations[3:]) == [0, 2])
    heard = errors_of(ib)
    tws.faults.set("reset_depth")
    await until(lambda: [code for code, _ in heard] == [317])


async def test_a_refused_connection_is_closed_at_once(tws: TwsSandbox) -> None:
    tws.faults.set("refuse_connections")
    client = IB()
    with pytest.raises((TimeoutError, ConnectionError)):
        await client.connectAsync("127.0.0.1", tws.port, clientId=9, timeout=0.2)
    assert tws.connected_clients() == ()
