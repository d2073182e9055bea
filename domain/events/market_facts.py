"""Facts of the market that no feed brings as such.

Halts are decided by the analytics stage from what broker and vendor tell.
"""

from __future__ import annotations

from datetime import datetime

from domain.event import DeskEvent


class HaltStarted(DeskEvent):
    """Trading in an underlying is halted or paused. Stream `halts/<symbol>`."""

    symbol: str
    source: str
    """vendor or broker, whichever told first."""
    at: datetime


class HaltEnded(DeskEvent):
    """Neither broker nor vendor says any more that it is halted. Stream `halts/<symbol>`."""

    symbol: str
    at: datetime
    entries_from: datetime
    """Quotes settle first: no entry before."""
