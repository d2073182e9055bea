"""Quotes, greeks, auction ticks, bars and depth of the sandbox through an unmodified ib_async."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ib_async import IB

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.market_model.contract import AuctionTicked, BarClosed, SimBar
from tests.adapters.interactive_brokers.ib_client import CALL, codes_of, stock
from tests.adapters.interactive_brokers.still_market import (
    CALL_600,
    QQQ,
    SPY,
    StillMarket,
)
from tests.waiting import Until


async def test_an_option_line_has_quote_greeks_volume_and_open_interest(
    ib: IB, market: StillMarket, until: Until
) -> None:
    ticker = ib.reqMktData(CALL, "101")
    await until(lambda: ticker.modelGreeks and ticker.callOpenInterest == 1234)
    assert (ticker.bid, ticker.ask, ticker.bidSize, ticker.askSize) == (1.20, 1.25, 10, 5)
    assert ticker.modelGreeks is not None and ticker.modelGreeks.delta == 0.51
    assert ticker.marketDataType == 1
    market.set_quote(CALL_600, 1.30, 1.35)
    await until(lambda: (ticker.bid, ticker.ask) == (1.30, 1.35))
    market.set_quote(CALL_600, 0.0, 0.05)
    await until(lambda: ticker.bidSize == 0)
    assert ticker.bid == -1  # no quote, as TWS says it


async def test_underlying_quotes_are_pushed_with_last_and_volume(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    ticker = ib.reqMktData(stock("SPY"), "225")
    await until(lambda: ticker.bid == 599.99)
    tws.on_updates([market.underlying_quoted("SPY", 600.10, 600.12)])
    await until(lambda: ticker.ask == 600.12 and ticker.volume == 5_000)
    assert ticker.last == 600.12


async def test_auction_ticks_reach_only_lines_with_generic_tick_225(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    asked, other = ib.reqMktData(stock("SPY"), "225"), ib.reqMktData(stock("QQQ"), "")
    await until(lambda: asked.bid > 0 and other.bid > 0)
    for con_id, symbol in ((SPY, "SPY"), (QQQ, "QQQ")):
        tick = AuctionTicked(market.time, con_id, symbol, 1_200_000, -250_000, 600.02)
        tws.on_updates([tick])
    await until(lambda: asked.auctionPrice == 600.02)
    assert (asked.auctionVolume, asked.auctionImbalance) == (1_200_000, -250_000)
    assert asked.regulatoryImbalance == 0
    assert other.auctionVolume != 1_200_000


async def test_five_second_bars_are_aligned_and_named_by_their_start(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    bars = ib.reqRealTimeBars(stock("SPY"), 5, "TRADES", False)
    start = datetime(2026, 11, 23, 15, 0, 5, tzinfo=UTC)
    await until(lambda: tws._sessions[7].feed._bars)
    for symbol in ("SPY", "QQQ"):
        bar = SimBar(symbol, start, 600.0, 600.2, 599.9, 600.1, 1_000, 600.05, 42)
        tws.on_updates([BarClosed(start + timedelta(seconds=5), bar)])
    await until(lambda: len(bars) == 1)
    assert bars[0].time == start
    assert (bars[0].open_, bars[0].close, bars[0].count) == (600.0, 600.1, 42)


async def test_depth_is_limited_to_three_instruments(ib: IB, until: Until) -> None:
    codes = codes_of(ib)
    tickers = [
        ib.reqMktDepth(stock(symbol), 5, isSmartDepth=True)
        for symbol in ("SPY", "QQQ", "IWM", "AAPL")
    ]
    await until(lambda: 309 in codes)
    await until(lambda: all(ticker.domBids for ticker in tickers[:3]))
    assert not tickers[3].domBids
    assert codes.count(2152) == 3
    assert [(level.price, level.size) for level in tickers[0].domBids] == [
        (599.98, 100),
        (599.97, 200),
    ]


async def test_smart_depth_must_be_asked_for_by_name(ib: IB, until: Until) -> None:
    codes = codes_of(ib)
    ib.reqMktDepth(stock("SPY"), 5)
    await until(lambda: codes == [10092])


async def test_the_hundred_and_first_line_is_refused(ib: IB, until: Until) -> None:
    codes = codes_of(ib)
    ib.client.MaxRequests = 0
    for request in range(101):
        ib.client.reqMktData(1_000 + request, stock("SPY"), "", False, False, [])
    await until(lambda: 101 in codes)
    assert codes == [101]


async def test_a_competing_session_stops_the_ticks_and_says_so(
    tws: TwsSandbox, ib: IB, market: StillMarket, until: Until
) -> None:
    codes = codes_of(ib)
    ticker = ib.reqMktData(CALL)
    await until(lambda: ticker.bid == 1.20)
    tws.faults.set("competing_session")
    await until(lambda: codes == [10197])
    market.set_quote(CALL_600, 1.30, 1.35)
    tws.poll_once()
    tws.faults.set("competing_session", False)
    await until(lambda: ticker.bid == 1.30)


async def test_lines_are_closed_and_a_second_close_is_harmless(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    codes = codes_of(ib)
    ticker = ib.reqMktData(CALL)
    await until(lambda: ticker.bid == 1.20)
    request = ib.wrapper.ticker2ReqId["mktData"][ticker]
    ib.cancelMktData(CALL)
    ib.client.cancelMktData(request)
    await until(lambda: codes == [300])
    assert not tws._sessions[7].feed._lines
