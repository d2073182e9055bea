"""How the replay tool shows events, answers and progress.

Answers go to stdout as text or, with --json, as one JSON value a line; progress goes to stderr
and only when somebody looks at it.
"""

from __future__ import annotations

import re
import sys
from datetime import datetime
from typing import Any

import orjson

from domain.event import Recorded, encode_body
from domain.session import NEW_YORK
from run.replay.question import both_times
from store.unreadable import Unreadable

_SUMMARY = (
    "symbol", "model", "bucket", "signal_id", "variant", "direction", "probability", "decision_id",
    "approved", "denials", "initial_change", "order_ref", "purpose", "action", "quantity",
    "limit_price", "state", "price", "position_id", "units", "stop_price", "entry_price",
    "exit_price", "reason", "realised_pnl", "total", "tier", "vendor", "channel", "delivery_id",
    "attempt", "remote_id", "via", "verdict", "who", "close",
)  # fmt: skip
_UTC_TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
RAW_SHOWN_MAX = 400
"""Characters of a payload that cannot be read; --json shows all."""


def as_row(event: Recorded) -> dict[str, Any]:
    """An event as the tools print it."""
    if isinstance(event.body, Unreadable):
        shown = {"unreadable": event.body.reason, "data": orjson.Fragment(event.body.data)}
    else:
        shown = {"data": orjson.Fragment(encode_body(event.body))}
    return {
        "position": event.position,
        "type": event.type,
        "stream": event.stream,
        "version": event.version,
        "event_id": str(event.event_id),
        "market_time": event.market_time,
        "recorded_at": event.recorded_at,
        "occurred_at": event.occurred_at,
        "worker": event.worker,
        "build": event.build,
        "causation_id": None if event.causation_id is None else str(event.causation_id),
        "correlation_id": str(event.correlation_id),
        "input_position": event.input_position,
        "ordinal": event.ordinal,
        **shown,
    }


def as_json(answer: object) -> bytes:
    """An answer as one JSON text; times in UTC with Z."""
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z, default=str)


def print_json(answer: object) -> None:
    """Print an answer as one line of JSON, each time in it in New York too."""
    print(as_json(with_new_york(answer)).decode())


def with_new_york(answer: Any) -> Any:
    """The answer with a second field, NAME_ny, beside each field NAME that holds a time, or a list
    of times. What an event holds is left as it is stored."""
    if isinstance(answer, dict):
        told: dict[str, Any] = {}
        for name, value in answer.items():
            told[name] = with_new_york(value)
            if (local := _in_new_york(value)) is not None:
                told[f"{name}_ny"] = local
        return told
    if isinstance(answer, list | tuple):
        return [with_new_york(item) for item in answer]
    return answer


def _in_new_york(value: object) -> str | list[str | None] | None:
    """A time as ISO text with New York's offset; None for anything else."""
    if isinstance(value, str) and _UTC_TEXT.fullmatch(value):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.astimezone(NEW_YORK).isoformat()
    if isinstance(value, list | tuple):
        times = [None if item is None else _in_new_york(item) for item in value]
        found = [local for local in times if isinstance(local, str)]
        if found and len(found) + list(value).count(None) == len(value):
            return [local if isinstance(local, str) else None for local in times]
    return None


def summary(event: Recorded) -> str:
    """The few fields of an event that tell what it is about."""
    if isinstance(event.body, Unreadable):
        return f"CANNOT BE READ: {event.body.reason}; stored: {event.body.data[:RAW_SHOWN_MAX]}"
    parts = []
    for name in _SUMMARY:
        value = getattr(event.body, name, None)
        if value not in (None, "", ()):
            parts.append(f"{name}={getattr(value, 'value', value)}")
    return " ".join(parts)


def event_line(event: Recorded, indent: int = 0) -> str:
    """One event on one line: position, time, type, worker, what it is about."""
    return (
        f"{event.position:>8}  {both_times(event.market_time)}  {'  ' * indent}{event.type}  "
        f"[{event.worker}] {summary(event)}"
    )


def is_watched() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr.isatty()


class Progress:
    """A line on stderr that says how far a long run is; silent when stderr is no terminal."""

    def __init__(self, what: str, after: int, up_to: int) -> None:
        self._what, self._after, self._total = what, after, max(up_to - after, 1)
        self._shown = -1
        self._is_on_screen = False

    def at(self, position: int) -> None:
        """The run has come to a log position."""
        percent = min(100, 100 * (position - self._after) // self._total)
        if percent != self._shown and is_watched():
            self._shown = percent
            bar = "#" * (percent // 4)
            print(f"\r{self._what} [{bar:<25}] {percent:3d} %", end="", file=sys.stderr, flush=True)
            self._is_on_screen = True

    def hide(self) -> None:
        """Make room for a line of the answer; the bar comes back with the next percent."""
        if self._is_on_screen:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._is_on_screen = False

    def end(self) -> None:
        """The run is over: the next line starts anew."""
        if self._is_on_screen:
            print(file=sys.stderr)
            self._is_on_screen = False
