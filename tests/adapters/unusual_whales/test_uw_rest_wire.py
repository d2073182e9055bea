"""The REST client against the sandbox, over real connections."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.calendar import plan_session
from adapters.unusual_whales import UwRest, UwUnavailable
from adapters.unusual_whales.sandbox.control import FaultRequest
from adapters.unusual_whales.sandbox.rest_routes import EDGE_PAGE
from domain.analytics.dividend_table import DividendTable
from domain.events.feeds import HistoryImported
from domain.payloads import unusual_whales as uw
from domain.session import Session
from tests.adapters.unusual_whales.conftest import Wire

STOCK = "/api/stock/{ticker}"


async def body(rest: UwRest, path: str, query: dict[str, str | list[str]] | None = None) -> bytes:
    answer = await rest.get(path, path, query)
    assert answer.status == 200, answer.body_bytes
    return answer.body_bytes


async def test_option_contracts_have_the_null_group_and_no_drift(wire: Wire, rest: UwRest) -> None:
    expiry = wire.market.session_date.isoformat()
    data = await body(rest, "/api/stock/SPY/option-contracts", {"expiry": expiry})
    rows = uw.read_option_contracts(data)
    listed = [c for c in wire.market.contracts("SPY") if str(c.expiry) == expiry]
    assert len(rows) == len(listed)
    assert uw.rest_drift(f"{STOCK}/option-contracts", data) == []
    assert [row.volume for row in rows] == sorted((row.volume for row in rows), reverse=True)
    for row in rows:
        assert (row.last_price is None) == (row.volume == 0)
        assert row.ask_volume + row.bid_volume + row.mid_volume == row.volume
        assert row.bid is not None and row.ask is not None and row.bid < row.ask


async def test_large_answers_come_packed_and_in_chunks_and_small_ones_plain(
    wire: Wire, rest: UwRest
) -> None:
    large, small = "/api/stock/SPY/option-contracts", "/api/stock/SPY/stock-state"
    headers = {"Authorization": f"Bearer {wire.token}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(wire.rest_url + large) as answer:
            assert answer.headers["Transfer-Encoding"] == "chunked"
            assert answer.headers["Content-Encoding"] == "gzip"
        async with http.get(wire.rest_url + small) as answer:
            assert "Content-Encoding" not in answer.headers
            assert int(answer.headers["Content-Length"]) < 600
    assert len(uw.read_option_contracts(await body(rest, large))) > 100


async def test_the_whole_chain_fits_one_answer(wire: Wire, rest: UwRest) -> None:
    data = await body(rest, "/api/stock/QQQ/option-contracts", {"limit": "500"})
    assert len(uw.read_option_contracts(data)) == len(wire.market.contracts("QQQ"))


async def test_market_tide_of_an_earlier_session_has_78_running_totals(
    wire: Wire, rest: UwRest
) -> None:
    day = wire.market.plan.earlier[-1]
    data = await body(rest, "/api/market/market-tide", {"date": day.session_date.isoformat()})
    rows = uw.read_market_tide_rows(data)
    assert len(rows) == 78
    assert rows[0].at == day.open_at
    assert uw.rest_drift("/api/market/market-tide", data) == []


async def test_todays_tide_is_the_total_that_the_socket_counts_up_to(
    wire: Wire, rest: UwRest
) -> None:
    rows = uw.read_market_tide_rows(await body(rest, "/api/market/market-tide"))
    assert rows[-1].net_call_premium == wire.market.tide()[0]


async def test_net_premium_ticks_are_changes_by_the_minute_with_the_running_one(
    wire: Wire, rest: UwRest
) -> None:
    wire.move(30)
    data = await body(rest, "/api/stock/IWM/net-prem-ticks")
    rows = uw.read_net_premium_ticks(data)
    totals = wire.market.options["IWM"].tape.session_totals()
    assert sum(row.net_call_premium for row in rows) == totals[6]
    assert rows[-1].start_at <= wire.market.now() < rows[-1].start_at + timedelta(minutes=1)
    assert uw.rest_drift(f"{STOCK}/net-prem-ticks", data) == []


async def test_net_premium_ticks_of_five_earlier_sessions_are_of_todays_size(
    wire: Wire, rest: UwRest
) -> None:
    today = uw.read_net_premium_ticks(await body(rest, "/api/stock/SPY/net-prem-ticks"))
    size = sum(abs(row.net_call_premium) for row in today[:30]) / 30
    for session in wire.market.plan.earlier[-5:]:
        data = await body(
            rest, "/api/stock/SPY/net-prem-ticks", {"date": session.session_date.isoformat()}
        )
        rows = uw.read_net_premium_ticks(data)
        assert len(rows) == 390
        past = sum(abs(row.net_call_premium) for row in rows[:30]) / 30
        assert size / 5 < past < size * 5


async def test_dividends_paid_last_year_tell_those_that_the_market_pays(
    wire: Wire, rest: UwRest
) -> None:
    """Day and amount of what is not declared yet are those in the prices of the options."""
    plan = plan_session(wire.market.session_date)
    for symbol in wire.market.symbols:
        table, answer = DividendTable(), await body(rest, f"/api/companies/{symbol}/dividends")
        table.take(
            HistoryImported(
                vendor="uw",
                request="uw.dividends",
                symbol=symbol,
                session_date=plan.earlier[-1].session_date,
                payload=answer.decode(),
            )
        )
        ahead = [(d.ex_date, d.amount) for d in table.ahead(symbol, Session(plan))]
        paid = [(d.ex_date, d.amount) for d in wire.market.options[symbol].dividends]
        assert paid and ahead[: len(paid)] == paid


async def test_ranks_and_calendar_read_without_drift(rest: UwRest) -> None:
    ranks = await body(rest, "/api/stock/SPY/iv-rank")
    assert len(uw.read_iv_rank(ranks)) == 5
    assert uw.rest_drift(f"{STOCK}/iv-rank", ranks) == []
    calendar = await body(rest, "/api/market/economic-calendar")
    assert uw.read_economic_calendar(calendar)
    assert uw.rest_drift("/api/market/economic-calendar", calendar) == []


async def test_strike_boards_agree_with_the_total_exposure(wire: Wire, rest: UwRest) -> None:
    data = json.loads(await body(rest, "/api/stock/SPY/spot-exposures/strike", {"limit": "500"}))
    rows = data["data"]
    assert len(rows[0]) == 37
    assert [float(row["strike"]) for row in rows] == sorted(float(row["strike"]) for row in rows)
    net = sum(float(row["call_gamma_oi"]) + float(row["put_gamma_oi"]) for row in rows)
    options = wire.market.options["SPY"]
    snapshot = options.snapshot(wire.market.seconds_since_open)
    expected = sum(
        (1 if contract.right == "C" else -1)
        * float(snapshot.priced.gamma[row])
        * int(options.open_interest[row])
        * snapshot.spot**2
        for row, contract in enumerate(options.chain.contracts)
    )
    assert net == pytest.approx(expected, rel=1e-6)


async def test_strike_boards_default_to_fifty_rows_and_take_bounds(rest: UwRest) -> None:
    path = "/api/stock/SPY/spot-exposures/strike"
    assert len(json.loads(await body(rest, path))["data"]) == 50
    bounded = await body(rest, path, {"limit": "500", "min_strike": "760", "max_strike": "765"})
    assert {row["strike"] for row in json.loads(bounded)["data"]} == {
        "760", "761", "762", "763", "764", "765",
    }  # fmt: skip


async def test_levels_expiries_state_and_news_answer(wire: Wire, rest: UwRest) -> None:
    levels = json.loads(await body(rest, "/api/stock/SPY/gex-levels"))["data"]
    assert 700 < float(levels["put_wall"]) < 850
    breakdown = json.loads(await body(rest, "/api/stock/IWM/expiry-breakdown"))["data"]
    assert len(breakdown) == len(wire.market.options["IWM"].chain.expiries)
    state = json.loads(await body(rest, "/api/stock/QQQ/stock-state"))["data"]
    assert float(state["low"]) <= float(state["close"]) <= float(state["high"])
    assert state["market_time"] == "regular"
    assert isinstance(json.loads(await body(rest, "/api/news/headlines"))["data"], list)


async def test_candles_are_newest_first_by_minute_and_oldest_first_by_day(rest: UwRest) -> None:
    minutes = json.loads(await body(rest, "/api/stock/SPY/ohlc/1m", {"limit": "10"}))["data"]
    starts = [row["start_time"] for row in minutes]
    assert starts == sorted(starts, reverse=True) and len(starts) == 10
    days = json.loads(await body(rest, "/api/stock/SPY/ohlc/1d", {"limit": "10"}))["data"]
    dates = [row["date"] for row in days]
    assert dates == sorted(dates) and len(dates) == 10


async def test_flow_alerts_of_the_socket_can_be_asked_for_again(wire: Wire, rest: UwRest) -> None:
    for _ in range(6):
        wire.move(20)
    kept = len(wire.sandbox.feed.alerts)
    assert kept > 0
    data = json.loads(
        await body(rest, "/api/option-trades/flow-alerts", {"ticker_symbol": "SPY,QQQ,IWM"})
    )
    assert len(data["data"]) == min(kept, 100)
    alert = uw.read_flow_alert(json.dumps(data["data"][0]).encode())
    assert alert.id == wire.sandbox.feed.alerts[0]["id"]


@pytest.mark.parametrize(
    ("path", "query", "status", "expected"),
    [
        ("/api/nothing", {}, 404, {"error": "Route not found"}),
        ("/api/stock/ZZZZ/iv-rank", {}, 404, {}),
        ("/api/stock/spy/iv-rank", {}, 422, None),
        ("/api/market/market-tide", {"date": "2099-01-01"}, 422, None),
        ("/api/market/market-tide", {"date": "yesterday"}, 422, None),
        ("/api/stock/SPY/ohlc/7m", {}, 422, None),
    ],
)
async def test_wrong_calls_are_answered_once_as_the_vendor_does(
    rest: UwRest, path: str, query: dict[str, str | list[str]], status: int, expected: object
) -> None:
    answer = await rest.get(path, path, query)
    assert (answer.status, answer.tries) == (status, 1)
    if expected is not None:
        assert json.loads(answer.body_bytes) == expected
    else:
        assert set(json.loads(answer.body_bytes)) == {"path", "msg", "query"}


async def test_a_wrong_token_is_401_without_limit_headers(wire: Wire) -> None:
    async with UwRest(wire.rest_url, "wrong") as client:
        answer = await client.get("x", "/api/stock/SPY/iv-rank")
    assert answer.status == 401
    assert not [name for name in answer.headers if name.startswith("x-uw")]


@pytest.mark.parametrize(
    "kind",
    [
        "bad_gateway", "server_error", "edge_page", "edge_refusal", "truncated", "truncated_gzip",
        "minute", "minute_error", "minute_text",
    ],
)  # fmt: skip
async def test_transient_trouble_is_tried_again(wire: Wire, rest: UwRest, kind: str) -> None:
    await wire.fault(FaultRequest("rest", fault=kind, count=2))
    answer = await rest.get("x", "/api/stock/SPY/gex-levels")
    assert (answer.status, answer.tries) == (200, 3)


async def test_lasting_trouble_is_unavailable_and_shows_no_token(
    wire: Wire, rest: UwRest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await wire.fault(FaultRequest("rest", fault="edge_page", count=3))
    with pytest.raises(UwUnavailable) as raised:
        await rest.get("x", "/api/stock/SPY/gex-levels")
    assert raised.value.answer is not None
    assert raised.value.answer.body_bytes == EDGE_PAGE
    assert wire.token not in str(raised.value)
    assert wire.token not in caplog.text
    assert wire.token not in wire.sandbox.ledger.path.read_text()


@pytest.mark.parametrize(
    ("kind", "status"),
    [("unauthorised", 401), ("forbidden", 403), ("unknown", 404), ("unprocessable", 422)],
)
async def test_a_refused_call_is_not_repeated(
    wire: Wire, rest: UwRest, kind: str, status: int
) -> None:
    await wire.fault(FaultRequest("rest", fault=kind))
    answer = await rest.get("x", "/api/stock/SPY/gex-levels")
    assert (answer.status, answer.tries) == (status, 1)


@pytest.mark.parametrize("kind", ["timeout", "drip"])
async def test_an_answer_that_never_ends_is_given_up(wire: Wire, kind: str) -> None:
    await wire.fault(FaultRequest("rest", fault=kind, count=2))
    async with UwRest(
        wire.rest_url, wire.token, backoff_seconds=0.001, call_seconds_max=0.15
    ) as client:
        with pytest.raises(UwUnavailable, match="TimeoutError"):
            await client.get("x", "/api/stock/SPY/gex-levels", tries_max=2)
        assert (await client.get("x", "/api/stock/SPY/gex-levels")).status == 200


async def test_a_redirect_is_not_followed_and_a_huge_body_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Our token goes to nobody but the vendor, and memory has a limit."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path == "/moved":
            raise web.HTTPFound("/elsewhere")
        return web.Response(text="[" + "1," * 200 + "1]", content_type="application/json")

    monkeypatch.setattr("adapters.unusual_whales.rest_client.BODY_BYTES_MAX", 100)
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with (
        TestServer(application) as server,
        UwRest(str(server.make_url("")), "token", backoff_seconds=0.001) as client,
    ):
        moved = await client.get("x", "/moved")
        assert (moved.status, moved.headers["location"]) == (302, "/elsewhere")
        with pytest.raises(UwUnavailable, match="TooLarge"):
            await client.get("x", "/huge", tries_max=1)
    assert asked == ["/moved", "/huge"]
