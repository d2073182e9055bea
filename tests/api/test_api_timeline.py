"""The audit side: pages, filters, times, chains, and the live stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from domain.events.approvals import ApprovalDecided, ApprovalRequested
from domain.events.controls import HaltRequested, TradingHalted
from domain.events.feeds import UwPriceReceived
from domain.events.publication import DeliveryScheduled, DeliveryUnknown, Tier, Vendor
from domain.events.system import ClockStarted


async def _halts(api: Any, count: int) -> list[Any]:
    return [
        await api.append(
            HaltRequested(who=f"w{n}", route="cli", reason=f"reason {n}"), "control/cli", n
        )
        for n in range(count)
    ]


async def _page(api: Any, **params: Any) -> dict[str, Any]:
    answer = await api.get("/timeline", **params)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_pages_cover_every_event_once_in_both_orders(api: Any) -> None:
    await _halts(api, 25)
    await api.login()
    for order in ("newest", "oldest"):
        seen: list[int] = []
        cursor: int | None = None
        while True:
            params = {"order": order, "limit": 7, "type": "HaltRequested"}
            page = await _page(api, **params, **({} if cursor is None else {"after": cursor}))
            seen.extend(event["position"] for event in page["events"])
            cursor = page["next"]
            if cursor is None:
                break
        assert len(seen) == 25 and seen == sorted(seen, reverse=order == "newest")


async def test_filters_hold_together(api: Any, trade: Any) -> None:
    await _halts(api, 3)
    await trade(api)
    frame = UwPriceReceived(
        channel="price:SPY",
        connection="1",
        sequence=1,
        received_at=api_now(),
        payload=msgspec.Raw(b'{"close":"671.25"}'),
    )
    await api.append(frame, "uw/price:SPY")
    await api.login()
    spy = await _page(api, symbol="spy", retention="all")
    assert [event["type"] for event in spy["events"]] == [
        "UwPriceReceived",
        "PositionMarked",
        "PositionOpened",
    ]
    desk = await _page(api, symbol="SPY")
    assert [event["type"] for event in desk["events"]] == ["PositionOpened"]
    text = await _page(api, text="REASON 2")
    assert [event["summary"] for event in text["events"]] == ["reason 2 · w2"]
    without = await _page(api, without="HaltRequested,LoginSucceeded")
    assert {e["type"] for e in without["events"]} == {"PositionOpened", "PositionChanged"}
    story = await _page(api, correlation=spy["events"][2]["correlation_id"], order="oldest")
    assert [e["type"] for e in story["events"]] == ["PositionOpened", "PositionChanged"]
    assert (await _page(api, stream="control/c%"))["events"] == []


def api_now() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 10, 6, 14, 0, tzinfo=UTC)


async def test_times_are_found_exactly(api: Any) -> None:
    start = api_now()
    await api.append(
        ClockStarted(base_market_time=start, speed=1.0, session_date=start.date()), "clock"
    )
    for n in range(40):
        at = start + timedelta(seconds=10 + n)
        body = HaltRequested(who="w", route="cli", reason=str(n))
        await api.append(body, "control/cli", n, market_time=at)
    await api.login()

    def second(n: int) -> str:
        return (start + timedelta(seconds=10 + n)).isoformat()

    for first, last in ((0, 0), (5, 9), (39, 39), (12, 30)):
        page = await _page(
            api, **{"from": second(first), "to": second(last), "type": "HaltRequested"}
        )
        assert len(page["events"]) == last - first + 1
        assert page["events"][-1]["summary"].startswith(f"{first} ")
    nothing = await _page(api, to=(start - timedelta(days=1)).isoformat())
    assert nothing["events"] == [] and nothing["next"] is None


async def test_a_bad_query_is_answered_with_the_field_named(api: Any) -> None:
    await api.login()
    for params, field in (
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"after": "x"}, "after"),
        ({"correlation": "x"}, "correlation"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-10-06T10:00:00"}, "from"),
        ({"type": "a;b"}, "type"),
        ({"colour": "red"}, "colour"),
    ):
        answer = await api.get("/timeline", **params)
        assert answer.status_code == 400, params
        assert answer.json()["field"].startswith(field), params


async def test_an_event_shows_its_payload_as_stored(api: Any) -> None:
    (halt,) = await _halts(api, 1)
    await api.login()
    found = (await api.get(f"/events/{halt.event_id}")).json()
    assert json.loads(found["payload_text"]) == {
        "who": "w0",
        "route": "cli",
        "reason": "reason 0",
    }
    assert (found["stream"], found["version"], found["worker"]) == ("control/cli", 1, "trader")
    assert (await api.get(f"/events/{uuid4()}")).status_code == 404
    assert (await api.get("/events/nonsense")).json()["field"] == "event_id"


async def test_a_chain_leads_up_to_the_root_and_down_to_all_effects(api: Any) -> None:
    def body(name: str) -> HaltRequested:
        return HaltRequested(who="w", route="cli", reason=name)

    root = await api.append(body("root"), "s", "root")
    middle = await api.append(body("middle"), "s", "middle", root)
    await api.append(body("beside"), "s", "beside", root)
    left = await api.append(body("left"), "s", "left", middle)
    await api.append(body("right"), "s", "right", middle)
    await api.append(body("leaf"), "s", "leaf", left)
    await api.login()
    chain = (await api.get(f"/chain/{middle.event_id}")).json()
    names = [cause["summary"].split(" ")[0] for cause in chain["causes"]]
    assert names == ["root"] and chain["event"]["event_id"] == str(middle.event_id)
    effects = [(e["summary"].split(" ")[0], e["depth"]) for e in chain["effects"]]
    assert effects == [("left", 1), ("leaf", 2), ("right", 1)]
    assert chain["missing_cause"] is None and chain["is_cut"] is False
    assert len((await api.get(f"/chain/{root.event_id}")).json()["effects"]) == 5


async def test_deliveries_and_approvals_say_what_they_are_about_and_never_bare_ids(
    api: Any,
) -> None:
    scheduled = DeliveryScheduled(
        delivery_id="d-1",
        source_event_id="e",
        kind="exit",
        vendor=Vendor.DISCORD,
        channel="basic",
        tier=Tier.BASIC,
        public_id="T-1",
        trade_id="p-1",
        title="SPY closed",
        body="SPY call",
        fields={},
        due_at=api_now(),
        event_at=api_now(),
        reply_to="",
        policy_version=1,
    )
    root = await api.append(scheduled, "delivery/d-1", 1)
    unknown = DeliveryUnknown(delivery_id="d-1", reason="no answer")
    last = await api.append(unknown, "outbox", 1, root)
    request = ApprovalRequested(
        approval_id="a-1",
        kind="post",
        subject_id="p-1",
        revision=1,
        text="SPY closed at a profit.",
        targets=("x", "reddit"),
        expires_at=api_now(),
    )
    await api.append(request, "approval/a-1", 1)
    decided = ApprovalDecided(
        approval_id="a-1", revision=1, approved=True, who="ada", callback_id="c"
    )
    await api.append(decided, "approval/a-1", 2)
    await api.append(DeliveryUnknown(delivery_id="d-lost", reason=""), "outbox", 2)
    await api.login()
    shown = (await _page(api, without="LoginSucceeded", order="oldest"))["events"]
    assert [event["summary"] for event in shown] == [
        "exit · discord · basic · SPY closed",
        "exit · discord · basic · SPY closed · no answer",
        "post · x, reddit · SPY closed at a profit.",
        "approved · post · x, reddit · SPY closed at a profit. · ada",
        "d-lost",
    ]
    found = (await api.get(f"/events/{last.event_id}")).json()
    chain = (await api.get(f"/chain/{root.event_id}")).json()
    assert found["summary"] == chain["effects"][0]["summary"] == shown[1]["summary"]
    assert json.loads(found["payload_text"]) == {"delivery_id": "d-1", "reason": "no answer"}


async def test_a_missing_cause_is_flagged(api: Any) -> None:
    class Gone:
        event_id = uuid4()
        correlation_id = uuid4()

    orphan = await api.append(TradingHalted(who="w", reason="r"), "control", 1, Gone)
    await api.login()
    chain = (await api.get(f"/chain/{orphan.event_id}")).json()
    assert chain["missing_cause"] == str(Gone.event_id) and chain["causes"] == []


async def _frames(api: Any, **headers: str) -> AsyncIterator[tuple[str, str, Any]]:
    """(event, id, data) of the live stream."""
    async with api.client.stream("GET", "/api/v1/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
                fields = {}


async def test_the_stream_delivers_an_appended_event_and_resumes_after_it(api: Any) -> None:
    await api.login()
    last = ""
    async with asyncio.timeout(10):
        async for name, identity, data in _frames(api):
            if name == "hello":
                await _halts(api, 1)
            elif name == "event":
                assert data["type"] == "HaltRequested" and data["summary"] == "reason 0 · w0"
                assert identity == str(data["position"])
                last = identity
                break
    await api.append(TradingHalted(who="w", reason="while nobody listened"), "control")
    async with asyncio.timeout(10):
        async for name, _, data in _frames(api, **{"Last-Event-ID": last}):
            if name == "event":
                assert data["type"] == "TradingHalted"
                break


async def test_the_stream_carries_changed_health_and_ends_with_its_session(api: Any) -> None:
    await api.login()
    seen = []
    async with asyncio.timeout(10):
        async for name, _, data in _frames(api):
            seen.append(name)
            if name == "health" and "health" not in seen[:-1]:
                assert data["overall"]["status"] == "up"
                await api.client.post("/api/v1/logout")
            if name == "session_ended":
                break
    assert seen[-1] == "session_ended" and "heartbeat" in seen


async def test_a_stream_id_that_is_no_position_is_refused(api: Any) -> None:
    await api.login()
    answer = await api.client.get("/api/v1/stream", headers={"Last-Event-ID": "x"})
    assert (answer.status_code, answer.json()["field"]) == (400, "Last-Event-ID")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("type = 'OfTomorrow'", "OfTomorrow"),
        ("schema = 99", "schema must be at most"),
        ("""data = '{"who": 5}'""", "HaltRequested"),
    ],
)
async def test_an_event_that_cannot_be_read_is_shown_as_it_is_stored(
    api: Any, database_url: str, change: str, told: str
) -> None:
    """Timeline, event and chain answer with reason and raw payload; the tables go on."""
    await api.login()
    first = await api.append(HaltRequested(who="o", route="cli", reason="x"), "control/x", 1)
    second = await api.append(
        HaltRequested(who="o", route="cli", reason="y"), "control/x", 2, first
    )
    owner = await asyncpg.connect(database_url)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(
        f"UPDATE events SET {change} WHERE event_id = $1",  # noqa: S608
        first.event_id,
    )
    data = await owner.fetchval("SELECT data::text FROM events WHERE event_id = $1", first.event_id)
    await owner.close()

    (_, listed) = (await api.get("/timeline", stream="control/x")).json()["events"]
    assert told in listed["unreadable"] and listed["summary"].startswith("cannot be read")
    shown = (await api.get(f"/events/{first.event_id}")).json()
    assert told in shown["unreadable"] and shown["payload_text"] == data
    assert shown["position"] == listed["position"]
    chain = (await api.get(f"/chain/{second.event_id}")).json()
    assert told in chain["causes"][0]["unreadable"] and "unreadable" not in chain["event"]
    for table in ("/positions", "/orders", "/alerts", "/health"):
        assert (await api.get(table)).status_code == 200
