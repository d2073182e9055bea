"""Buttons become request events, once; their outcome comes from the log."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import (
    AlertAcknowledged,
    AlertRaised,
    ControlRefused,
    FeedPauseRequested,
    FlattenRequested,
    HaltRequested,
    ReleaseRequested,
    TradeCancelRequested,
    TradingHalted,
)
from domain.events.feeds import FeedStateChanged
from domain.events.positions import ExitPlanChangeRequested
from store.contract import Selection

REQUESTS = Selection(streams=("control/api",))
DECISION_SECONDS_MAX = 30.0


async def _requests(api: Any) -> list[Any]:
    return list(await api.store.read(0, REQUESTS))


async def test_two_clicks_with_one_key_are_one_halt_request(api: Any) -> None:
    await api.login()
    clicks = await asyncio.gather(*(api.control("/halt", key="click-0001") for _ in range(5)))
    assert {click.status_code for click in clicks} == {202}
    assert len({click.json()["request_event_id"] for click in clicks}) == 1
    (request,) = await _requests(api)
    assert request.body == HaltRequested(
        who="operator", route="api", reason="a test presses the button"
    )
    assert (await api.control("/halt", key="click-0002")).status_code == 202
    assert len(await _requests(api)) == 2


async def test_one_key_for_two_different_requests_is_refused(api: Any) -> None:
    await api.login()
    await api.control("/halt", {"reason": "the first reason"}, key="click-0001")
    answer = await api.control("/halt", {"reason": "another reason"}, key="click-0001")
    assert (answer.status_code, answer.json()["error"]) == (409, "key_used")
    assert len(await _requests(api)) == 1


async def _decide(api: Any, decision: Any) -> None:
    """What the trader would append for the first request that comes."""
    async for events, _ in api.store.subscribe(0, REQUESTS):
        for request in events:
            await api.append(decision(request), "control", request.event_id, request)
            return


@pytest.mark.parametrize("control_wait_seconds", [DECISION_SECONDS_MAX])
async def test_a_halt_is_accepted_when_the_trader_has_halted(api: Any) -> None:
    await api.login()
    deciding = asyncio.create_task(
        _decide(api, lambda _: TradingHalted(who="operator", reason="as asked"))
    )
    answer = await api.control("/halt")
    await deciding
    assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    assert answer.json()["decided_by"]["type"] == "TradingHalted"
    health = (await api.get("/health")).json()
    assert health["halt"]["is_halted"] is True


@pytest.mark.parametrize("control_wait_seconds", [DECISION_SECONDS_MAX])
async def test_a_refusal_of_the_desk_is_shown_with_its_reason(api: Any) -> None:
    await api.login()
    deciding = asyncio.create_task(
        _decide(
            api,
            lambda request: ControlRefused(
                request_id=str(request.event_id), who="operator", reason="not halted"
            ),
        )
    )
    body = {"reason": "the cause is gone", "password": "correct horse battery"}
    answer = await api.control("/release", body)
    await deciding
    assert answer.status_code == 409
    assert (answer.json()["state"], answer.json()["reason"]) == ("refused", "not halted")


async def test_a_release_needs_the_password_again(api: Any) -> None:
    await api.login()
    body = {"reason": "the cause is gone", "password": "not the password"}
    assert (await api.control("/release", body)).status_code == 401
    assert await _requests(api) == []
    answer = await api.control("/release", body | {"password": "correct horse battery"})
    assert answer.status_code == 202
    (request,) = await _requests(api)
    assert isinstance(request.body, ReleaseRequested) and request.body.reauthenticated
    assert "correct horse" not in request.body.model_dump_json()


async def test_a_flatten_asks_for_everything_to_be_closed(api: Any) -> None:
    await api.login()
    assert (await api.control("/flatten")).status_code == 202
    (request,) = await _requests(api)
    assert isinstance(request.body, FlattenRequested)


async def test_only_a_known_feed_can_be_paused(api: Any) -> None:
    await api.login()
    unknown = await api.control("/feeds/uw.socket/pause")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "not_found")
    feed = FeedStateChanged(feed="uw.socket", state="ready", reason="", connection="1")
    await api.append(feed, "feed/uw.socket")
    assert (await api.control("/feeds/uw.socket/pause")).status_code == 202
    (request,) = await _requests(api)
    assert request.body == FeedPauseRequested(
        feed="uw.socket", who="operator", route="api", reason="a test presses the button"
    )


async def test_only_a_cache_that_exists_can_be_flushed(api: Any) -> None:
    """A name that nobody answers for would wait for ever: the answer has those that exist."""
    await api.login()
    why = {"reason": "a view looks wrong"}
    unknown = await api.control("/cache/flush", why | {"cache": "hott"})
    assert unknown.status_code == 404
    assert unknown.json()["detail"] == "cache must be one of hot, all, was hott"
    assert await _requests(api) == []
    assert (await api.control("/cache/flush", why | {"cache": "all"})).status_code == 202


async def test_a_trade_that_is_not_on_the_log_cannot_be_cancelled(api: Any) -> None:
    await api.login()
    answer = await api.control("/trades/nothing/cancel")
    assert answer.status_code == 404 and await _requests(api) == []


async def test_a_position_can_be_cancelled_by_its_id(api: Any, trade: Any) -> None:
    await api.login()
    opened = await trade(api)
    answer = await api.control(f"/trades/{opened.position_id}/cancel")
    assert answer.status_code == 202
    (request,) = await _requests(api)
    assert isinstance(request.body, TradeCancelRequested)
    assert request.body.signal_id == opened.signal_id


async def test_a_positions_exit_plan_is_asked_to_change(api: Any, trade: Any) -> None:
    await api.login()
    opened = await trade(api)
    path = f"/trades/{opened.position_id}/exit-plan"
    wanted = {"reason": "the day turned", "stop_price": "1.60", "target_price": "2.90"}
    assert (await api.control(path, wanted)).status_code == 202
    (request,) = await _requests(api)
    assert request.body == ExitPlanChangeRequested(
        position_id=opened.position_id,
        stop_price=Decimal("1.60"),
        target_price=Decimal("2.90"),
        time_stop_at=None,
        who="operator",
        route="api",
        reason="the day turned",
    )
    for bad in ({"stop_price": "NaN"}, {"stop_price": "1.605"}, {"time_stop_at": "2026-10-06"}):
        answer = await api.control(path, {"reason": "the day turned", **bad})
        assert (answer.status_code, len(await _requests(api))) == (400, 1)
    assert (await api.control("/trades/nothing/exit-plan", wanted)).status_code == 404


async def test_an_alert_is_acknowledged_with_a_comment(api: Any) -> None:
    await api.login()
    alert = AlertRaised(alert_id="a-1", severity="critical", code="GAP", text="a gap")
    await api.append(alert, "alert/risk")
    answer = await api.control("/alerts/a-1/acknowledge", {"comment": "seen, it is a test"})
    assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    (fact,) = await _requests(api)
    assert isinstance(fact.body, AlertAcknowledged) and fact.body.who == "operator"
    (row,) = (await api.get("/alerts")).json()["rows"]
    assert (row["acknowledged_by"], row["comment"]) == ("operator", "seen, it is a test")


async def test_a_bad_body_is_answered_with_the_field_named(api: Any) -> None:
    await api.login()
    for path, body, field in (
        ("/halt", {"reason": "short"}, "reason"),
        ("/halt", {}, "reason"),
        ("/halt", {"reason": "long enough", "who": "me"}, "who"),
        ("/release", {"reason": "long enough"}, "password"),
        ("/cache/flush", {"reason": "long enough", "cache": "../x"}, "cache"),
        ("/alerts/a/acknowledge", {"comment": "seen by me", "until": "soon"}, "until"),
    ):
        answer = await api.control(path, body)
        assert (answer.status_code, answer.json()["field"]) == (400, field)
        assert field in answer.json()["detail"]
    assert await _requests(api) == []


async def test_a_body_that_is_no_small_json_object_is_refused(api: Any) -> None:
    await api.login()
    for content, kind, status, field in (
        (b"{", "application/json", 400, "body"),
        (b"[1]", "application/json", 400, "body"),
        (b"x" * 20_000, "application/json", 413, None),
        (b"reason=long+enough", "application/x-www-form-urlencoded", 415, "Content-Type"),
    ):
        headers = {"X-CSRF": api.csrf, "Idempotency-Key": "click-0001", "Content-Type": kind}
        answer = await api.client.post("/api/v1/release", content=content, headers=headers)
        assert (answer.status_code, answer.json().get("field")) == (status, field)


async def test_the_plain_page_logs_in_and_halts_without_script(api: Any) -> None:
    page = await api.client.get("/halt")
    assert 'action="/api/v1/login"' in page.text and "<script" not in page.text
    login = {"name": "operator", "password": "correct horse battery"}
    answer = await api.client.post("/api/v1/login", data=login)
    assert (answer.status_code, answer.headers["location"]) == (303, "/halt")
    page = await api.client.get("/halt")
    hidden = {
        name: page.text.split(f'name="{name}" value="')[1].split('"')[0] for name in ("csrf", "key")
    }
    form = {**hidden, "reason": "halted by the operator"}
    refused = await api.client.post("/api/v1/halt", data=form | {"csrf": "0" * 64})
    assert refused.status_code == 403
    answer = await api.client.post("/api/v1/halt", data=form)
    assert answer.status_code == 303
    (request,) = await _requests(api)
    assert isinstance(request.body, HaltRequested)
    assert "Halt requested" in (await api.client.get(answer.headers["location"])).text


async def test_the_plain_page_flattens_only_when_the_word_is_typed(api: Any) -> None:
    await api.login()
    page = (await api.client.get("/halt")).text
    hidden = {
        name: page.split(f'name="{name}" value="')[1].split('"')[0] for name in ("csrf", "key")
    }
    form = {**hidden, "reason": "flattened by the operator", "confirm": "flat"}
    assert (await api.client.post("/api/v1/flatten", data=form)).status_code == 400
    answer = await api.client.post("/api/v1/flatten", data=form | {"confirm": "FLATTEN"})
    assert answer.status_code == 303
    (request,) = await _requests(api)
    assert request.body == FlattenRequested(
        who="operator", route="api", reason="flattened by the operator"
    )


async def test_where_a_position_is_left_is_changed_with_who_and_why(api: Any, trade: Any) -> None:
    await api.login()
    opened = await trade(api)
    path = f"/trades/{opened.position_id}/exit-plan"
    body = {"reason": "news in an hour", "stop_price": "1.90"}
    assert (await api.control("/trades/nothing/exit-plan", body)).status_code == 404
    assert (await api.control(path, body | {"stop_price": "1.905"})).status_code == 400
    assert (await api.control(path, body, key="click-0009")).status_code == 202
    (request,) = await _requests(api)
    assert request.body == ExitPlanChangeRequested(
        position_id=opened.position_id,
        stop_price=Decimal("1.90"),
        target_price=None,
        time_stop_at=None,
        who="operator",
        route="api",
        reason="news in an hour",
    )
