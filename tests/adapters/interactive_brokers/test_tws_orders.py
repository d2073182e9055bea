"""Order life in the sandbox TWS, seen by an unmodified ib_async and by the ledger."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from ib_async import IB, ComboLeg, Contract, Order, Trade

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.market_model.contract import SimQuote
from tests.adapters.interactive_brokers.conftest import start_on_free_port
from tests.adapters.interactive_brokers.still_market import (
    CALL_600,
    CALL_605,
    CLOSE_AT,
    PUT_600,
    SESSION,
    SPY,
    StillClock,
    StillMarket,
    option,
)
from tests.waiting import Until

CALL = Contract(secType="OPT", conId=CALL_600, symbol="SPY", exchange="SMART")
SPREAD = Contract(
    secType="BAG",
    symbol="SPY",
    exchange="SMART",
    currency="USD",
    comboLegs=[
        ComboLeg(conId=CALL_600, ratio=1, action="BUY", exchange="SMART"),
        ComboLeg(conId=CALL_605, ratio=1, action="SELL", exchange="SMART"),
    ],
)


def limit(action: str, quantity: int, price: float, **more: Any) -> Order:
    return Order(
        action=action,
        totalQuantity=quantity,
        orderType="LMT",
        lmtPrice=price,
        tif="DAY",
        account="DU1234567",
        **more,
    )


def stop(action: str, quantity: int, trigger: float, price: float, **more: Any) -> Order:
    order = limit(action, quantity, price, **more)
    order.orderType, order.auxPrice = "STP LMT", trigger
    return order


def status(trade: Trade) -> str:
    return trade.orderStatus.status


def errors_of(ib: IB) -> list[tuple[int, str]]:
    heard: list[tuple[int, str]] = []
    ib.errorEvent += lambda _id, code, text, _contract: heard.append((code, text))
    return heard


def positions(tws: TwsSandbox) -> dict[int, int]:
    return {p.con_id: p.quantity for p in tws.ledger().positions.values()}


async def test_a_marketable_limit_fills_at_the_ask_with_commission_and_moves_cash(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    trade = ib.placeOrder(CALL, limit("BUY", 2, 1.30, orderRef="sig-1"))
    await until(lambda: status(trade) == "Filled" and trade.fills[0].commissionReport.commission)
    (fill,) = trade.fills
    assert (fill.execution.price, fill.execution.shares) == (1.25, 2)
    assert fill.execution.orderRef == "sig-1"
    assert fill.commissionReport.commission == 1.40
    assert positions(tws) == {CALL_600: 2}
    assert tws.ledger().cash == Decimal("1000000") - Decimal("250.00") - Decimal("1.40")
    await until(lambda: ib.positions())
    assert ib.positions()[0].avgCost == 125.7
    await until(lambda: len(ib.portfolio()) == 1)


async def test_an_order_fills_up_to_the_displayed_size_for_each_quote(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    trade = ib.placeOrder(CALL, limit("BUY", 12, 1.25))
    await until(lambda: trade.orderStatus.filled == 5)
    tws.poll_once()
    assert trade.orderStatus.remaining == 7
    market.set_quote(CALL_600, 1.19, 1.24, size=4)
    await until(lambda: trade.orderStatus.filled == 9)
    market.set_quote(CALL_600, 1.20, 1.26)
    tws.poll_once()
    market.set_quote(CALL_600, 1.20, 1.25)
    await until(lambda: status(trade) == "Filled")
    assert [f.execution.shares for f in trade.fills] == [5, 4, 3]
    assert trade.orderStatus.avgFillPrice == 1.246667


async def test_two_orders_share_what_one_quote_shows(tws: TwsSandbox, ib: IB, until: Until) -> None:
    first = ib.placeOrder(CALL, limit("BUY", 4, 1.25))
    second = ib.placeOrder(CALL, limit("BUY", 4, 1.25))
    await until(lambda: first.orderStatus.filled == 4 and second.orderStatus.filled == 1)
    assert positions(tws) == {CALL_600: 5}


async def test_a_resting_order_inside_the_spread_fills_by_chance_in_market_time(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.24))
    await until(lambda: status(trade) == "Submitted")
    for _ in range(10):
        market.time = market.time.replace(minute=market.time.minute + 1)
        tws.poll_once()
    await until(lambda: status(trade) == "Filled")
    assert trade.fills[0].execution.price == 1.24


async def test_an_order_below_the_bid_rests_whatever_time_passes(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.10))
    await until(lambda: status(trade) == "Submitted")
    market.time = market.time.replace(minute=55)
    tws.poll_once()
    assert status(trade) == "Submitted"
    assert positions(tws) == {}


async def test_a_combination_fills_with_legs_that_add_up_and_only_legs_move_positions(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    trade = ib.placeOrder(SPREAD, limit("BUY", 2, 0.85, orderRef="vert"))
    await until(lambda: status(trade) == "Filled" and len(trade.fills) == 3)
    bag, long_leg, short_leg = (fill.execution for fill in trade.fills)
    assert (bag.price, bag.shares) == (0.85, 2)
    assert (long_leg.side, short_leg.side) == ("BOT", "SLD")
    assert round(long_leg.price - short_leg.price, 2) == 0.85
    assert {e.execId.rsplit(".", 2)[0] for e in (bag, long_leg, short_leg)} == {
        bag.execId.rsplit(".", 2)[0]
    }
    assert positions(tws) == {CALL_600: 2, CALL_605: -2}
    paid = Decimal("170.00") + 4 * Decimal("0.70")
    assert tws.ledger().cash == Decimal(1_000_000) - paid
    await until(lambda: all(f.commissionReport.execId for f in trade.fills))
    assert [f.commissionReport.commission for f in trade.fills] == [0.0, 1.4, 1.4]


async def test_a_credit_is_bought_at_a_negative_price(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    credit = Contract(
        secType="BAG",
        symbol="SPY",
        exchange="SMART",
        currency="USD",
        comboLegs=[
            ComboLeg(conId=CALL_605, ratio=1, action="BUY", exchange="SMART"),
            ComboLeg(conId=CALL_600, ratio=1, action="SELL", exchange="SMART"),
        ],
    )
    trade = ib.placeOrder(credit, limit("BUY", 1, -0.75))
    await until(lambda: status(trade) == "Filled")
    assert trade.orderStatus.avgFillPrice == -0.75
    assert tws.ledger().cash == Decimal(1_000_000) + Decimal("75.00") - Decimal("1.40")


async def test_a_leg_that_nobody_bids_for_goes_along_when_a_combination_is_sold(
    tws: TwsSandbox, market: StillMarket, ib: IB, until: Until
) -> None:
    """Its size is no limit, and its execution has a price."""
    market.set_quote(CALL_605, 0.0, 0.01)
    credit = Contract(
        secType="BAG",
        symbol="SPY",
        exchange="SMART",
        currency="USD",
        comboLegs=[
            ComboLeg(conId=CALL_600, ratio=1, action="SELL", exchange="SMART"),
            ComboLeg(conId=CALL_605, ratio=1, action="BUY", exchange="SMART"),
        ],
    )
    trade = ib.placeOrder(credit, limit("SELL", 2, -1.25))
    await until(lambda: status(trade) == "Filled" and len(trade.fills) == 3)
    assert trade.orderStatus.avgFillPrice == -1.25
    _, bought, sold = (fill.execution for fill in trade.fills)
    assert (bought.side, sold.side) == ("BOT", "SLD")
    assert round(sold.price - bought.price, 2) == -1.25 and sold.price > 0
    assert positions(tws) == {CALL_600: 2, CALL_605: -2}


async def test_a_cancel_is_confirmed_by_202_and_a_status(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    heard = errors_of(ib)
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.10))
    await until(lambda: status(trade) == "Submitted")
    ib.cancelOrder(trade.order)
    await until(lambda: status(trade) == "Cancelled")
    assert heard == [(202, "Order Canceled - reason:")]
    ib.client.cancelOrder(trade.order.orderId)
    ib.client.cancelOrder(999)
    await until(lambda: len(heard) == 3)
    assert [code for code, _ in heard[1:]] == [10148, 10147]
    assert tws.ledger().orders[0].status == "Cancelled"


async def test_a_fill_can_overtake_a_cancel(tws: TwsSandbox, ib: IB, until: Until) -> None:
    heard = errors_of(ib)
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.22))
    await until(lambda: status(trade) == "Submitted")
    tws.faults.set("fill_overtakes_cancel")
    ib.cancelOrder(trade.order)
    await until(lambda: status(trade) == "Filled")
    expected = f"OrderId {trade.order.orderId} that needs to be cancelled can not be cancelled, "
    await until(lambda: heard == [(10148, expected + "state: Filled.")])
    assert positions(tws) == {CALL_600: 1}


async def test_a_working_order_is_modified_under_its_id_and_a_filled_one_is_not(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    heard = errors_of(ib)
    trade = ib.placeOrder(CALL, limit("BUY", 1, 1.10))
    await until(lambda: status(trade) == "Submitted")
    trade.order.lmtPrice = 1.123
    ib.placeOrder(CALL, trade.order)
    await until(lambda: [code for code, _ in heard] == [110])
    assert tws.ledger().orders[0].limit_price == Decimal("1.1")
    trade.order.lmtPrice = 1.25
    ib.placeOrder(CALL, trade.order)
    await until(lambda: status(trade) == "Filled")
    ib.client.placeOrder(trade.order.orderId, CALL, trade.order)
    await until(lambda: heard[-1] == (104, "Cannot modify a filled order."))
    assert len(tws.ledger().orders) == 1


async def test_an_order_id_below_the_highest_is_a_duplicate(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    heard = errors_of(ib)
    ib.client.placeOrder(50, CALL, limit("BUY", 1, 1.10))
    ib.client.placeOrder(49, CALL, limit("BUY", 1, 1.10))
    await until(lambda: heard == [(103, "Duplicate order id")])
    assert [order.order_id for order in tws.ledger().orders] == [50]


async def test_opposite_orders_on_one_contract_are_refused_except_in_one_bracket(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    heard = errors_of(ib)
    parent = limit("BUY", 2, 1.10, orderId=ib.client.getReqId(), transmit=False)
    child = stop("SELL", 2, 0.60, 0.50, parentId=parent.orderId)
    ib.placeOrder(CALL, parent)
    protective = ib.placeOrder(CALL, child)
    await until(lambda: status(protective) == "PreSubmitted")
    opposite = ib.placeOrder(CALL, limit("SELL", 1, 2.00))
    await until(lambda: status(opposite) in ("Inactive", "Cancelled"))
    assert heard[0][0] == 201
    assert "both sides of the same US Option contract" in heard[0][1]
    spread = ib.placeOrder(SPREAD, limit("SELL", 1, 2.00))  # its legs count too
    await until(lambda: len(heard) == 2)
    assert status(spread) in ("Inactive", "Cancelled")


async def test_a_parent_is_silent_until_its_child_is_transmitted(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    parent = limit("BUY", 7, 1.25, orderId=ib.client.getReqId(), transmit=False)
    entry = ib.placeOrder(CALL, parent)
    assert await ib.reqCurrentTimeAsync()
    assert (status(entry), tws.ledger().orders[0].transmit) == ("PendingSubmit", False)
    child = ib.placeOrder(CALL, stop("SELL", 7, 0.60, 0.50, parentId=parent.orderId))
    await until(lambda: entry.orderStatus.filled == 5)
    await until(lambda: child.orderStatus.whyHeld == "trigger")
    assert child.orderStatus.remaining == 5  # sized to what the parent has filled
    ib.cancelOrder(parent)
    await until(lambda: status(entry) == "Cancelled")
    await until(lambda: child.order.totalQuantity == 5)
    assert status(child) == "PreSubmitted"


async def test_a_stop_needs_two_quotes_in_a_row_beyond_its_trigger(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    entry = ib.placeOrder(CALL, limit("BUY", 2, 1.25))
    await until(lambda: status(entry) == "Filled")
    protective = ib.placeOrder(CALL, stop("SELL", 2, 0.60, 0.50))
    await until(lambda: status(protective) == "PreSubmitted")
    for bid in (0.55, 0.70, 0.58):
        market.set_quote(CALL_600, bid, bid + 0.05)
        tws.poll_once()
        tws.poll_once()  # the same quote again is not a second quote
        assert positions(tws) == {CALL_600: 2}
    market.set_quote(CALL_600, 0.57, 0.62)
    await until(lambda: status(protective) == "Filled")
    assert protective.fills[0].execution.price == 0.57
    assert positions(tws) == {}


async def test_a_filled_exit_cancels_the_stop_of_its_group(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    entry = ib.placeOrder(CALL, limit("BUY", 5, 1.25))
    await until(lambda: status(entry) == "Filled")
    protective = ib.placeOrder(CALL, stop("SELL", 5, 0.60, 0.50, ocaGroup="p/1", ocaType=2))
    leaving = ib.placeOrder(CALL, limit("SELL", 5, 1.40, ocaGroup="p/1", ocaType=2))
    await until(lambda: status(leaving) == "Submitted")
    market.set_quote(CALL_600, 1.40, 1.45, size=2)
    await until(lambda: leaving.orderStatus.filled == 2)
    await until(lambda: protective.order.totalQuantity == 3)  # reduced with block
    market.set_quote(CALL_600, 1.41, 1.45, size=3)
    await until(lambda: status(leaving) == "Filled")
    await until(lambda: status(protective) == "Cancelled")
    assert positions(tws) == {}


async def test_oca_type_1_drops_the_stop_at_the_first_partial_fill(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    entry = ib.placeOrder(CALL, limit("BUY", 5, 1.25))
    await until(lambda: status(entry) == "Filled")
    protective = ib.placeOrder(CALL, stop("SELL", 5, 0.60, 0.50, ocaGroup="p/1", ocaType=1))
    leaving = ib.placeOrder(CALL, limit("SELL", 5, 1.40, ocaGroup="p/1", ocaType=1))
    await until(lambda: status(leaving) == "Submitted")
    market.set_quote(CALL_600, 1.40, 1.45, size=1)
    await until(lambda: status(protective) == "Cancelled")
    assert leaving.orderStatus.filled == 1


async def test_oca_type_3_can_overfill(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    entry = ib.placeOrder(CALL, limit("BUY", 2, 1.25))
    await until(lambda: status(entry) == "Filled")
    tws.faults.set("hold_fills")
    group = {"ocaGroup": "p/1", "ocaType": 3}
    pair = [ib.placeOrder(CALL, limit("SELL", 2, 1.20, **group)) for _ in range(2)]
    await until(lambda: all(status(trade) == "Submitted" for trade in pair))
    tws.faults.set("hold_fills", False)
    await until(lambda: all(status(trade) == "Filled" for trade in pair))
    assert positions(tws) == {CALL_600: -2}


async def test_a_margin_reject_names_both_figures(tws: TwsSandbox, ib: IB, until: Until) -> None:
    heard = errors_of(ib)
    put = Contract(secType="OPT", conId=PUT_600, symbol="SPY", exchange="SMART")
    trade = ib.placeOrder(put, limit("SELL", 500, 1.10))
    await until(lambda: heard)
    code, text = heard[0]
    assert code == 201
    assert "EQUITY WITH LOAN VALUE" in text and "INITIAL MARGIN" in text
    assert status(trade) in ("Inactive", "Cancelled")


async def test_what_if_has_numbers_for_an_option_and_for_a_combination(
    tws: TwsSandbox, ib: IB
) -> None:
    one = await ib.whatIfOrderAsync(CALL, limit("BUY", 2, 1.25))
    assert float(one.initMarginChange) == 245.0
    assert one.commission == 1.4
    both = await ib.whatIfOrderAsync(SPREAD, limit("BUY", 2, 0.85))
    assert float(both.initMarginChange) == 160.0
    assert float(both.equityWithLoanChange) == -2.8
    assert tws.ledger().orders == []


async def test_day_orders_expire_and_options_settle_into_stock_at_the_close(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    today = 700_099
    market.listed.append(option(today, 590.0, "C", SESSION))
    market.quotes[today] = SimQuote(9.90, 10.00, 10, 10)
    contract = Contract(secType="OPT", conId=today, symbol="SPY", exchange="SMART")
    entry = ib.placeOrder(contract, limit("BUY", 1, 10.00))
    await until(lambda: status(entry) == "Filled")
    resting = ib.placeOrder(CALL, limit("BUY", 1, 1.10))
    await until(lambda: status(resting) == "Submitted")
    market.time = CLOSE_AT.replace(minute=15)
    tws.poll_once()
    await until(lambda: status(resting) == "Cancelled")
    assert positions(tws) == {SPY: 100}
    assert [a.cause for a in tws.ledger().adjustments] == ["exercised", "exercised"]


async def test_a_short_option_is_assigned_before_its_expiry_and_a_held_one_never(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    trade = ib.placeOrder(SPREAD, limit("BUY", 2, 0.85))
    await until(lambda: status(trade) == "Filled")
    before = tws.ledger().cash
    tws.faults.set("assign", CALL_605)
    tws.faults.set("assign", CALL_600)
    assert positions(tws) == {CALL_600: 2, CALL_605: -1, SPY: -100}
    assert tws.ledger().cash - before == 60_500


async def test_a_restarted_sandbox_knows_orders_fills_and_positions(
    tws: TwsSandbox, ib: IB, market: StillMarket, tmp_path: Path, until: Until
) -> None:
    filled = ib.placeOrder(CALL, limit("BUY", 2, 1.25, orderRef="a"))
    resting = ib.placeOrder(CALL, limit("BUY", 1, 1.10, orderRef="b"))
    await until(lambda: status(filled) == "Filled" and status(resting) == "Submitted")
    before = tws.ledger()
    await tws.stop()
    with (tmp_path / "tws" / "tws_ledger.jsonl").open("a") as file:
        file.write('{"kind": "order", "torn')  # the crash cut the last line short
    again = TwsSandbox(market, StillClock(market), tmp_path / "tws")
    assert again.ledger() == before
    await start_on_free_port(again)
    client = IB()
    await client.connectAsync("127.0.0.1", again.port, clientId=7, raiseSyncErrors=True)
    assert [trade.order.orderRef for trade in client.openTrades()] == ["b"]
    assert [fill.execution.orderRef for fill in client.fills()] == ["a"]
    assert client.client.getReqId() > resting.order.orderId
    late = client.placeOrder(CALL, limit("BUY", 1, 1.25, orderRef="c"))
    await until(lambda: status(late) == "Filled")
    assert late.orderStatus.permId > resting.orderStatus.permId
    client.disconnect()
    await again.stop()
