"""The derived table of REST answers: the newest row of each key of a day, in Postgres."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from domain.event import Recorded
from domain.events.feeds import UwRestReceived
from projections import feed
from projections.postgres_target import PostgresTarget
from projections.projector import Projector
from store.postgres import PostgresStore
from tests.projections.snapshots import audit_content
from tests.projections.story import numbered, with_fields

TICKS = "/api/stock/{ticker}/net-prem-ticks"
STATS = "/api/stock/{ticker}/volatility/stats"
MINUTES = ("2026-10-06T13:30:00Z", "2026-10-06T13:31:00Z")


def answer(
    endpoint: str, body: Any, query: str = "", symbol: str = "SPY", status: int = 200
) -> Any:
    return with_fields(
        UwRestReceived,
        endpoint=endpoint,
        path=endpoint.replace("{ticker}", symbol),
        query=query,
        symbol=symbol,
        status=status,
        payload=msgspec.Raw(body if isinstance(body, bytes) else msgspec.json.encode(body)),
    )


def ticks(*volumes: int, **given: Any) -> Any:
    rows = [{"tape_time": MINUTES[n], "call_volume": v} for n, v in enumerate(volumes)]
    return answer(TICKS, {"data": rows}, **given)


async def test_a_newer_answer_takes_the_place_of_what_it_restates_and_a_rebuild_gives_the_same(
    store: PostgresStore, target: PostgresTarget, owner: Any, database_url: str
) -> None:
    """Rows that say the same stay with the event that first said so, however the log is cut into
    pages; other symbols and queries have rows of their own, pages of rows have not."""
    bodies = [
        ticks(5),
        ticks(5, 7),
        ticks(5, 9),
        ticks(6, 9, query="page=2&limit=500"),
        ticks(1, symbol="QQQ"),
        ticks(2, query="date=2026-10-05"),
        answer(STATS, {"data": {"iv": "0.2"}}),
        answer(STATS, {"data": {"iv": "0.3"}}),
        ticks(0, status=403),
        answer("/api/news/headlines", {"data": [{"headline": "of no derived table"}]}),
    ]
    for number, event in enumerate(numbered(bodies)):
        await store.append([event])
        if number == 0:
            state = await Projector(store, feed.PROJECTION, target).rebuild()
        else:
            [found] = await store.read(state.position)
            moved = await target.apply(feed.rows(found), state, found.position)
            assert moved is not None
            state = moved
    events = {event.position: event for event in await store.read(0)}
    by_order = list(events.values())
    rows = await owner.fetch("SELECT * FROM feed.uw_rest_rows ORDER BY endpoint, params, row_key")
    told = [(r["params"], r["row_key"], json.loads(r["row"]), r["event_position"]) for r in rows]
    first, second = ({"tape_time": minute} for minute in MINUTES)
    assert told == [
        ("ticker=QQQ", MINUTES[0], first | {"call_volume": 1}, by_order[4].position),
        ("ticker=SPY", MINUTES[0], first | {"call_volume": 6}, by_order[3].position),
        ("ticker=SPY", MINUTES[1], second | {"call_volume": 9}, by_order[2].position),
        (
            "ticker=SPY&date=2026-10-05",
            MINUTES[0],
            first | {"call_volume": 2},
            by_order[5].position,
        ),
        ("ticker=SPY", "", {"iv": "0.3"}, by_order[7].position),
    ]
    for row in rows:
        event = events[row["event_position"]]
        assert isinstance(event.body, UwRestReceived)
        about = (event.recorded_at, event.body.received_at, event.recorded_at.date())
        assert (row["recorded_at"], row["received_at"], row["day"]) == about
        assert (row["endpoint"], row["symbol"]) == (event.body.endpoint, event.body.symbol)
        at = datetime.fromisoformat(row["row_key"]) if row["row_key"] else None
        assert row["source_at"] == at
    raw = "SELECT payload_jsonb FROM feed.uw_rest_rows_raw WHERE symbol = 'QQQ'"
    assert json.loads(await owner.fetchval(raw)) == json.loads(bytes(bodies[4].payload))
    assert await owner.fetchval("SELECT count(*) FROM feed.uw_rest_payloads") == len(bodies)
    assert await owner.fetchval("SELECT count(*) FROM feed.uw_unread") == 0
    before = await audit_content(database_url, feed.SCHEMA)
    await Projector(store, feed.PROJECTION, target).rebuild()
    assert await audit_content(database_url, feed.SCHEMA) == before


async def test_what_has_no_key_is_counted_and_what_jsonb_cannot_hold_is_a_string(
    store: PostgresStore, target: PostgresTarget, owner: Any
) -> None:
    row = b'{"tape_time":"%s"%s}'
    odd = row % (MINUTES[0].encode(), b',"x":"\\u0000"')
    lines = [{"time": "soon", "event": "e" * 9_000}, {"time": 1, "event": []}]
    bodies = [
        answer(TICKS, b'{"data":[%s,{},[1],%s]}' % (odd, row % (b"later", b""))),
        answer(TICKS, b'{"data":[{"tape_time":"a","v":1},{"tape_time":"a","v":2}]}', symbol="IWM"),
        answer("/api/market/economic-calendar", {"data": lines}, query="q=" + "x" * 9_000),
        answer(STATS, b"7", symbol="QQQ"),
        answer(TICKS, b'{"data":7}'),
        answer(TICKS, b'{"data":null}'),
    ]
    await store.append(numbered(bodies))
    await Projector(store, feed.PROJECTION, target).rebuild()
    rows = await owner.fetch("SELECT * FROM feed.uw_rest_rows ORDER BY event_position, row_key")
    strings = [(r["symbol"], r["row_key"], json.loads(r["row"])) for r in rows if r["symbol"]]
    assert ("SPY", MINUTES[0], odd.decode()) in strings
    assert ("SPY", "later", {"tape_time": "later"}) in strings
    assert ("IWM", "a", {"tape_time": "a", "v": 2}) in strings
    assert ("QQQ", "", 7) in strings
    assert len(rows) == 5
    [line] = [r for r in rows if r["endpoint"].endswith("calendar")]
    assert line["row_key"].startswith("soon|eee")
    assert max(len(line["row_key"]), len(line["params"])) <= 300
    reasons = await owner.fetch(
        "SELECT channel, reason FROM feed.uw_unread ORDER BY event_position"
    )
    assert [tuple(found) for found in reasons] == [
        (TICKS, "2 of 4 rows: tape_time must be given, was not"),
        (TICKS, "1 of 2 rows: key must be of one row, was of several"),
        ("/api/market/economic-calendar", "1 of 2 rows: event must be a plain value, was list"),
        (TICKS, "body must hold rows: Expected `array`, got `int`"),
    ]


async def test_days_have_rows_of_their_own_and_go_whole(
    store: PostgresStore, target: PostgresTarget, owner: Any
) -> None:
    """A restatement in the first moment of a day leaves the day before as it was."""
    await store.append(numbered([ticks(5)]))
    [event] = await store.read(0)
    state = await target.swap_in(await target.beside().begin(3, 0))
    midnight = datetime(2026, 3, 8, tzinfo=UTC)
    for number, at in enumerate(midnight + n * timedelta(hours=12) for n in (-1, 0, 1)):
        moved = await target.apply(feed.rows(_told_at(event, at, number)), state, number + 1)
        assert moved is not None
        state = moved
    rows = "SELECT day, event_position, tableoid::regclass::text FROM feed.uw_rest_rows ORDER BY 1"
    assert [tuple(row) for row in await owner.fetch(rows)] == [
        (date(2026, 3, 7), 0, "feed.uw_rest_rows_20260307"),
        (date(2026, 3, 8), 2, "feed.uw_rest_rows_20260308"),
    ]
    assert await owner.fetchval("SELECT prune_feed_days('2026-03-08')") > 0
    assert [row[0] for row in await owner.fetch(rows)] == [date(2026, 3, 8)]


def _told_at(event: Recorded, at: datetime, number: int) -> Recorded:
    return msgspec.structs.replace(event, recorded_at=at, position=number, body=ticks(number))
