"""An unmodified ib_async connects to the sandbox TWS and reads contracts, account and history."""

from __future__ import annotations

import asyncio

import pytest
from ib_async import IB, Contract, Option, Stock

from adapters.interactive_brokers.sandbox import TwsSandbox
from tests.adapters.interactive_brokers.still_market import (
    SPY,
    StillClock,
    StillMarket,
)
from tests.waiting import Until

SPY_STOCK = Contract(secType="STK", conId=SPY, symbol="SPY", exchange="SMART", currency="USD")


async def test_ib_async_connects_at_server_version_178_with_a_full_account(ib: IB) -> None:
    assert ib.client.serverVersion() == 178
    values = {value.tag: value.value for value in ib.accountValues()}
    assert values["NetLiquidation"] == "1000000.00"
    assert values["DayTradesRemaining"] == "-1"
    expected = {"LookAheadInitMarginReq", "LookAheadMaintMarginReq", "LookAheadAvailableFunds"}
    expected |= {"LookAheadExcessLiquidity", "LookAheadNextChange"}
    assert expected | {"PostExpirationMargin", "PostExpirationExcess"} <= values.keys()


async def test_a_client_id_in_use_gets_error_326_and_the_link_is_closed(
    tws: TwsSandbox, ib: IB, until: Until
) -> None:
    second, codes = IB(), []
    second.errorEvent += lambda _id, code, _text, _contract: codes.append(code)
    with pytest.raises(TimeoutError):
        await second.connectAsync("127.0.0.1", tws.port, clientId=7, timeout=0.3)
    assert codes == [326]
    await until(lambda: tws.connected_clients() == (7,))
    assert ib.isConnected()


async def test_each_client_has_its_own_sequence_of_order_ids(tws: TwsSandbox, ib: IB) -> None:
    tws._book.consume_id(7, 40)
    third = IB()
    await third.connectAsync("127.0.0.1", tws.port, clientId=9, raiseSyncErrors=True)
    assert tws._book.next_valid_id(7) == 41
    assert tws._book.next_valid_id(9) == 1
    third.disconnect()


async def test_strike_zero_lists_a_whole_expiry(ib: IB) -> None:
    asked = Option("SPY", "20261124", exchange="SMART", currency="USD")
    found = await ib.reqContractDetailsAsync(asked)
    listed = [(d.contract.strike, d.contract.right) for d in found if d.contract is not None]
    assert sorted(listed) == [(595.0, "P"), (600.0, "C"), (600.0, "P"), (605.0, "C")]
    assert found[0].lastTradeTime == "16:15:00"
    assert found[0].minTick == 0.01


async def test_an_unknown_contract_gets_error_200(ib: IB) -> None:
    codes: list[int] = []
    ib.errorEvent += lambda _id, code, _text, _contract: codes.append(code)
    assert await ib.reqContractDetailsAsync(Stock("NOPE", "SMART", "USD")) == []
    assert codes == [200]


async def test_the_chain_lists_expirations_and_strikes(ib: IB) -> None:
    chains = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", SPY)
    smart = next(chain for chain in chains if chain.exchange == "SMART")
    assert smart.expirations == ["20261124", "20261218"]
    assert smart.strikes == [595.0, 600.0, 605.0]


async def test_history_has_daily_five_minute_and_one_minute_bars(ib: IB) -> None:
    daily = await ib.reqHistoricalDataAsync(SPY_STOCK, "", "2 D", "1 day", "TRADES", True)
    assert [str(bar.date) for bar in daily] == ["2026-11-19", "2026-11-20"]
    fives = await ib.reqHistoricalDataAsync(SPY_STOCK, "", "2 D", "5 mins", "TRADES", True)
    assert len(fives) == 8
    ones = await ib.reqHistoricalDataAsync(
        SPY_STOCK, "20261121-00:00:00", "1 D", "1 min", "TRADES", True, formatDate=2
    )
    assert {bar.date.date().isoformat() for bar in ones} == {"2026-11-20"}


async def test_the_sixty_first_history_request_in_ten_minutes_is_paced(
    tws: TwsSandbox, ib: IB
) -> None:
    texts: list[str] = []
    ib.errorEvent += lambda _id, _code, text, _contract: texts.append(text)
    ib.client.MaxRequests = 0
    await asyncio.gather(
        *(
            ib.reqHistoricalDataAsync(SPY_STOCK, "", "1 D", "1 day", "TRADES", True)
            for _ in range(61)
        )
    )
    assert [text for text in texts if "pacing" in text] == [
        "Historical Market Data Service error message:Historical data request pacing violation"
    ]


async def test_current_time_is_the_market_time_of_the_sandbox(ib: IB, market: StillMarket) -> None:
    assert await ib.reqCurrentTimeAsync() == market.time


async def test_two_account_summaries_are_allowed_and_a_third_is_refused(ib: IB) -> None:
    codes: list[int] = []
    ib.errorEvent += lambda _id, code, _text, _contract: codes.append(code)
    for _ in range(3):
        await asyncio.wait_for(ib.reqAccountSummaryAsync(), 30.0)
    assert codes == [322]
    tags = {value.tag for value in ib.wrapper.acctSummary.values()}
    assert {"NetLiquidation", "ExcessLiquidity"} <= tags


async def test_profit_and_loss_is_streamed(ib: IB, until: Until) -> None:
    pnl = ib.reqPnL("DU1234567")
    await until(lambda: pnl.dailyPnL == 0.0)
    assert pnl.realizedPnL == 0.0


def test_a_live_account_is_never_called_paper(market: StillMarket, tmp_path: object) -> None:
    with pytest.raises(ValueError, match="account must start with D"):
        TwsSandbox(market, StillClock(market), tmp_path, account="U1", paper=True)  # type: ignore[arg-type]


async def test_bytes_that_are_not_the_protocol_close_the_link_alone(
    tws: TwsSandbox, ib: IB
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", tws.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await reader.read() == b""
    writer.close()
    assert await ib.reqCurrentTimeAsync()
