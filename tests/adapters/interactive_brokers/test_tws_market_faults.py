"""Each switch of the sandbox's market half, felt by an unmodified ib_async."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest
from ib_async import IB

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.market_model.contract import AuctionTicked, BarClosed, SimBar
from tests.adapters.interactive_brokers.ib_client import CALL, codes_of, stock
from tests.adapters.interactive_brokers.still_market import (
    QQQ,
    SPY,
    StillMarket,
)
from tests.adapters.interactive_brokers.test_tws_orders import limit
from tests.waiting import Until

BAR_START = datetime(2026, 11, 23, 15, 0, 5, tzinfo=UTC)


def errors_of(ib: IB) -> list[tuple[int, int]]:
    heard: list[tuple[int, int]] = []
    ib.errorEvent += lambda request, code, _text, _contract: heard.append((request, code))
    return heard


def bar(number: int = 0, symbol: str = "SPY") -> BarClosed:
    start = BAR_START + timedelta(seconds=5 * number)
    return BarClosed(
        start + timedelta(seconds=5), SimBar(symbol, start, 600, 601, 599, 600.5, 10, 600, 3)
    )


@pytest.mark.parametrize(
    ("code", "served", "data_type"),
    [
        (354, False, 1),
        (10089, False, 1),
        (10168, False, 1),
        (10090, True, 1),
        (10091, True, 1),
        (10167, True, 3),
    ],
)
async def test_a_line_without_subscription_is_refused_or_served_in_part(
    tws: TwsSandbox, ib: IB, until: Until, code: int, served: bool, data_type: int
) -> None:
    codes = codes_of(ib)
    tws.faults.set("not_subscribed", f"{code}:{SPY}")
    refused, other = ib.reqMktData(stock("SPY")), ib.reqMktData(stock("QQQ"))
    await until(lambda: codes == [code] and other.bid == 500.0)
    assert (refused.bid == 599.99) is served
    assert refused.marketDataType == data_type and other.marketDataType == 1


async def test_delayed_data_come_under_tick_types_of_their_own(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    """Bid, ask, last, volume, greeks, time stamp and halt, each with its twin."""
    tws.faults.set("market_data_type", 3)
    kinds: set[int] = set()
    ib.pendingTickersEvent += lambda found: kinds.update(
        tick.tickType for ticker in found for tick in ticker.ticks
    )
    option, under = ib.reqMktData(CALL, "101"), ib.reqMktData(stock("SPY"))
    await until(lambda: option.bid == 1.20 and under.bid == 599.99)
    tws.on_updates([market.underlying_quoted("SPY", 600.10, 600.12)])
    await until(lambda: under.last == 600.12 and option.modelGreeks)
    assert (option.marketDataType, under.marketDataType) == (3, 3)
    assert {66, 67, 68, 74} <= kinds and not kinds & {0, 1, 2, 3, 4, 5, 8}


async def test_the_number_of_lines_is_a_switch(tws: TwsSandbox, ib: IB, until: Until) -> None:
    codes = codes_of(ib)
    tws.faults.set("lines_max", 1)
    first, second = ib.reqMktData(stock("SPY")), ib.reqMktData(stock("QQQ"))
    await until(lambda: codes == [101] and first.bid == 599.99)
    assert math.isnan(second.bid)


async def test_one_line_is_frozen_while_the_others_flow(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    frozen, other = ib.reqMktData(stock("SPY")), ib.reqMktData(stock("QQQ"))
    await until(lambda: frozen.bid == 599.99 and other.bid == 500.0)
    tws.faults.set("frozen_con_id", SPY)
    tws.on_updates(
        [market.underlying_quoted("SPY", 601, 601.1), market.underlying_quoted("QQQ", 501, 501.1)]
    )
    await until(lambda: other.bid == 501)
    assert frozen.bid == 599.99


async def test_a_halt_is_told_at_once_and_ends(tws: TwsSandbox, ib: IB, until: Until) -> None:
    ticker = ib.reqMktData(stock("SPY"))
    await until(lambda: ticker.halted == 0)
    tws.faults.set("halted_con_id", SPY)
    await until(lambda: ticker.halted == 1)
    tws.faults.set("halted_con_id", 0)
    await until(lambda: ticker.halted == 0)


async def test_quotes_may_be_crossed_or_empty(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    ticker = ib.reqMktData(stock("SPY"))
    await until(lambda: ticker.bid == 599.99)
    tws.faults.set("quote_style", "crossed")
    tws.on_updates([market.underlying_quoted("SPY", 600.10, 600.12)])
    await until(lambda: (ticker.bid, ticker.ask) == (600.12, 600.10))
    tws.faults.set("quote_style", "empty")
    tws.on_updates([market.underlying_quoted("SPY", 600.20, 600.22)])
    await until(lambda: (ticker.bid, ticker.bidSize) == (-1, 0))


async def test_bars_are_missing_and_then_come_again(tws: TwsSandbox, ib: IB, until: Until) -> None:
    bars = ib.reqRealTimeBars(stock("SPY"), 5, "TRADES", False)
    await until(lambda: tws._sessions[7].feed._bars)
    tws.faults.set("skip_bars", 2)
    tws.on_updates([bar(number) for number in range(4)])
    await until(lambda: len(bars) == 2)
    assert [one.time for one in bars] == [BAR_START + timedelta(seconds=s) for s in (10, 15)]


async def test_a_blip_of_the_farm_leaves_bars_dead_until_they_are_asked_for_again(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    codes = codes_of(ib)
    dead = ib.reqRealTimeBars(stock("SPY"), 5, "TRADES", False)
    await until(lambda: tws._sessions[7].feed._bars)
    tws.faults.set("farm_blip")
    await until(lambda: codes == [2103, 2104])
    alive = ib.reqRealTimeBars(stock("SPY"), 5, "TRADES", False)
    await until(lambda: len(tws._sessions[7].feed._bars) == 2)
    tws.on_updates([bar()])
    await until(lambda: len(alive) == 1)
    assert not dead


async def test_new_bars_are_paced_with_history(tws: TwsSandbox, ib: IB, until: Until) -> None:
    codes = codes_of(ib)
    ib.client.MaxRequests = 0
    tws.faults.set("pace_bars")
    for request in range(61):
        ib.client.reqRealTimeBars(1_000 + request, stock("SPY"), 5, "TRADES", False, [])
        ib.client.cancelRealTimeBars(1_000 + request)
    await until(lambda: 420 in codes)
    assert codes.count(420) == 1


@pytest.mark.parametrize(
    "text",
    [
        "HMDS query returned no data",
        "Historical data request pacing violation",
        "API historical data query cancelled",
    ],
)
async def test_history_fails_with_one_code_and_three_texts(
    tws: TwsSandbox, ib: IB, text: str
) -> None:
    heard: list[str] = []
    ib.errorEvent += lambda _id, code, said, _contract: heard.append(f"{code} {said}")
    tws.faults.set("history_error", text)
    await ib.reqHistoricalDataAsync(stock("SPY"), "", "1 D", "5 mins", "TRADES", True)
    assert heard == [f"162 Historical Market Data Service error message:{text}"]


async def test_a_finished_history_request_cannot_be_cancelled(ib: IB, until: Until) -> None:
    codes = codes_of(ib)
    ib.client.cancelHistoricalData(77)
    await until(lambda: codes == [366])


async def test_the_sign_of_the_imbalance_flips(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    ticker = ib.reqMktData(stock("QQQ"), "225")
    await until(lambda: ticker.bid == 500.0)
    for flips, shares in ((False, -250_000), (True, 250_000)):
        tws.faults.set("flip_imbalance", flips)
        tws.on_updates([AuctionTicked(market.time, QQQ, "QQQ", 1_200_000, -250_000, 500.1)])
        await until(lambda shares=shares: ticker.auctionImbalance == shares)


async def test_ticks_of_yesterday_and_numbers_that_are_none_are_sent_on_demand(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    ticker = ib.reqMktData(stock("SPY"))
    await until(lambda: ticker.bid == 599.99)
    tws.faults.set("stray_ticks")
    await until(lambda: ticker.last == 1.0)
    tws.faults.set("unset_ticks")
    await until(lambda: ticker.ask == 10.0)


async def test_a_cut_from_the_broker_is_told_again_and_again_and_stops_the_data(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    codes = codes_of(ib)
    ticker = ib.reqMktData(stock("SPY"))
    await until(lambda: ticker.bid == 599.99)
    tws.faults.set("cut_off")
    tws._polls = 0
    for _ in range(41):
        tws.poll_once()
    tws.on_updates([market.underlying_quoted("SPY", 600.10, 600.12)])
    await until(lambda: codes.count(1100) >= 3)
    assert ticker.bid == 599.99


async def test_a_restart_is_down_for_a_while_and_then_stands_at_its_log_in_dialog(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    tws.faults.set("restart_down_seconds", 60.0)
    tws.faults.set("restart_login_dialog")
    tws.faults.set("restart")
    await until(lambda: not ib.isConnected())
    again = IB()
    with pytest.raises((ConnectionError, TimeoutError)):
        await again.connectAsync("127.0.0.1", tws.port, clientId=7, timeout=0.2)
    tws._down_until = 0.0
    with pytest.raises(TimeoutError):  # it takes the connection and says nothing
        await IB().connectAsync("127.0.0.1", tws.port, clientId=7, timeout=0.2)
    tws.faults.set("log_in")
    await again.connectAsync("127.0.0.1", tws.port, clientId=7, raiseSyncErrors=True)
    again.disconnect()


async def test_tws_restarts_by_itself_once_a_day_at_a_set_time(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    tws.faults.set("restart_at", "23:45:00")
    tws.faults.set("restart_rolls_back_ids", 2)
    tws._book._highest[7] = 40
    tws.poll_once()
    assert ib.isConnected()
    market.time = datetime(2026, 11, 24, 4, 45, 1, tzinfo=UTC)  # 23:45:01 in New York
    await until(lambda: not ib.isConnected())
    again = IB()
    await again.connectAsync("127.0.0.1", tws.port, clientId=7, raiseSyncErrors=True)
    tws.poll_once()
    assert again.isConnected()
    assert tws._book.next_valid_id(7) == 39
    again.disconnect()


async def test_a_handshake_without_accounts_never_becomes_ready(tws: TwsSandbox) -> None:
    tws.faults.set("empty_accounts")
    with pytest.raises(TimeoutError):
        await IB().connectAsync("127.0.0.1", tws.port, clientId=9, timeout=0.2)


async def test_answers_are_slow(tws: TwsSandbox, ib: IB) -> None:
    tws.faults.set("slow_answers_seconds", 0.2)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.05)
    await asyncio.wait_for(ib.reqCurrentTimeAsync(), 30.0)


async def test_a_read_only_tws_takes_no_order_and_a_warning_comes_with_one_it_takes(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    heard = errors_of(ib)
    tws.faults.set("read_only")
    ib.placeOrder(CALL, limit("BUY", 1, 1.10))
    await until(lambda: heard == [(2_147_483_647, 321)])
    assert tws.ledger().orders == []
    tws.faults.set("read_only", False)
    tws.faults.set("order_message")
    placed = ib.placeOrder(CALL, limit("BUY", 1, 1.10))
    await until(lambda: (placed.order.orderId, 399) in heard)
    assert len(tws.ledger().orders) == 1
