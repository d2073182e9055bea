"""Typed tables of the feeds: a row for every frame, its raw payload beside it, a day at a time."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.event import Body
from domain.events.feeds import (
    FeedMessageRejected,
    UwFrame,
    UwOtherReceived,
    UwRestReceived,
)
from domain.payloads import unusual_whales as uw
from projections import feed
from projections.postgres_target import PostgresTarget
from projections.projector import Projector
from projections.rows import Insert
from store.postgres import PostgresStore
from tests.domain.payloads.frames import FRAMES
from tests.projections.snapshots import audit_content
from tests.projections.story import numbered, with_fields
from tests.store.propose import halt

TABLES = {
    "option_trades:SPY": "uw_option_trades",
    "flow-alerts": "uw_flow_alerts",
    "price:IWM": "uw_price_ticks",
    "news": "uw_news",
    "gex:SPY": "uw_gex_snapshot",
    "gex_strike:QQQ": "uw_gex_strike",
    "gex_strike_expiry:IWM": "uw_gex_strike_expiry",
    "periscope:XSP": "uw_periscope",
    "market_tide": "uw_market_tide",
    "net_flow:SPY": "uw_net_flow",
    "interval_flow": "uw_interval_flow",
    "contract_screener": "uw_contract_screener",
    "off_lit_trades": "uw_off_lit_trades",
    "lit_trades": "uw_lit_trades",
    "trading_halts": "uw_trading_halts",
    "custom_alerts": "uw_custom_alerts",
    "interpolated_iv:IWM": "uw_interpolated_iv",
    "iv_term_structure:QQQ": "uw_iv_term_structure",
    "futures:ESZ6": "uw_futures_trades",
}


def frame(channel: str, payload: bytes) -> Any:
    return with_fields(uw.frame_type(channel), channel=channel, payload=msgspec.Raw(payload))


async def project(store: PostgresStore, target: PostgresTarget, *bodies: Body) -> None:
    await store.append(numbered(bodies))
    await Projector(store, feed.PROJECTION, target).rebuild()


async def test_every_channel_has_a_table_with_all_its_fields_and_the_raw_payload(
    store: PostgresStore, target: PostgresTarget, owner: Any
) -> None:
    """Of documented frames every typed column is filled, and the view has the payload as JSONB."""
    await project(store, target, *(frame(channel, payload) for channel, payload in FRAMES.items()))
    events = {event.position: event for event in await store.read(0)}
    assert set(TABLES) == set(FRAMES)
    for channel, table in TABLES.items():
        rows = await owner.fetch(f"SELECT * FROM feed.{table}_raw")  # noqa: S608
        assert len(rows) == (3 if channel == "periscope:XSP" else 1), table
        event = events[rows[0]["event_position"]]
        assert isinstance(event.body, UwFrame)
        assert event.body.channel == channel
        assert rows[0]["recorded_at"] == event.recorded_at
        assert rows[0]["received_at"] == event.body.received_at
        assert json.loads(rows[0]["payload_jsonb"]) == json.loads(FRAMES[channel])
        absent = {name for name, value in rows[0].items() if value is None}
        empty = {name for name, value in json.loads(FRAMES[channel]).items() if value is None}
        assert len(absent) <= len(empty), (table, absent, empty)
    [price] = await owner.fetch("SELECT * FROM feed.uw_price_ticks")
    assert (price["symbol"], price["price"]) == ("IWM", Decimal("252.07"))
    assert price["source_at"] == datetime.fromtimestamp(1_791_295_322.330, UTC)
    [trade] = await owner.fetch("SELECT * FROM feed.uw_option_trades")
    assert (trade["premium"], trade["tagged_side"]) == (Decimal("2916.00"), 1)
    assert (trade["expiry"], trade["option_right"]) == (date(2026, 10, 6), "C")
    assert await owner.fetchval("SELECT count(*) FROM feed.uw_unread") == 0


async def test_what_cannot_be_read_is_a_row_that_says_why_and_stops_nothing(
    store: PostgresStore, target: PostgresTarget, owner: Any
) -> None:
    await project(
        store,
        target,
        frame("price:SPY", b'{"close":[],"time":1}'),
        frame("lit_trades", FRAMES["lit_trades"].replace(b'"IWM"', b'"' + b"X" * 9_000 + b'"')),
        frame("periscope:XSP", b'{"ticker":"XSP","timestamp":1,"rows":[{}]}'),
        with_fields(UwOtherReceived, channel="congress"),
        with_fields(FeedMessageRejected, reason="not JSON", payload_base64="PGh0bWw+"),
        frame("price:SPY", FRAMES["price:IWM"]),
    )
    unread = await owner.fetch("SELECT type, channel, reason FROM feed.uw_unread ORDER BY 1, 2")
    assert [tuple(row) for row in unread] == [
        ("UwLitTradeReceived", "lit_trades", f"symbol must be a ticker, was {'X' * 32!r}"),
        ("UwOtherReceived", "congress", "channel must be one that is known"),
        ("UwPeriscopeReceived", "periscope:XSP", "expiry must be a date, was absent"),
        ("UwPriceReceived", "price:SPY", "close must be a number, was []"),
    ]
    [rejected] = await owner.fetch("SELECT * FROM feed.rejected_messages")
    assert (rejected["reason"], rejected["payload"]) == ("not JSON", b"<html>")
    assert await owner.fetchval("SELECT count(*) FROM feed.uw_price_ticks") == 1


async def test_a_payload_that_jsonb_cannot_hold_is_shown_as_a_string_beside_its_row(
    store: PostgresStore, target: PostgresTarget, owner: Any
) -> None:
    odd = FRAMES["news"].replace(b'"Example:', b'"\\u0000 Example:')
    big = FRAMES["price:IWM"].replace(b'"ticker"', b'"new":1e999999,"ticker"')
    body = with_fields(UwRestReceived, payload=msgspec.Raw(b'{"data":["\\u0000"]}'))
    await project(store, target, frame("news", odd), frame("price:IWM", big), body)
    [news] = await owner.fetch("SELECT * FROM feed.uw_news_raw")
    assert news["headline"].startswith("\ufffd Example:")
    assert "\\\\u0000" in news["payload_jsonb"]
    [price] = await owner.fetch("SELECT * FROM feed.uw_price_ticks_raw")
    assert "1e999999" in price["payload_jsonb"]
    [answer] = await owner.fetch("SELECT payload, payload_jsonb FROM feed.uw_rest_payloads_raw")
    assert answer["payload"] == '{"data":["\\u0000"]}'


async def test_rows_lie_in_the_table_of_their_day_and_old_days_go_whole(
    store: PostgresStore, target: PostgresTarget, owner: Any
) -> None:
    state = await target.swap_in(await target.beside().begin(1, 0))
    columns = ("recorded_at", "event_position", "received_at", "type", "channel", "reason")
    first = datetime(2026, 3, 7, 23, 59, 59, tzinfo=UTC)
    for number in range(5):
        at = first + number * timedelta(days=1)
        row = (at, number, at, "t", "c", "r")
        moved = await target.apply([Insert("uw_unread", columns, row)], state, number + 1)
        assert moved is not None
        state = moved
    leaves = "SELECT tableoid::regclass::text FROM feed.uw_unread ORDER BY event_position"
    assert [row[0] for row in await owner.fetch(leaves)] == [
        f"feed.uw_unread_202603{day:02}" for day in (7, 8, 9, 10, 11)
    ]
    tables = len(feed.TABLES) + 1  # answers have two: as they came, and row by row
    gone = [await owner.fetchval("SELECT prune_feed_days($1)", date(2026, 3, 9)) for _ in "123"]
    assert gone == [tables, tables, 0]
    assert [row[0][-2:] for row in await owner.fetch(leaves)] == ["09", "10", "11"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute("SET ROLE striketape_reader; SELECT prune_feed_days('2026-03-20')")


async def test_a_rebuild_begins_where_market_events_are_still_in_postgres(
    store: PostgresStore, target: PostgresTarget, database_url: str
) -> None:
    """And gives the same rows as following did, while readers have the old ones."""
    assert (await target.beside().begin(1, 0)).position == 0
    await store.append([halt(number) for number in range(4)])
    assert (await target.beside().begin(1, 0)).position == 4
    await project(store, target, frame("price:IWM", FRAMES["price:IWM"]))
    assert (await target.beside().begin(1, 0)).position == 4
    before = await audit_content(database_url, feed.SCHEMA)
    await Projector(store, feed.PROJECTION, target).rebuild()
    assert await audit_content(database_url, feed.SCHEMA) == before
