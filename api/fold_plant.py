"""Alerts, halts, the broker, the account and the clock: one function an event type.

Called through the table in api/desk_fold.py. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api import fold_feeds
from api.fold_state import DeskFold, Row, at, text
from domain.event import Recorded
from domain.events import controls, orders
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
    fold_feeds.planned(fold, body)
    fold.plan = body
    fold.session = {
        "session_date": body.day.session_date.isoformat(),
        "open_at": at(body.day.open_at),
        "close_at": at(body.day.close_at),
        "is_half_day": body.day.is_half_day,
    }
