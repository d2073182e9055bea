"""Rows of the past as text: a few columns a view, times in New York and UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from run.replay.question import both_times

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "positions": (
        "position_id", "strategy", "symbol", "direction", "structure", "state", "exit_reason",
        "units", "entry_price", "exit_price", "stop_price", "mark", "unrealised_pnl",
        "realised_pnl", "fees", "opened_at",
    ),
    "orders": (
        "order_ref", "order_id", "purpose", "action", "symbol", "structure", "quantity", "filled",
        "order_type", "limit_price", "stop_price", "state", "reason", "since",
    ),
    "signals": (
        "signal_id", "strategy", "variant", "symbol", "direction", "score", "probability", "state",
        "detail", "since",
    ),
    "approvals": ("approval_id", "kind", "subject_id", "revision", "state", "who", "expires_at"),
    "deliveries": (
        "delivery_id", "kind", "vendor", "channel", "tier", "title", "state", "detail", "attempts",
        "remote_id", "due_at",
    ),
    "reports": ("report_id", "kind", "state", "verdict", "model", "cost_usd", "since"),
    "alerts": ("alert_id", "severity", "code", "text", "count", "acknowledged_by", "since"),
    "parameters": ("name", "value", "version", "who", "why"),
}  # fmt: skip
_LEFT_OUT = frozenset({"event_id", "correlation_id", "position", "is_over"})


def row_text(view: str, row: Mapping[str, Any]) -> str:
    """One row on one line: its columns that have a value."""
    names: Iterable[str] = _COLUMNS.get(view, tuple(n for n in row if n not in _LEFT_OUT))
    shown = [(name, row.get(name)) for name in names]
    return "  ".join(f"{name}={value_text(v)}" for name, v in shown if v not in (None, "", [], {}))


def value_text(value: object) -> str:
    """A value as text; a time in New York and UTC."""
    if isinstance(value, datetime):
        return both_times(value)
    if isinstance(value, str) and len(value) >= 20 and value[-1] == "Z" and value[10] == "T":
        return both_times(datetime.fromisoformat(value))
    if isinstance(value, list):
        return ", ".join(value_text(item) for item in value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={value_text(item)}" for key, item in value.items()) + "}"
    return str(value)
