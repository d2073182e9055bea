"""Each habit of the vendor shows in what the sandbox sends, and our codecs read it all the same."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.market_model.market import SimulatedMarket
from adapters.market_model.scenario import DEFAULT_SEED, TREND_DAY
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from adapters.unusual_whales import UwRest
from adapters.unusual_whales.sandbox import UwSandbox, UwSandboxSettings
from adapters.unusual_whales.sandbox.control import FaultRequest
from adapters.unusual_whales.sandbox.feed import FeedWriter
from adapters.unusual_whales.sandbox.habits import BODIES, HABITS, PAYLOADS
from domain.payloads import unusual_whales as uw
from run.sandbox_market import main
from tests.adapters.unusual_whales.conftest import SESSION, Wire
from tests.adapters.unusual_whales.test_uw_sandbox_faults import ClockAt

STOCK = "/api/stock/SPY"


async def habit(wire: Wire, name: str, *, is_on: bool = True) -> None:
    request = FaultRequest("habit", fault=name, spent=is_on)
    await wire.fault(request)


async def rows(rest: UwRest, path: str, **query: str) -> list[dict[str, Any]]:
    answer = await rest.get(path, path, query)
    assert answer.status == 200, answer.body_bytes
    found: list[dict[str, Any]] = json.loads(answer.body_bytes)["data"]
    return found


async def heard(wire: Wire, channel: str, seconds: float) -> list[bytes]:
    """Payloads of a channel while the market moves, as a plain client gets them."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{wire.socket_url}?token={wire.token}") as socket,
    ):
        await socket.send_str(json.dumps({"channel": channel, "msg_type": "join"}))
        await socket.receive(timeout=30)
        before = wire.sandbox.ledger.sent.total()
        wire.move(1)
        wire.move(seconds)
        count = wire.sandbox.ledger.sent.total() - before
        texts = [(await socket.receive(timeout=30)).data for _ in range(count)]
    assert count and all(json.loads(text)[0] == channel for text in texts)
    return [text[len(channel) + 4 : -1].encode() for text in texts]


async def test_numbers_of_alerts_come_without_a_point_and_without_a_ratio(wire: Wire) -> None:
    for name in ("whole_numbers", "no_ratio"):
        await habit(wire, name)
    payloads = await heard(wire, "flow-alerts", 30)
    for payload in payloads:
        row = json.loads(payload)
        assert row["volume_oi_ratio"] == 0
        assert not any(isinstance(v, float) and v.is_integer() for v in row.values())
        uw.read_flow_alert(payload)


@pytest.mark.parametrize(("name", "text"), [("empty_deltas", ""), ("zero_deltas", "0")])
async def test_deltas_of_exposures_may_be_empty_or_nothing(
    wire: Wire, name: str, text: str
) -> None:
    await habit(wire, name)
    await habit(wire, "odd_timestamps")
    for payload in await heard(wire, "gex:SPY", 6):
        row = json.loads(payload)
        assert {v for k, v in row.items() if k.startswith("delta_")} == {text}
        assert row["timestamp"] % 1_000
        uw.read_exposure(payload, "SPY")


async def test_trades_come_up_to_two_seconds_out_of_order(wire: Wire) -> None:
    await habit(wire, "out_of_order")
    times = [uw.read_option_trade(p).executed_at for p in await heard(wire, "option_trades:SPY", 8)]
    behind = [newest - at for newest, at in pairwise(times) if at < newest]
    assert behind and max(behind) <= timedelta(seconds=2.1)


def test_tide_and_flow_may_be_totals_of_the_session(market: SimulatedMarket) -> None:
    feed = FeedWriter(market, {"totals"})
    feed.frames([], False)
    for _ in range(2):
        frames = feed.frames(market.advance(market.now() + timedelta(seconds=2)), False)
    told = dict(frames)
    assert float(str(told["market_tide"]["net_call_premium"])) == market.tide()[0]
    totals = market.options["SPY"].tape.session_totals()
    assert float(str(told["net_flow:SPY"]["net_call_prem"])) == totals[6]


async def test_an_alias_is_joined_and_heard_under_its_own_name(wire: Wire) -> None:
    await habit(wire, "flow_alerts")
    for payload in await heard(wire, "flow_alerts", 30):
        uw.read_flow_alert(payload)


async def test_a_join_too_many_may_be_passed_over_in_silence(wire: Wire) -> None:
    await habit(wire, "silent_joins")
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{wire.socket_url}?token={wire.token}") as socket,
    ):
        for number in range(51):
            await socket.send_str(json.dumps({"channel": f"price:T{number}", "msg_type": "join"}))
        await socket.send_str(json.dumps({"channel": "price:T0", "msg_type": "join"}))
        texts = [(await socket.receive(timeout=30)).data for _ in range(51)]
    assert [json.loads(text)[0] for text in texts[-2:]] == ["price:T49", "price:T0"]


async def test_a_million_remaining_calls_do_not_raise_our_own_cap(wire: Wire, rest: UwRest) -> None:
    await habit(wire, "huge_remaining")
    answer = await rest.get("x", f"{STOCK}/stock-state")
    assert answer.headers["x-uw-req-per-minute-remaining"] == "1000000"
    assert rest.limiter.window.calls_max == 120 and rest.limiter.window.used == 1


async def test_decimals_may_have_160_places_and_whole_ones_no_point(
    wire: Wire, rest: UwRest
) -> None:
    await habit(wire, "long_decimals")
    found = await rows(rest, f"{STOCK}/greeks", expiry=SESSION.isoformat())
    texts = [v for row in found for v in row.values() if isinstance(v, str)]
    assert max(len(text) for text in texts) > 160
    assert not any(text.endswith(".0") for text in texts)


async def test_prints_are_taken_back_a_minute_after_they_came(wire: Wire, rest: UwRest) -> None:
    wire.move(200)
    before = await rows(rest, "/api/darkpool/SPY")
    await habit(wire, "cancelled_later")
    after = await rows(rest, "/api/darkpool/SPY")
    flipped = [
        new["executed_at"]
        for old, new in zip(before, after, strict=True)
        if not old["canceled"] and new["canceled"]
    ]
    assert 0 < len(flipped) < len(after) / 2
    latest = wire.market.now() - timedelta(seconds=60)
    assert all(datetime.fromisoformat(at) <= latest for at in flipped)
    trades = await rows(rest, "/api/option-trades", limit="500")
    assert Counter(row["canceled"] for row in trades)[False]


async def test_groups_of_fields_are_null_and_no_side_is_none(wire: Wire, rest: UwRest) -> None:
    for name in ("null_groups", "zero_no_side"):
        await habit(wire, name)
    contracts = await rows(rest, f"{STOCK}/option-contracts", limit="20")
    assert {row["no_side_volume"] for row in contracts} == {0}
    greeks = await rows(rest, f"{STOCK}/greeks", expiry=SESSION.isoformat())
    nulls = [{name for name, value in row.items() if value is None} for row in greeks]
    assert nulls[0] == {"call_charm", "put_charm", "call_vanna", "put_vanna"} and not nulls[1]
    strikes = await rows(rest, f"{STOCK}/greek-exposure/strike")
    assert {n for n, v in strikes[0].items() if v is None} == {
        name for name in strikes[0] if name.startswith("call_")
    } or {n for n, v in strikes[0].items() if v is None} == {
        "call_charm", "put_charm", "call_vanna", "put_vanna",
    }  # fmt: skip


async def test_days_have_candles_before_and_after_the_session(wire: Wire, rest: UwRest) -> None:
    await habit(wire, "three_sessions")
    found = await rows(rest, f"{STOCK}/ohlc/1d", limit="5")
    assert [row["market_time"] for row in found[:6]] == ["pr", "po", "r"] * 2
    assert len({row["date"] for row in found}) == len(found) / 3


@pytest.mark.parametrize(
    ("name", "path", "from_at"),
    [
        ("late_interest", "oi-change", datetime(2026, 10, 6, 10, 44, tzinfo=UTC)),
        ("restated_flow", "greek-flow", datetime(2026, 10, 6, 19, 59, tzinfo=UTC)),
    ],
)
async def test_open_interest_comes_at_06_45_and_flow_is_restated_after_the_close(
    market: SimulatedMarket, tmp_path: Path, name: str, path: str, from_at: datetime
) -> None:
    clock = ClockAt(market, from_at)
    settings = UwSandboxSettings(habits=frozenset({name}))
    sandbox = UwSandbox(market, clock, tmp_path, settings)
    port = await sandbox.start("127.0.0.1", 0)
    try:
        async with UwRest(f"http://127.0.0.1:{port}", settings.token) as rest:
            before = await rows(rest, f"{STOCK}/{path}")
            clock.at += timedelta(minutes=1)
            after = await rows(rest, f"{STOCK}/{path}")
    finally:
        await sandbox.stop()
    assert before != after and after
    assert before == [] if name == "late_interest" else len(before) == len(after)


def test_the_first_and_the_last_minute_burst_and_no_other_changes() -> None:
    plan = xnys_plan(SESSION)
    usual = SeededMarket(DEFAULT_SEED, SESSION, plan, TREND_DAY)
    bursts = SeededMarket(DEFAULT_SEED, SESSION, plan, replace(TREND_DAY, burst_times=10.0))
    counts = {
        minute: [len(made.options["SPY"]._source.draw(minute)) for made in (usual, bursts)]
        for minute in (0, 1, 200, 388, 389)
    }
    for minute in (0, 389):
        assert 8 < counts[minute][1] / counts[minute][0] < 12
    for minute in (1, 200, 388):
        assert counts[minute][0] == counts[minute][1]


def test_what_is_no_habit_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--uw-habits", "totals,explodes", "--state-dir", str(tmp_path)]) == 1
    assert "explodes" in capsys.readouterr().err
    assert not set(PAYLOADS) & set(BODIES) and len(HABITS) == 17
