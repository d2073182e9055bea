"""Halts of the underlyings as a strategy sees them: no entry during one, nor right after it.

Folded by strategy_state.py from the events of the analytics stage. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.events.market_facts import HaltEnded, HaltStarted


@dataclass(slots=True)
class MarketHalts:
    """By symbol: None while it is halted, else from when on entries are taken again."""

    entries_from: dict[str, datetime | None] = field(default_factory=dict)

    def fold(self, body: HaltStarted | HaltEnded) -> None:
        ended = body.entries_from if isinstance(body, HaltEnded) else None
        self.entries_from[body.symbol] = ended

    def session_started(self) -> None:
        """The broker tells of a halt that stands with every subscription of the new day."""
        self.entries_from.clear()

    def told(self, symbol: str, now: datetime) -> str:
        """Why no entry is taken at `now`; empty for no reason."""
        if symbol not in self.entries_from:
            return ""
        until = self.entries_from[symbol]
        if until is None:
            return "halted"
        return f"entries from {until.isoformat()} after a halt" if now < until else ""
