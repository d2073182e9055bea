"""The socket client against the sandbox, over a real connection."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import aiohttp
import msgspec
import pytest

from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales import (
    Backoff,
    UwItem,
    UwJoin,
    UwMessage,
    UwRejected,
    UwSocket,
    UwSocketListener,
    UwSocketState,
)
from adapters.unusual_whales.sandbox import UwSandbox, UwSandboxSettings
from adapters.unusual_whales.sandbox.control import FaultRequest
from adapters.unusual_whales.sandbox.ledger import Written
from domain.payloads import unusual_whales as uw
from tests.adapters.unusual_whales.conftest import StandingClock, Wire
from tests.waiting import Until

CHANNELS = (
    "flow-alerts",
    "market_tide",
    "news",
    "trading_halts",
    *(
        f"{family}:{symbol}"
        for family in ("option_trades", "price", "gex", "gex_strike", "net_flow")
        for symbol in ("SPY", "QQQ", "IWM")
    ),
)
QUICK = Backoff(first_seconds=0.01, last_seconds=0.02, refused_seconds=0.01)


class Listener(UwSocketListener):
    """Keeps what a socket says about itself."""

    def __init__(self) -> None:
        self.states: list[UwSocketState] = []
        self.joins: list[UwJoin] = []

    def on_state(self, state: UwSocketState) -> None:
        self.states.append(state)

    def on_join(self, join: UwJoin) -> None:
        self.joins.append(join)

    def count(self, name: str) -> int:
        return sum(state.state == name for state in self.states)


def joined(wire: Wire, listener: Listener, channels: tuple[str, ...]) -> UwSocket:
    return UwSocket(wire.socket_url, wire.token, channels, listener, backoff=QUICK)


async def take_all(socket: UwSocket) -> list[UwItem]:
    return await socket.take(1_000_000) if socket.queue_depth else []


async def test_every_channel_delivers_payloads_without_drift(wire: Wire, until: Until) -> None:
    listener = Listener()
    halt = b'{"ticker":"IWM","state":"paused","reason":"LUDP","time":"2026-10-06T14:10:02Z"}'
    async with joined(wire, listener, CHANNELS) as socket:
        await until(lambda: listener.count("ready"))
        await wire.fault(FaultRequest("frame", channel="trading_halts", payload=msgspec.Raw(halt)))
        # Headlines are seldom: how far the market must move depends on where other tests left it.
        for _ in range(60):
            if set(CHANNELS) <= {name for name, sent in wire.sandbox.ledger.sent.items() if sent}:
                break
            wire.move(30)
        await until(lambda: socket.queue_depth >= sum(wire.sandbox.ledger.sent.values()))
        items = await take_all(socket)
    messages = [item for item in items if isinstance(item, UwMessage)]
    assert {message.channel for message in messages} == set(CHANNELS)
    assert [m.payload for m in messages if m.channel == "trading_halts"] == [halt]
    assert [d for m in messages for d in uw.drift(m.channel, m.payload)] == []
    assert {message.connection for message in messages} == {listener.states[-1].connection}
    numbers = [message.sequence for message in messages]
    assert numbers == sorted(set(numbers))


async def test_option_trades_read_with_sides_that_sum_to_volume(wire: Wire, until: Until) -> None:
    listener = Listener()
    async with joined(wire, listener, ("option_trades:SPY",)) as socket:
        await until(lambda: listener.count("ready"))
        wire.move(20)
        await until(lambda: socket.queue_depth >= wire.sandbox.ledger.sent["option_trades:SPY"])
        trades = [
            uw.read_option_trade(item.payload)
            for item in await take_all(socket)
            if isinstance(item, UwMessage)
        ]
    assert len(trades) > 50
    for trade in trades:
        assert trade.ask_volume is not None and trade.bid_volume is not None
        assert trade.ask_volume + trade.bid_volume + (trade.mid_volume or 0) == trade.volume
        assert trade.bid is not None and trade.ask is not None
        assert trade.bid < trade.ask
        assert trade.bid <= trade.price <= trade.ask
        assert trade.tagged_side in (-1, 0, 1)
    assert len({trade.id for trade in trades}) == len(trades)


async def test_increments_of_the_tide_sum_to_the_models_total(wire: Wire, until: Until) -> None:
    listener = Listener()
    async with joined(wire, listener, ("market_tide", "net_flow:QQQ")) as socket:
        await until(lambda: listener.count("ready"))
        wire.move(4)
        for _ in range(10):
            wire.move(2)
        await until(lambda: socket.queue_depth >= sum(wire.sandbox.ledger.sent.values()))
        items = [item for item in await take_all(socket) if isinstance(item, UwMessage)]
    tide = [uw.read_market_tide(m.payload) for m in items if m.channel == "market_tide"]
    flow = [uw.read_net_flow(m.payload, "QQQ") for m in items if m.channel == "net_flow:QQQ"]
    assert sum(row.net_call_premium for row in tide) == wire.market.tide()[0]
    totals = wire.market.options["QQQ"].tape.session_totals()
    assert sum(row.net_call_premium for row in flow) == totals[6]
    assert sum(row.net_put_premium for row in flow) == totals[7]


async def test_payload_bytes_are_those_of_the_frame(wire: Wire, until: Until) -> None:
    listener = Listener()
    odd = b'{ "close" :"252.07" ,"vol":1.50,"text":"\\u00e9 \xc3\xa9" }'
    async with joined(wire, listener, ("price:IWM",)) as socket:
        await until(lambda: listener.count("ready"))
        text = b'["price:IWM", ' + odd + b" ]"
        await wire.sandbox.hub.push_raw(text, binary=False)
        (item,) = await socket.take(1)
    assert isinstance(item, UwMessage)
    assert item.payload == odd


@pytest.mark.parametrize(
    "garbage",
    [
        "not json",
        "{}",
        '["one"]',
        '["a","b","c"]',
        "[1,{}]",
        '["price:SPY",[1]]',
        '["price:SPY",{"x":}]',
        '["price:SPY",{"x":' + "[" * 70 + "]" * 70 + "}]",
        '["price:SPY",{"x":' + "[" * 2_000 + "]" * 2_000 + "}]",
        '["price:QQQ",{}]',
        '["price:SPY\\u0000",{}]',
        '["price:QQQ",{"response":{},"status":"error"}]',
    ],
)
async def test_garbage_is_kept_with_a_reason_and_reading_goes_on(
    wire: Wire, until: Until, garbage: str
) -> None:
    listener = Listener()
    async with joined(wire, listener, ("price:SPY",)) as socket:
        await until(lambda: listener.count("ready"))
        await wire.fault(FaultRequest("garbage", text=garbage))
        await wire.sandbox.hub.push_raw(b'["price:SPY",{"close":"1"}]', binary=False)
        await until(lambda: socket.queue_depth >= 2)
        rejected, message = await take_all(socket)
    assert isinstance(rejected, UwRejected)
    assert rejected.raw == garbage.encode()
    assert not socket.refused_joins
    assert rejected.reason
    assert isinstance(message, UwMessage)
    assert message.sequence == rejected.sequence + 1


async def test_binary_frames_are_rejected(wire: Wire, until: Until) -> None:
    listener = Listener()
    async with joined(wire, listener, ("price:SPY",)) as socket:
        await until(lambda: listener.count("ready"))
        await wire.fault(FaultRequest("garbage", text="abc", binary=True))
        (item,) = await socket.take(1)
    assert isinstance(item, UwRejected)
    assert item.reason == "frame must be text, was binary"


@pytest.mark.parametrize("code", [None, 1011])
async def test_a_lost_connection_is_replaced_and_joined_again(
    wire: Wire, until: Until, code: int | None
) -> None:
    listener = Listener()
    async with joined(wire, listener, ("price:SPY", "news")) as socket:
        await until(lambda: listener.count("ready"))
        await wire.fault(FaultRequest("disconnect", code=code))
        await until(lambda: listener.count("ready") == 2)
        wire.move(10)
        (item,) = await socket.take(1)
    assert [state.state for state in listener.states[:5]] == [
        "connected", "ready", "down", "connected", "ready",
    ]  # fmt: skip
    assert listener.states[0].connection != listener.states[3].connection
    assert item.connection == listener.states[3].connection


async def test_a_refused_upgrade_is_tried_again_and_shows_no_token(
    wire: Wire, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    listener = Listener()
    await wire.fault(FaultRequest("refuse", status=429, count=2))
    async with joined(wire, listener, ("news",)):
        await until(lambda: listener.count("ready"))
    reasons = [state.reason for state in listener.states if state.state == "down"]
    assert reasons == ["upgrade must be answered with 101, was 429"] * 2
    assert wire.token not in caplog.text
    assert wire.token not in wire.sandbox.ledger.path.read_text()


async def test_a_wrong_token_never_becomes_ready(wire: Wire, until: Until) -> None:
    listener = Listener()
    secret = "0badc0de-secret"
    async with UwSocket(wire.socket_url, secret, ("news",), listener, backoff=QUICK):
        await until(lambda: listener.count("down") >= 2)
    assert listener.count("connected") == 0
    assert all(secret not in state.reason for state in listener.states)


async def test_the_fifty_first_join_is_answered_with_a_text_frame(wire: Wire) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{wire.socket_url}?token={wire.token}") as socket,
    ):
        for number in range(51):
            await socket.send_str(json.dumps({"channel": f"price:T{number}", "msg_type": "join"}))
        texts = [(await socket.receive(timeout=30)).data for _ in range(51)]
    refusals = [text for text in texts if not text.startswith("[")]
    assert refusals == ["Channel subscription limit of 50 reached"]


async def test_binary_joins_and_unknown_messages_are_ignored(wire: Wire) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{wire.socket_url}?token={wire.token}") as socket,
    ):
        await socket.send_bytes(b'{"channel":"news","msg_type":"join"}')
        await socket.send_str('{"channel":"news","msg_type":"leave"}')
        await socket.send_str('{"channel":"gex:SPY","msg_type":"join"}')
        answer = (await socket.receive(timeout=30)).data
    assert json.loads(answer) == ["gex:SPY", {"response": {}, "status": "ok"}]


async def test_the_documentation_path_accepts_and_drops(wire: Wire) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{wire.rest_url}/api/socket?token={wire.token}"
        async with http.get(url) as answer:
            assert await answer.json() == {"data": []}
        async with http.ws_connect(url) as socket:
            message = await socket.receive(timeout=30)
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_a_full_queue_ends_the_connection_instead_of_losing_messages(
    wire: Wire, until: Until
) -> None:
    listener = Listener()
    socket = UwSocket(
        wire.socket_url,
        wire.token,
        ("option_trades:SPY",),
        listener,
        backoff=QUICK,
        queue_messages_max=20,
    )
    async with socket:
        await until(lambda: listener.count("ready"))
        wire.move(15)
        await until(lambda: listener.count("down"))
        assert socket.queue_depth == 20
        assert "queue full at 20" in listener.states[-1].reason
        first = await socket.take(20)
        assert [item.sequence for item in first] == list(range(2, 22))
        await until(lambda: listener.count("ready") == 2)


async def test_a_slow_reader_loses_frames_without_a_marker(
    market: SimulatedMarket, settings: UwSandboxSettings, tmp_path: Path, until: Until
) -> None:
    """What the ledger says of what was written is what arrived, and none of what was dropped."""
    small = replace(settings, reader_queue_messages_max=5)
    clock = StandingClock(market)
    wire = Wire(market, clock, UwSandbox(market, clock, tmp_path, small))
    await wire.start()
    listener = Listener()
    try:
        async with joined(wire, listener, ("option_trades:SPY",)) as socket:
            await until(lambda: listener.count("ready"))
            wire.move(20)
            ledger = wire.sandbox.ledger
            await until(lambda: socket.queue_depth >= ledger.sent["option_trades:SPY"])
            assert ledger.sent["option_trades:SPY"] == 5
            assert ledger.dropped["option_trades:SPY"] > 0
            items = await take_all(socket)
            assert all(isinstance(item, UwMessage) for item in items)
            heard = Written()
            for item in items:
                if isinstance(item, UwMessage):
                    heard.add(item.payload)
            told = ledger.written["option_trades:SPY"]
            assert (told.messages, told.digest()) == (5, heard.digest())
    finally:
        await wire.sandbox.stop()


async def test_silence_loses_data_and_duplicates_repeat_it(wire: Wire, until: Until) -> None:
    listener = Listener()
    async with joined(wire, listener, ("price:SPY",)) as socket:
        await until(lambda: listener.count("ready"))
        await wire.fault(FaultRequest("silence", seconds=60))
        wire.move(10)
        assert wire.sandbox.ledger.sent["price:SPY"] == 0
        await wire.fault(FaultRequest("clear"))
        await wire.fault(FaultRequest("duplicate", count=1))
        wire.move(2)
        await until(lambda: socket.queue_depth >= 2)
        first, second = (await take_all(socket))[:2]
    assert isinstance(first, UwMessage) and isinstance(second, UwMessage)
    assert first.payload == second.payload
    assert first.sequence + 1 == second.sequence


async def test_too_many_channels_are_refused_before_connecting() -> None:
    with pytest.raises(ValueError, match="at most 50"):
        UwSocket("ws://127.0.0.1:1/socket", "t", [f"price:T{n}" for n in range(51)], Listener())
