"""The audit timeline, one event, and its chain: GET /timeline, /events/{id}, /chain/{id}.

All three come straight from the log, whether a day is in Postgres or in the archive.
"""

from __future__ import annotations

from uuid import UUID

from starlette.responses import Response

from api.chains import chain_of
from api.control_models import EventQuery, TimelineQuery
from api.dispatch import Call, json_answer
from api.errors import bad_field, not_found
from api.event_rows import from_recorded, mark_unreadable, payload
from api.log_filter import Filter
from api.subjects import envelopes


async def timeline(call: Call) -> Response:
    """A page of events with the cursor of the next one."""
    query = call.queried(TimelineQuery)
    wanted = Filter(
        retention=query.retention,
        types=query.type,
        without_types=query.without,
        stream=query.stream,
        worker=query.worker,
        symbol=query.symbol.upper(),
        text=query.text,
        correlation=query.correlation,
    )
    since, until = query.bounds
    if since is not None and until is not None and since > until:
        raise bad_field("from", "must not be after `to`, was")
    page = await call.desk.pages.page(
        wanted,
        order=query.order,
        after=query.after,
        limit=query.limit,
        since=since,
        until=until,
        time_kind=query.time,
    )
    rows = await envelopes(call.desk.pages, [mark_unreadable(row) for row in page.rows])
    return json_answer({"events": rows, "next": page.next, "head": page.head})


async def event(call: Call) -> Response:
    """The envelope of an event with its payload as stored."""
    event_id = _event_id(call)
    found = await call.desk.store.event(event_id)
    if found is None:
        raise not_found("event id", f"event {event_id} must be on the log, was not")
    full = call.queried(EventQuery).full
    row = from_recorded(found)
    (shown,) = await envelopes(call.desk.pages, [row])
    return json_answer(shown | payload(row, full=full))


async def chain(call: Call) -> Response:
    """Causes up to the root and effects down to the last."""
    event_id = _event_id(call)
    found = await chain_of(call.desk.store, event_id)
    if found is None:
        raise not_found("event id", f"event {event_id} must be on the log, was not")
    return json_answer(await found.as_json(call.desk.pages))


def _event_id(call: Call) -> UUID:
    text: str = call.request.path_params["event_id"]
    try:
        return UUID(text)
    except ValueError:
        raise bad_field("event_id", f"must be a UUID, was {text[:60]!r}") from None
