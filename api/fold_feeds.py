"""The feeds with all that is wrong with them, the keeper's jobs and its report: a function a type.

Called through the table in api/desk_fold.py. Pure. Rows are replaced, never changed: the live
stream compares with what it sent last.
"""

from __future__ import annotations

from typing import Any

from api.fold_state import DeskFold, Row, at
from domain.event import Recorded
from domain.events import feed_health as health
from domain.events.feeds import LineClosed
from domain.events.jobs import JobScheduled
from domain.events.system import JobFinished, JobStarted, SessionPlanned

DRIFT_MAX = 500
_NOTHING_WRONG: Row = {
    "gaps": {},
    "refused": {},
    "stale": {},
    "silent": {},
    "drift": {},
    "rates": {},
    "disabled": {},
    "budget": None,
}


def feed(fold: DeskFold, event: Recorded, body: health.FeedStateChanged) -> None:
    name, _, channel = body.feed.partition("/")
    row = _row(fold, event, name)
    if channel:
        refused = {"reason": body.reason} if body.state == "refused" else None
        _keep(row, "refused", channel, refused)
        return
    kept = {part: row[part] for part in _NOTHING_WRONG}
    if body.state in ("connected", "down"):
        kept |= {"stale": {}, "silent": {}}  # said of a connection that is gone
    fold.add(
        fold.feeds,
        name,
        event,
        {"feed": name, "state": body.state, "reason": body.reason}
        | kept
        | {"recorded_at": at(event.recorded_at)},
    )


def gap_opened(fold: DeskFold, event: Recorded, body: health.FeedGapOpened) -> None:
    gap = {"channel": body.channel, "since": at(body.since), "cause": body.cause}
    _keep(_row(fold, event, body.feed), "gaps", body.gap_id, gap)


def gap_closed(fold: DeskFold, event: Recorded, body: health.FeedGapClosed) -> None:
    row = _row(fold, event, body.feed)
    gaps = {known: gap for known, gap in row["gaps"].items() if known != body.gap_id}
    fold.change(fold.feeds, body.feed, event, gaps=gaps)
    _keep(row, "silent", body.channel, None)  # a line that nobody wants any more ends its gap


def stale(fold: DeskFold, event: Recorded, body: health.FeedStale) -> None:
    last_at = None if body.last_at is None else at(body.last_at)
    about = {"phase": body.phase, "last_at": last_at, "limit_seconds": body.limit_seconds}
    _keep(_row(fold, event, body.feed), "stale", body.channel, about)


def fresh(fold: DeskFold, event: Recorded, body: health.FeedFresh) -> None:
    _keep(_row(fold, event, body.feed), "stale", body.channel, None)


def silent(fold: DeskFold, event: Recorded, body: health.FeedStreamSilent) -> None:
    about = {"seconds": body.seconds, "since": at(event.recorded_at)}
    _keep(_row(fold, event, body.feed), "silent", body.channel, about)


def verified(fold: DeskFold, event: Recorded, body: health.FeedStreamVerified) -> None:
    _keep(_row(fold, event, body.feed), "silent", body.channel, None)


def line_closed(fold: DeskFold, event: Recorded, body: LineClosed) -> None:
    contract = body.contract
    name = f"ticks {contract.symbol} {contract.con_id}"
    if "ib.data" in fold.feeds:
        _keep(fold.feeds["ib.data"], "silent", name, None)


def drifted(fold: DeskFold, event: Recorded, body: health.FeedDriftSeen) -> None:
    """A difference is said once a session: it is shown since it was first seen, and until a whole
    session has gone by without it."""
    row = _row(fold, event, body.feed)
    key = f"{body.channel} {body.kind} {body.field}"
    known = row["drift"].get(key, {})
    about = {
        "channel": body.channel,
        "kind": body.kind,
        "field": body.field,
        "detail": body.detail,
        "since": known.get("since", at(event.recorded_at)),
        "session_date": fold.session.get("session_date"),
        "sample_event_id": body.sample_event_id,
    }
    if key in row["drift"] or len(row["drift"]) < DRIFT_MAX:
        _keep(row, "drift", key, about)


def rate_changed(fold: DeskFold, event: Recorded, body: health.FeedRateChanged) -> None:
    is_usual = body.usual_min <= body.messages_per_minute <= body.usual_max
    about = {
        "phase": body.phase,
        "messages_per_minute": body.messages_per_minute,
        "usual_min": body.usual_min,
        "usual_max": body.usual_max,
        "since": at(event.recorded_at),
    }
    _keep(_row(fold, event, body.feed), "rates", body.channel, None if is_usual else about)


def disabled(fold: DeskFold, event: Recorded, body: health.EndpointDisabled) -> None:
    about = {
        "endpoint": body.endpoint,
        "status": body.status,
        "reason": body.reason,
        "since": at(event.recorded_at),
    }
    _keep(_row(fold, event, "uw.rest"), "disabled", body.path, about)


def budget(fold: DeskFold, event: Recorded, body: health.RestBudgetPlanned) -> None:
    _row(fold, event, "uw.rest")["budget"] = {
        "session_date": body.session_date.isoformat(),
        "calls_planned": body.calls_planned,
        "calls_left": body.calls_left,
        "calls_a_minute_max": body.calls_a_minute_max,
        "dropped": list(body.dropped),
        "at": at(event.recorded_at),
    }


def planned(fold: DeskFold, body: SessionPlanned) -> None:
    """A further session: what holds for one session only ends. Called before the fold's own
    session is the new one."""
    over = fold.session.get("session_date")
    if over is None or over == body.day.session_date.isoformat():
        return
    for row in fold.feeds.values():
        row["drift"] = {k: v for k, v in row["drift"].items() if v["session_date"] == over}
        row["rates"], row["disabled"], row["budget"] = {}, {}, None


def job_scheduled(fold: DeskFold, event: Recorded, body: JobScheduled) -> None:
    fold.jobs[body.name] = _job(fold, body.name) | {"next_at": at(body.due_at)}


def job_started(fold: DeskFold, event: Recorded, body: JobStarted) -> None:
    about = {"state": "running", "due_at": at(body.due_at), "since": at(event.recorded_at)}
    fold.jobs[body.name] = _job(fold, body.name) | about


def job_finished(fold: DeskFold, event: Recorded, body: JobFinished) -> None:
    fold.jobs[body.name] = _job(fold, body.name) | {
        "state": body.outcome,
        "due_at": at(body.due_at),
        "since": at(event.recorded_at),
        "last_at": at(event.recorded_at),
        "last_outcome": body.outcome,
        "detail": body.detail,
        "seconds": body.seconds,
    }


def ingestion_reported(fold: DeskFold, event: Recorded, body: health.IngestionReported) -> None:
    def total(name: str) -> Any:
        return sum(getattr(channel, name) for channel in body.channels)

    fold.ingestion = {
        "session_date": body.session_date.isoformat(),
        "channels": len(body.channels),
        **{name: total(name) for name in ("messages", "bytes", "rejected", "repeated", "lost")},
        "gaps": total("gaps"),
        "gap_seconds": round(total("gap_seconds"), 1),
        "drifts": total("drifts"),
        "at": at(event.recorded_at),
        "event_id": str(event.event_id),
    }


def _row(fold: DeskFold, event: Recorded, name: str) -> Row:
    if name not in fold.feeds:
        row: Row = {"feed": name, "state": "unknown", "reason": ""}
        fold.add(fold.feeds, name, event, row | _NOTHING_WRONG)
    return fold.feeds[name]


def _keep(row: Row, part: str, key: str, about: Row | None) -> None:
    """Set one entry of a part of a row; None takes it away."""
    others = {known: value for known, value in row[part].items() if known != key}
    row[part] = others if about is None else others | {key: about}


def _job(fold: DeskFold, name: str) -> Row:
    return fold.jobs.get(name, {"name": name, "state": "waiting", "next_at": None, "last_at": None})
