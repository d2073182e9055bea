"""Controls and alerts: what people asked for, what the desk did about it.

Requests are written by API, Telegram or CLI to streams of their own; the stage that owns the
thing decides.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.event import DeskEvent

CONTROL_STREAM = "control"


class HaltRequested(DeskEvent):
    who: str
    route: str
    """api, telegram, cli, file, watchdog, rule."""
    reason: str


class TradingHalted(DeskEvent):
    """Entries stopped, working ones cancelled; exits and protective stops go on."""

    who: str
    reason: str


class TradingState(StrEnum):
    """What orders may do. Exits and protective stops go in every state."""

    ACTIVE = "active"
    REDUCING = "reducing"
    """A limit is breached: only orders that reduce risk may leave; nothing is cancelled."""
    HALTED = "halted"
    """No entry leaves and working ones are cancelled, until a human releases it."""


class TradingStateChanged(DeskEvent):
    """The one trading state of the desk, decided by the risk stage. Stream `control`.

    `codes` (domain/risk/codes.py, domain/risk/halts.py) are the limits breached, or the rules
    that halted; empty for a halt by hand.
    """

    state: TradingState
    previous: TradingState
    codes: tuple[str, ...]
    reason: str


class ReleaseRequested(DeskEvent):
    who: str
    route: str
    reason: str
    reauthenticated: bool


class TradingReleased(DeskEvent):
    who: str
    reason: str


class FlattenRequested(DeskEvent):
    who: str
    route: str
    reason: str


class FlattenStarted(DeskEvent):
    who: str
    reason: str
    positions: tuple[str, ...]


class ControlRefused(DeskEvent):
    """A request was not carried out, and why."""

    request_id: str
    who: str
    reason: str


class FeedPauseRequested(DeskEvent):
    feed: str
    who: str
    route: str
    reason: str


class FeedResumeRequested(DeskEvent):
    feed: str
    who: str
    route: str
    reason: str


class CacheFlushRequested(DeskEvent):
    cache: str
    who: str
    route: str
    reason: str


class CacheFlushed(DeskEvent):
    """A cache was dropped and is filled again. Stream `cache/<cache>`; caused by its request."""

    cache: str
    entries: int
    """Keys or rows that were dropped."""


class TradeCancelRequested(DeskEvent):
    """The operator wants this signal's entry withdrawn, or this position closed."""

    position_id: str
    signal_id: str
    who: str
    route: str
    reason: str


class TradeApproved(DeskEvent):
    """A person lets risk decide this signal's entry. Stream `trade-approval/<approval_id>`."""

    signal_id: str
    approval_id: str
    who: str


class AlertRaised(DeskEvent):
    alert_id: str
    severity: str
    """info, warning, critical."""
    code: str
    text: str


class AlertAcknowledged(DeskEvent):
    alert_id: str
    who: str
    comment: str
    until: datetime | None = None


class LoginSucceeded(DeskEvent):
    who: str
    address: str


class LoginFailed(DeskEvent):
    who: str
    address: str
    reason: str
