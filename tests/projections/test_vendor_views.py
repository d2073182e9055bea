"""Hot views of what Unusual Whales says: the newest of everything, sums of a session, bounded."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from redis.asyncio import Redis

from domain.event import Body
from domain.events.feed_health import (
    ChannelReport,
    EndpointDisabled,
    FeedDriftSeen,
    FeedFresh,
    FeedGapClosed,
    FeedGapOpened,
    FeedRateChanged,
    FeedStale,
    FeedStateChanged,
    FeedStreamSilent,
    FeedStreamVerified,
    IngestionReported,
    RestBudgetPlanned,
)
from domain.events.feeds import UwRestReceived
from domain.events.jobs import JobScheduled
from domain.events.system import JobFinished, SessionPlanned
from domain.payloads import unusual_whales as uw
from projections import hot
from projections.projector import Projector
from projections.redis_target import FIELDS_MAX, RedisTarget, merged
from store.postgres import PostgresStore
from tests.domain.payloads.frames import FRAMES
from tests.projections.snapshots import redis_content
from tests.projections.story import numbered, with_fields


def frame(channel: str, **changes: Any) -> Any:
    payload = msgspec.json.encode(json.loads(FRAMES[channel]) | changes)
    return with_fields(uw.frame_type(channel), channel=channel, payload=msgspec.Raw(payload))


def planned(day: date) -> Any:
    body = with_fields(SessionPlanned)
    return body.model_copy(update={"day": body.day.model_copy(update={"session_date": day})})


async def _after(store: PostgresStore, redis: Redis, *bodies: Body) -> dict[str, Any]:
    await store.append(numbered(bodies, await store.head()))
    await Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)).rebuild()
    content = await redis_content(redis, hot.PREFIX)
    return {key.removeprefix(hot.PREFIX): value for key, value in content.items()}


async def test_the_newest_of_every_channel_is_there_and_says_until_when(
    store: PostgresStore, redis: Redis
) -> None:
    found = await _after(store, redis, *(frame(channel) for channel in FRAMES))
    assert found["price:IWM"]["price"] == "252.07"
    at = datetime.fromisoformat(found["price:IWM"]["at"])
    assert datetime.fromisoformat(found["price:IWM"]["stale_after"]) == at + timedelta(seconds=20)
    assert found["gex:SPY"]["gamma_oi"] == "-3120450881.25"
    assert found["boards"].keys() == {"QQQ", "IWM:2026-10-06"}
    strike = json.loads(found["board:IWM:2026-10-06"]["252"])
    assert (strike["call_gamma_oi"], strike["charm_oi"]) == (302344.25, -111110.75)
    assert json.loads(found["halts"]["IWM"])["state"] == "paused"
    assert json.loads(found["interval-flow:SPY"]["All"])["transactions"] == 12_044
    assert json.loads(found["screener"]["QQQ261006C00740000"])["volume"] == 60_210
    assert json.loads(found["interpolated-iv:IWM"]["30"])["volatility"] == 0.213
    assert json.loads(found["term-structure:QQQ"]["2026-10-09"])["implied_move"] == 9.85
    [alert], [headline] = found["flow-alerts"], found["headlines"]
    assert json.loads(alert)["option_symbol"] == "QQQ261009P00735000"
    assert json.loads(headline)["source"] == "social-media"


async def test_alerts_and_headlines_are_the_newest_first_and_of_a_limited_number(
    store: PostgresStore, redis: Redis
) -> None:
    bodies = [frame("news", headline=f"n{number}") for number in range(203)]
    found = await _after(store, redis, *bodies, with_fields(FeedDriftSeen, field="new"))
    said = [json.loads(text)["headline"] for text in found["headlines"]]
    assert said == [f"n{number}" for number in range(202, 2, -1)]
    assert [json.loads(text)["field"] for text in found["drifts"]] == ["new"]


async def test_sums_of_increments_are_put_right_by_totals_and_begin_anew_with_a_session(
    store: PostgresStore, redis: Redis
) -> None:
    row = {"timestamp": "2026-10-06T13:55:00Z", "net_call_premium": "12.34"}
    row |= {"net_put_premium": "-1", "net_volume": 7}
    total = with_fields(
        UwRestReceived,
        endpoint="/api/market/market-tide",
        status=200,
        payload=msgspec.Raw(msgspec.json.encode({"data": [row]})),
    )
    monday, tuesday = planned(date(2026, 10, 5)), planned(date(2026, 10, 6))
    flow = frame("net_flow:SPY")
    first = [frame("market_tide"), frame("market_tide"), flow, flow]
    beyond = frame("market_tide", net_call_premium="1" * 40)
    found = await _after(store, redis, monday, *first, monday, beyond)
    assert found["tide"]["net_call_premium_cents"] == "-60244000"
    assert found["net-flow:SPY"]["net_put_volume"] == "-44"
    found = await _after(store, redis, tuesday, total, frame("market_tide"))
    assert found["tide"]["net_call_premium_cents"] == str(1_234 - 30_122_000)
    assert found["net-flow:SPY"] == {"session": "2026-10-06"}


async def test_boards_of_the_last_session_are_gone_with_their_keys(
    store: PostgresStore, redis: Redis
) -> None:
    board = frame("gex_strike_expiry:IWM", expiry="2026-10-05")
    found = await _after(store, redis, planned(date(2026, 10, 5)), board)
    assert "board:IWM:2026-10-05" in found
    found = await _after(store, redis, planned(date(2026, 10, 6)), frame("gex_strike_expiry:IWM"))
    assert found["boards"].keys() == {"session", "IWM:2026-10-06"}
    assert [key for key in found if key.startswith("board:")] == ["board:IWM:2026-10-06"]


async def test_snapshots_of_rest_are_fields_and_what_cannot_be_read_changes_nothing(
    store: PostgresStore, redis: Redis
) -> None:
    endpoint = "/api/stock/{ticker}/gex-levels"
    given = {"endpoint": endpoint, "symbol": "SPY", "status": 200}
    levels = msgspec.Raw(b'{"data":{"call_wall":"770","gamma_flip":null}}')
    bodies = [
        with_fields(UwRestReceived, **given, payload=levels),
        with_fields(UwRestReceived, **given, payload=msgspec.Raw(b'{"data":[1]}')),
        with_fields(UwRestReceived, **(given | {"status": 404}), payload=msgspec.Raw(b"{}")),
        frame("price:IWM", close=[]),
    ]
    found = await _after(store, redis, *bodies)
    assert found["gex-levels:SPY"]["call_wall"] == "770"
    assert found["gex-levels:SPY"]["gamma_flip"] == ""
    assert "price:IWM" not in found


def test_a_hash_with_many_fields_is_set_by_parts() -> None:
    commands = merged([("HSET", "board", {str(n): n}) for n in range(2 * FIELDS_MAX + 5)])
    assert [(len(command) - 2) // 2 for command in commands] == [FIELDS_MAX, FIELDS_MAX, 5]


async def test_open_gaps_are_a_set_and_silent_or_refused_channels_are_named(
    store: PostgresStore, redis: Redis
) -> None:
    feed, at = "uw.socket", datetime(2026, 10, 6, 14, 0, tzinfo=UTC)

    def state(name: str, state: str, connection: str = "1") -> FeedStateChanged:
        return FeedStateChanged(feed=name, state=state, reason="", connection=connection)

    def stale(channel: str) -> FeedStale:
        return FeedStale(
            feed=feed, channel=channel, phase="regular", last_at=None, limit_seconds=30
        )

    opened = [
        FeedGapOpened(feed=feed, since=at, cause="lost", channel=channel)
        for channel in ("news", "price:SPY")
    ]
    closed = FeedGapClosed(feed=feed, since=at, until=at, cause="lost", channel="news")
    found = await _after(
        store,
        redis,
        state(feed, "ready"),
        *opened,
        closed,
        stale("market_tide"),
        stale("gex:SPY"),
        FeedFresh(feed=feed, channel="gex:SPY", silent_seconds=31),
        state(f"{feed}/custom_alerts", "refused"),
        state(f"{feed}/gex:QQQ", "refused"),
        state(f"{feed}/gex:QQQ", "ready"),
    )
    assert found["feeds"] == [feed]
    assert found[f"feed-gaps:{feed}"] == [opened[1].gap_id]
    assert [key for key in found if key.startswith("gap:")] == [f"gap:{opened[1].gap_id}"]
    assert found[f"gap:{opened[1].gap_id}"]["channel"] == "price:SPY"
    assert found[f"feed-stale:{feed}"] == ["market_tide"]
    assert found[f"feed-refused:{feed}"] == ["custom_alerts"]
    found = await _after(store, redis, state(feed, "connected", "2"))
    assert f"feed-stale:{feed}" not in found and f"feed-gaps:{feed}" in found


async def test_what_changed_what_is_silent_and_what_the_keeper_does_are_named(
    store: PostgresStore, redis: Redis
) -> None:
    feed, line = "ib.data", "ticks SPY 1"
    silent = with_fields(FeedStreamSilent, feed=feed, channel=line)
    rate = with_fields(FeedRateChanged, feed="uw.socket", channel="news", usual_min=1, usual_max=9)
    drift = with_fields(
        FeedDriftSeen, feed="uw.socket", channel="news", kind="new_field", field="x", detail="text"
    )
    at = datetime(2026, 10, 6, 20, 30, tzinfo=UTC)
    of_job = {"name": "ingestion", "due_at": at}
    found = await _after(
        store,
        redis,
        silent,
        silent.model_copy(update={"channel": "ticks QQQ 2"}),
        with_fields(FeedStreamVerified, feed=feed, channel="ticks QQQ 2"),
        drift,
        rate.model_copy(update={"messages_per_minute": 50.0}),
        with_fields(EndpointDisabled, path="/api/x", status=403, reason="no"),
        with_fields(RestBudgetPlanned, calls_left=9),
        with_fields(JobFinished, outcome="failed", **of_job),
        with_fields(JobScheduled, **of_job),
        with_fields(IngestionReported, channels=(with_fields(ChannelReport, messages=7),) * 2),
    )
    assert found[f"feed-silent:{feed}"] == [line]
    assert found["feed-drift:uw.socket"] == {"news new_field x": "text"}
    assert found["feed-unusual:uw.socket"] == ["news"]
    assert found["feed-off:uw.rest"] == {"/api/x": "403 no"}
    assert (found["rest-budget"]["calls_left"], found["ingestion"]["messages"]) == ("9", "14")
    assert found["job:ingestion"]["state"] == "failed" and "next_at" in found["job:ingestion"]
    usual = rate.model_copy(update={"messages_per_minute": 5.0})
    found = await _after(store, redis, usual, planned(date(2026, 10, 7)))
    gone = {"feed-unusual:uw.socket", "feed-drift:uw.socket", "feed-off:uw.rest"}
    assert not gone & found.keys()
