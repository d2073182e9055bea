"""Alerts, halts, feeds, the broker, the account and the clock: one function an event type.

Called through the table in api/desk_fold.py. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.fold_state import DeskFold, Row, at, text
from domain.event import Recorded
from domain.events import controls, feed_health, orders
from domain.events import feeds as feed_events
from domain.events.system import ClockStarted, SessionPlanned


def alert(fold: DeskFold, event: Recorded, body: controls.AlertRaised) -> None:
    seen = fold.alerts.pop(body.alert_id, None)
    row = {
        "alert_id": body.alert_id,
        "severity": body.severity,
        "code": body.code,
        "text": body.text,
        "count": 1 if seen is None else seen["count"] + 1,
        "acknowledged_by": None,
        "comment": None,
        "until": None,
        "is_over": False,
    }
    fold.add(fold.alerts, body.alert_id, event, row)


def acknowledged(fold: DeskFold, event: Recorded, body: controls.AlertAcknowledged) -> None:
    until = None if body.until is None else at(body.until)
    values = {"acknowledged_by": body.who, "comment": body.comment, "until": until}
    fold.change(fold.alerts, body.alert_id, event, **values, is_over=True)


def halted(fold: DeskFold, event: Recorded, body: controls.TradingHalted) -> None:
    fold.halt = _halt_row(event, body.who, body.reason, is_halted=True)


def released(fold: DeskFold, event: Recorded, body: controls.TradingReleased) -> None:
    fold.halt = _halt_row(event, body.who, body.reason, is_halted=False)


def trading_state(fold: DeskFold, event: Recorded, body: controls.TradingStateChanged) -> None:
    # Another row, not the same one changed: the live stream compares with what it sent last.
    fold.halt = fold.halt | {
        "state": body.state.value,
        "codes": list(body.codes),
        "state_since": at(event.market_time),
    }


def _halt_row(event: Recorded, who: str, reason: str, *, is_halted: bool) -> Row:
    return {
        "is_halted": is_halted,
        "who": who,
        "reason": reason,
        "since": at(event.market_time),
        "event_id": str(event.event_id),
    }


def feed(fold: DeskFold, event: Recorded, body: feed_events.FeedStateChanged) -> None:
    name, _, channel = body.feed.partition("/")
    row = _feed_row(fold, event, name)
    if channel:
        refused = {known: why for known, why in row["refused"].items() if known != channel}
        if body.state == "refused":
            refused[channel] = body.reason
        row["refused"] = refused
        return
    kept = {"gaps": row["gaps"], "refused": row["refused"], "stale": row["stale"]}
    if body.state in ("connected", "down"):
        kept["stale"] = {}  # said of a connection that is gone
    fold.add(
        fold.feeds,
        name,
        event,
        {"feed": name, "state": body.state, "reason": body.reason}
        | kept
        | {"recorded_at": at(event.recorded_at)},
    )


def _feed_row(fold: DeskFold, event: Recorded, name: str) -> Row:
    if name not in fold.feeds:
        row: Row = {"feed": name, "state": "unknown", "reason": ""}
        fold.add(fold.feeds, name, event, row | {"gaps": {}, "refused": {}, "stale": {}})
    return fold.feeds[name]


def gap_opened(fold: DeskFold, event: Recorded, body: feed_health.FeedGapOpened) -> None:
    row = _feed_row(fold, event, body.feed)
    gap = {"channel": body.channel, "since": at(body.since), "cause": body.cause}
    row["gaps"] = row["gaps"] | {body.gap_id: gap}


def gap_closed(fold: DeskFold, event: Recorded, body: feed_health.FeedGapClosed) -> None:
    row = _feed_row(fold, event, body.feed)
    gaps = {known: gap for known, gap in row["gaps"].items() if known != body.gap_id}
    fold.change(fold.feeds, body.feed, event, gaps=gaps)


def stale(fold: DeskFold, event: Recorded, body: feed_health.FeedStale) -> None:
    row = _feed_row(fold, event, body.feed)
    last_at = None if body.last_at is None else at(body.last_at)
    about = {"phase": body.phase, "last_at": last_at, "limit_seconds": body.limit_seconds}
    row["stale"] = row["stale"] | {body.channel: about}


def fresh(fold: DeskFold, event: Recorded, body: feed_health.FeedFresh) -> None:
    row = _feed_row(fold, event, body.feed)
    row["stale"] = {known: why for known, why in row["stale"].items() if known != body.channel}


def broker(state: str) -> Callable[[DeskFold, Recorded, Any], None]:
    def apply(fold: DeskFold, event: Recorded, body: Any) -> None:
        known = {} if state == "connected" else fold.broker
        fold.broker = {**known, "state": state, "since": at(event.market_time)}
        if isinstance(body, orders.BrokerConnected):
            fold.broker |= {"is_paper": body.paper}
        if isinstance(body, orders.BrokerDisconnected):
            fold.broker |= {"reason": body.reason}

    return apply


def reconciled(fold: DeskFold, event: Recorded, body: orders.ReconciliationCompleted) -> None:
    found = {"is_clean": body.clean, "differences": list(body.differences)[:20]}
    fold.broker = {**fold.broker, "reconciled": found | {"at": at(event.market_time)}}


def account(fold: DeskFold, event: Recorded, body: orders.BrokerAccountSeen) -> None:
    known = fold.account
    net = body.values.get("NetLiquidation", known.get("net_liquidation"))
    fold.account = {
        "net_liquidation": net,
        "daily_pnl": text(body.daily_pnl) or known.get("daily_pnl"),
        "as_of": at(event.market_time),
    }


def clock(fold: DeskFold, event: Recorded, body: ClockStarted) -> None:
    fold.clock = {
        "base_market_time": body.base_market_time,
        "real_at": event.recorded_at,
        "speed": body.speed,
        "session_date": body.session_date.isoformat(),
        "is_thinned": body.thinned,
        "entries_open": body.entries_open,
    }


def planned(fold: DeskFold, event: Recorded, body: SessionPlanned) -> None:
    fold.session = {
        "session_date": body.day.session_date.isoformat(),
        "open_at": at(body.day.open_at),
        "close_at": at(body.day.close_at),
        "is_half_day": body.day.is_half_day,
    }
