"""What the sandbox sends on the channels of second and third priority."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec

from adapters.market_model.market import SimulatedMarket
from adapters.market_model.scenario import DEFAULT_SEED, TREND_DAY
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from adapters.unusual_whales import UwMessage
from adapters.unusual_whales.sandbox.further_feed import FurtherFeed
from adapters.unusual_whales.sandbox.settings import (
    REALISTIC_ORDERS_PER_SECOND,
    REALISTIC_RATES,
    ChannelRates,
)
from adapters.unusual_whales.sandbox.wire import Row
from domain.payloads import unusual_whales as uw
from domain.payloads.unusual_whales.channel_table import joined
from tests.adapters.unusual_whales.conftest import SESSION, Wire
from tests.adapters.unusual_whales.test_uw_socket_wire import Listener
from tests.adapters.unusual_whales.test_uw_socket_wire import joined as connected
from tests.waiting import Until

ON_REQUEST = ("lit_trades:SPY", "gex:SPX", "periscope:SPX", "futures_trades")
CHANNELS = (*joined(on=ON_REQUEST), "futures:ESZ6")
BY_EVENTS_ALONE = {"trading_halts", "custom_alerts", "news"}


def sent(
    market: SimulatedMarket, rates: ChannelRates, seconds: float, step: float, *, thin: bool = False
) -> list[tuple[str, Row]]:
    """All frames of a stretch; everybody has joined everything."""
    feed = FurtherFeed(market, rates, lambda channel: True)
    found = feed.frames([], thin)
    for _ in range(round(seconds / step)):
        updates = market.advance(market.now() + timedelta(seconds=step), thin)
        found += feed.frames(updates, thin)
    return found


async def test_every_channel_of_the_table_sends_what_its_reader_reads(
    wire: Wire, until: Until
) -> None:
    """Over the socket, without drift, and each natural key once."""
    listener = Listener()
    async with connected(wire, listener, CHANNELS) as socket:
        await until(lambda: listener.count("ready"))
        for _ in range(5):
            wire.move(25)
        await until(lambda: socket.queue_depth >= sum(wire.sandbox.ledger.sent.values()))
        items = await socket.take(1_000_000)
    messages = [item for item in items if isinstance(item, UwMessage)]
    assert {m.channel for m in messages} >= set(CHANNELS) - BY_EVENTS_ALONE
    assert [d for m in messages for d in uw.drift(m.channel, m.payload)] == []
    for message in messages:
        uw.READERS[uw.frame_type(message.channel)](message.payload, uw.ticker(message.channel))
    keys = [(m.channel, uw.natural_key(m.channel, m.payload)) for m in messages]
    repeated = Counter(key for key in keys if key[1] is not None)
    assert set(repeated.values()) == {1}


def test_what_is_sent_follows_from_the_market_alone(market: SimulatedMarket) -> None:
    """Two writers beside one another say the same."""
    feeds = [FurtherFeed(market, ChannelRates(), lambda channel: True) for _ in range(2)]
    for _ in range(5):
        updates = market.advance(market.now() + timedelta(seconds=15))
        first, second = (feed.frames(updates, thinned=False) for feed in feeds)
        assert first == second


def test_a_window_fills_and_its_out_of_the_money_part_is_a_part(market: SimulatedMarket) -> None:
    rows = [
        uw.read_interval_flow(msgspec.json.encode(row))
        for channel, row in sent(market, ChannelRates(), 60, 5)
        if channel == "interval_flow" and row["ticker"] == "SPY"
    ]
    whole = [row for row in rows if row.interval_type == "All"]
    part = [row for row in rows if row.interval_type == "OtmOnly"]
    volumes = [(row.call_volume or 0) + (row.put_volume or 0) for row in whole]
    for n in range(1, len(whole)):
        assert volumes[n] >= volumes[n - 1] or whole[n].start_at > whole[n - 1].start_at
    assert len(volumes) > 5 and max(volumes) > min(volumes)
    pairs = zip(part, whole, strict=True)
    assert all((p.call_volume or 0) <= (w.call_volume or 0) for p, w in pairs)


def test_an_index_board_comes_in_parts_that_are_whole_together(market: SimulatedMarket) -> None:
    boards = [
        uw.read_board(msgspec.json.encode(row))
        for channel, row in sent(market, ChannelRates(), 60, 60)
        if channel == "periscope:SPX"
    ]
    assert len(boards) > 1 and len({board.at for board in boards}) == 1
    assert sum(len(board.rows) for board in boards) == boards[0].total_rows
    assert [board.has_more for board in boards] == [True] * (len(boards) - 1) + [False]


def test_boards_by_expiry_bring_todays_strikes_near_the_price_each_time(
    market: SimulatedMarket,
) -> None:
    frames = sent(market, ChannelRates(), 60, 60)
    rows = [
        uw.read_strike_exposure(msgspec.json.encode(row))
        for channel, row in frames
        if channel == "gex_strike_expiry:SPY"
    ]
    assert {row.expiry for row in rows} >= {SESSION} and len({row.expiry for row in rows}) == 2
    today = [row.strike for row in rows if row.expiry == SESSION]
    assert min(today) < Decimal(str(market.spot("SPY"))) < max(today)
    assert all((row.put_gamma_oi or 0) <= 0 <= (row.call_gamma_oi or 0) for row in rows)


def test_a_thinned_stretch_sends_less_than_one_frame_a_second(market: SimulatedMarket) -> None:
    # Ten minutes, because some boards come once in five.
    assert 0 < len(sent(market, REALISTIC_RATES, 600, 60, thin=True)) < 600


def test_a_change_of_pace_sends_nothing_of_the_stretch_in_between(market: SimulatedMarket) -> None:
    feed = FurtherFeed(market, ChannelRates(), lambda channel: channel == "off_lit_trades:SPY")
    for thin in (False, True, False):
        feed.frames([], thin)
        market.advance(market.now() + timedelta(seconds=60), thin=True)
    feed.frames([], False)
    market.advance(market.now() + timedelta(seconds=12))
    assert len(feed.frames([], False)) == 2


def test_realistic_boards_send_two_hundred_rows_a_second(market: SimulatedMarket) -> None:
    counts = Counter(channel for channel, _ in sent(market, REALISTIC_RATES, 5, 1))
    boards = sum(counts[f"gex_strike_expiry:{symbol}"] for symbol in market.symbols)
    assert 190 <= boards / 5 <= 210


def test_realistic_orders_make_eighty_spy_prints_a_second_at_midday() -> None:
    scenario = replace(TREND_DAY, trades_per_second=REALISTIC_ORDERS_PER_SECOND)
    made = SeededMarket(DEFAULT_SEED, SESSION, xnys_plan(SESSION), scenario)
    assert 70 < len(made.options["SPY"]._source.draw(200)) / 60 < 110
