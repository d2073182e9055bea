"""Hot views of the feeds: states, gaps, silence, what changed; the keeper's jobs and its report.

Pure: an event in, Redis commands out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.event import Recorded
from domain.events.feed_health import (
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
from domain.events.jobs import JobScheduled
from domain.events.system import JobFinished, JobStarted, SessionPlanned
from projections.hot.fields import named, put
from projections.redis_target import Command

FEEDS = ("uw.socket", "uw.rest", "ib.data")
REST = "uw.rest"


def feed_state(event: Recorded, body: FeedStateChanged) -> list[Command]:
    name, _, channel = body.feed.partition("/")
    if channel:
        known = "SADD" if body.state == "refused" else "SREM"
        return [(known, f"feed-refused:{name}", channel)]
    said = [
        ("SADD", "feeds", name),
        put(f"feed:{name}", **named(body), at=event.recorded_at),
    ]
    # What was silent was so on a connection that is gone.
    parts = ("feed-stale", "feed-silent") if body.state in ("connected", "down") else ()
    gone: list[Command] = [("DEL", f"{part}:{name}") for part in parts]
    return said + gone


def gap_opened(_: Recorded, body: FeedGapOpened) -> list[Command]:
    return [
        ("SADD", "feeds", body.feed),
        ("SADD", f"feed-gaps:{body.feed}", body.gap_id),
        put(f"gap:{body.gap_id}", **named(body)),
    ]


def gap_closed(_: Recorded, body: FeedGapClosed) -> list[Command]:
    return [
        ("SREM", f"feed-gaps:{body.feed}", body.gap_id),
        ("DEL", f"gap:{body.gap_id}"),
        ("SREM", f"feed-silent:{body.feed}", body.channel),
    ]


def feed_stale(_: Recorded, body: FeedStale) -> list[Command]:
    return [("SADD", f"feed-stale:{body.feed}", body.channel)]


def feed_fresh(_: Recorded, body: FeedFresh) -> list[Command]:
    return [("SREM", f"feed-stale:{body.feed}", body.channel)]


def stream_silent(_: Recorded, body: FeedStreamSilent) -> list[Command]:
    return [("SADD", f"feed-silent:{body.feed}", body.channel)]


def stream_verified(_: Recorded, body: FeedStreamVerified) -> list[Command]:
    return [("SREM", f"feed-silent:{body.feed}", body.channel)]


def drift(event: Recorded, body: FeedDriftSeen) -> list[Command]:
    name = f"{body.channel} {body.kind} {body.field}"
    return [put(f"feed-drift:{body.feed}", **{name: body.detail})]


def rate(_: Recorded, body: FeedRateChanged) -> list[Command]:
    is_usual = body.usual_min <= body.messages_per_minute <= body.usual_max
    return [("SREM" if is_usual else "SADD", f"feed-unusual:{body.feed}", body.channel)]


def disabled(_: Recorded, body: EndpointDisabled) -> list[Command]:
    return [put(f"feed-off:{REST}", **{body.path: f"{body.status} {body.reason}"})]


def budget(event: Recorded, body: RestBudgetPlanned) -> list[Command]:
    return [put("rest-budget", **named(body), at=event.recorded_at)]


def session(_: Recorded, __: SessionPlanned) -> list[Command]:
    """What is said of one session ends with it; drift that stays is said again."""
    parts = ("feed-drift", "feed-unusual", "feed-off")
    return [("DEL", f"{part}:{feed}") for part in parts for feed in FEEDS]


def job_scheduled(_: Recorded, body: JobScheduled) -> list[Command]:
    return [("SADD", "jobs", body.name), put(f"job:{body.name}", next_at=body.due_at)]


def job_started(event: Recorded, body: JobStarted) -> list[Command]:
    about = {"state": "running", "due_at": body.due_at}
    return [("SADD", "jobs", body.name), put(f"job:{body.name}", **about, at=event.recorded_at)]


def job_finished(event: Recorded, body: JobFinished) -> list[Command]:
    about = {"state": body.outcome, "due_at": body.due_at, "detail": body.detail}
    return [("SADD", "jobs", body.name), put(f"job:{body.name}", **about, at=event.recorded_at)]


def ingestion(event: Recorded, body: IngestionReported) -> list[Command]:
    counted = ("messages", "bytes", "rejected", "repeated", "lost", "gaps", "drifts")
    sums = {name: sum(getattr(one, name) for one in body.channels) for name in counted}
    about = {"session_date": body.session_date, "channels": len(body.channels)}
    return [put("ingestion", **about, **sums, at=event.recorded_at)]


VIEWS: Mapping[type[Any], Callable[[Recorded, Any], list[Command]]] = {
    FeedStateChanged: feed_state,
    FeedGapOpened: gap_opened,
    FeedGapClosed: gap_closed,
    FeedStale: feed_stale,
    FeedFresh: feed_fresh,
    FeedStreamSilent: stream_silent,
    FeedStreamVerified: stream_verified,
    FeedDriftSeen: drift,
    FeedRateChanged: rate,
    EndpointDisabled: disabled,
    RestBudgetPlanned: budget,
    SessionPlanned: session,
    JobScheduled: job_scheduled,
    JobStarted: job_started,
    JobFinished: job_finished,
    IngestionReported: ingestion,
}
