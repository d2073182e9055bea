"""The buttons: each appends one request event and tells what the desk made of it.

No order leaves from here. The Idempotency-Key of a press gives the id of its event, so that two
clicks are one request. After the append a control waits a moment for the event that decides it:
`accepted` and `refused` come from the log, `requested` means that nobody has answered yet.
"""

from __future__ import annotations

from uuid import UUID

from starlette.responses import RedirectResponse, Response

from api.access import check_password
from api.appending import append_fact
from api.control_models import (
    AcknowledgeBody,
    CacheBody,
    FlattenBody,
    ReasonBody,
    ReleaseBody,
)
from api.decision import CANCEL, FEED, FLATTEN, FLUSH, HALT, RELEASE
from api.decision import decision as decided_by
from api.dispatch import Call, json_answer
from api.errors import not_found
from domain.event import DeskEvent, Recorded, derived_id
from domain.events.controls import (
    AlertAcknowledged,
    CacheFlushRequested,
    ControlRefused,
    FeedPauseRequested,
    FeedResumeRequested,
    FlattenRequested,
    HaltRequested,
    ReleaseRequested,
    TradeCancelRequested,
)
from projections.hot import CACHES

REQUEST_STREAM = "control/api"
ROUTE = "api"


async def halt(call: Call) -> Response:
    body = call.sent(ReasonBody)
    request = HaltRequested(who=call.who, route=ROUTE, reason=body.reason)
    return await ask_desk(call, request, HALT)


async def release(call: Call) -> Response:
    body = call.sent(ReleaseBody)
    await check_password(call, call.who, body.password)
    request = ReleaseRequested(who=call.who, route=ROUTE, reason=body.reason, reauthenticated=True)
    return await ask_desk(call, request, RELEASE)


async def flatten(call: Call) -> Response:
    body = call.sent(FlattenBody)
    request = FlattenRequested(who=call.who, route=ROUTE, reason=body.reason)
    return await ask_desk(call, request, FLATTEN)


async def pause_feed(call: Call) -> Response:
    feed = await _known_feed(call)
    reason = call.sent(ReasonBody).reason
    request = FeedPauseRequested(feed=feed, who=call.who, route=ROUTE, reason=reason)
    return await ask_desk(call, request, FEED)


async def resume_feed(call: Call) -> Response:
    feed = await _known_feed(call)
    reason = call.sent(ReasonBody).reason
    request = FeedResumeRequested(feed=feed, who=call.who, route=ROUTE, reason=reason)
    return await ask_desk(call, request, FEED)


async def cancel_trade(call: Call) -> Response:
    position_id = call.request.path_params["position_id"]
    fold = await call.desk.tables.fold()
    held = fold.positions.get(position_id)
    order = next((o for o in fold.orders.values() if o["position_id"] == position_id), None)
    row = held or order
    if row is None:
        raise not_found("position id", f"position {position_id[:80]} must be on the log, was not")
    request = TradeCancelRequested(
        position_id=position_id,
        signal_id=row["signal_id"],
        who=call.who,
        route=ROUTE,
        reason=call.sent(ReasonBody).reason,
    )
    return await ask_desk(call, request, CANCEL)


async def flush_cache(call: Call) -> Response:
    body = call.sent(CacheBody)
    if body.cache not in CACHES:
        known = ", ".join(CACHES)
        raise not_found("cache", f"cache must be one of {known}, was {body.cache}")
    request = CacheFlushRequested(cache=body.cache, who=call.who, route=ROUTE, reason=body.reason)
    return await ask_desk(call, request, FLUSH)


async def acknowledge(call: Call) -> Response:
    alert_id = call.request.path_params["alert_id"]
    fold = await call.desk.tables.fold()
    if alert_id not in fold.alerts:
        raise not_found("alert id", f"alert {alert_id[:80]} must be on the log, was not")
    body = call.sent(AcknowledgeBody)
    fact = AlertAcknowledged(
        alert_id=alert_id, who=call.who, comment=body.comment, until=body.until
    )
    event_id = _event_id(call)
    appended = await append_fact(call, REQUEST_STREAM, fact, event_id)
    return json_answer(_result("accepted", event_id, appended.positions[0]))


async def _known_feed(call: Call) -> str:
    feed: str = call.request.path_params["feed"]
    fold = await call.desk.tables.fold()
    if feed not in fold.feeds:
        known = ", ".join(sorted(fold.feeds)) or "none yet"
        raise not_found("feed", f"feed must be one of {known}, was {feed[:60]}")
    return feed


def _event_id(call: Call) -> UUID:
    return derived_id("control", call.who, call.request.url.path, call.idempotency_key)


async def ask_desk(call: Call, request: DeskEvent, deciders: frozenset[str]) -> Response:
    event_id = _event_id(call)
    appended = await append_fact(call, REQUEST_STREAM, request, event_id)
    position = appended.positions[0]
    wait = call.desk.settings.control_wait_seconds_max
    decision = await decided_by(call.desk.store, event_id, position, deciders, wait)
    if call.is_form:
        return RedirectResponse("/halt?requested=1", status_code=303)
    if decision is None:
        return json_answer(_result("requested", event_id, position), 202)
    if isinstance(decision.body, ControlRefused):
        result = _result("refused", event_id, position, decision, decision.body.reason)
        return json_answer(result, 409)
    return json_answer(_result("accepted", event_id, position, decision))


def _result(
    state: str,
    event_id: UUID,
    position: int,
    decision: Recorded | None = None,
    reason: str = "",
) -> dict[str, object]:
    return {
        "state": state,
        "request_event_id": str(event_id),
        "position": position,
        "decided_by": None
        if decision is None
        else {"event_id": str(decision.event_id), "type": decision.type},
        "reason": reason,
    }
