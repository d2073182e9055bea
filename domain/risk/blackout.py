"""Blackouts of the economic calendar and of the first trading minute (quantitative rules, 5.7).

Read from the calendar as the vendor sent it (HistoryImported, uw.economic-calendar). Without a
calendar the usual release times are blacked out. Used by the strategies and again by risk.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from domain.instruments import Strategy
from domain.parameter import ParameterState
from domain.session import NEW_YORK, Session, new_york

CALENDAR_MISSING = "CALENDAR_MISSING"


class Release(StrEnum):
    FOMC = "FOMC"
    EARLY = "EARLY"
    """CPI, PCE or jobs report at 08:30."""
    TEN = "TEN"
    """A report at 10:00; the vendor gives no importance, so each counts as high."""
    AUCTION = "AUCTION"
    """Treasury auction of 10 or 30 years, or refunding, at 13:00."""


@dataclass(frozen=True, slots=True)
class EconomicEvent:
    release: Release
    at: datetime
    title: str


@dataclass(frozen=True, slots=True)
class Window:
    """No new entries from `start` on and before `end`."""

    start: datetime
    end: datetime
    reason: str


_EARLY_WORDS = ("cpi", "consumer price", "pce", "nonfarm", "payroll", "jobs report", "employment")
_AUCTION_WORDS = ("auction", "refunding")
_LONG_BONDS = ("10-y", "10 y", "10y", "30-y", "30 y", "30y", "refunding")


def classify(kind: str, title: str, at: datetime) -> Release | None:
    """What a row of the vendor's calendar means for us; None for nothing."""
    words, local = title.lower(), new_york(at).time()
    if kind == "fomc" or "fomc" in words or "rate decision" in words:
        return Release.FOMC if local == time(14, 0) and "minutes" not in words else None
    if any(word in words for word in _AUCTION_WORDS):
        return Release.AUCTION if any(word in words for word in _LONG_BONDS) else None
    if kind != "report":
        return None
    if local == time(8, 30):
        return Release.EARLY if any(word in words for word in _EARLY_WORDS) else None
    return Release.TEN if local == time(10, 0) else None


def read_calendar(payload: str) -> tuple[EconomicEvent, ...] | None:
    """The events of a calendar body; None when it is not one."""
    try:
        rows = json.loads(payload)["data"]
        found: list[EconomicEvent] = []
        for row in rows:
            at = datetime.fromisoformat(str(row["time"]).replace("Z", "+00:00"))
            title = str(row.get("event") or "")
            release = classify(str(row.get("type") or ""), title, at)
            if release is not None:
                found.append(EconomicEvent(release, at, title))
    except (ValueError, KeyError, TypeError):
        return None
    return tuple(sorted(found, key=lambda event: (event.at, event.release, event.title)))


def _clock(session: Session, hour: int, minute: int) -> datetime:
    return datetime.combine(session.session_date, time(hour, minute), NEW_YORK)


def _release_window(
    session: Session, release: Release, reason: str, parameters: ParameterState
) -> Window:
    if release is Release.FOMC:
        return Window(_clock(session, 13, 45), _clock(session, 15, 0), reason)
    if release is Release.EARLY:
        minutes = parameters.number("risk.blackout.early_release_min")
        return Window(_clock(session, 8, 30), session.after_open(minutes), reason)
    if release is Release.TEN:
        return Window(_clock(session, 9, 58), _clock(session, 10, 5), reason)
    return Window(_clock(session, 12, 59), _clock(session, 13, 3), reason)


def todays(session: Session, events: Sequence[EconomicEvent]) -> tuple[EconomicEvent, ...]:
    return tuple(e for e in events if new_york(e.at).date() == session.session_date)


def blackout_windows(
    session: Session, events: Sequence[EconomicEvent] | None, parameters: ParameterState
) -> tuple[Window, ...]:
    """All windows of the day, in fixed order. `events` None: the calendar is missing."""
    seconds = parameters.number("risk.blackout.first_trading_s")
    opening = session.open_at
    windows = [Window(opening, opening + timedelta(seconds=seconds), "first trading minute")]
    if events is None:
        windows += [
            _release_window(session, release, CALENDAR_MISSING, parameters)
            for release in (Release.EARLY, Release.TEN, Release.FOMC)
        ]
        return tuple(windows)
    windows += [
        _release_window(session, event.release, f"{event.release.value}: {event.title}", parameters)
        for event in todays(session, events)
    ]
    return tuple(windows)


def blackout_at(windows: Sequence[Window], now: datetime) -> Window | None:
    """The first window that covers `now`; a window includes its start and excludes its end."""
    return next((window for window in windows if window.start <= now < window.end), None)


def range_blocked_until(
    session: Session, events: Sequence[EconomicEvent] | None
) -> datetime | None:
    """On a day with an FOMC statement there is no premium-selling entry before 15:00."""
    if events is None:
        return None
    if any(event.release is Release.FOMC for event in todays(session, events)):
        return _clock(session, 15, 0)
    return None


def size_factor(
    session: Session,
    events: Sequence[EconomicEvent] | None,
    strategy: Strategy,
    *,
    is_range: bool,
    parameters: ParameterState,
) -> float:
    """0.5 for premium selling on the day of an early release, and for MOC on expiry days."""
    factor = 1.0
    early = events is not None and any(
        event.release is Release.EARLY for event in todays(session, events)
    )
    if early and is_range:
        factor *= 0.5
    if strategy is Strategy.CLOSING and is_expiration_day(session, parameters):
        factor *= 0.5
    return factor


def is_expiration_day(session: Session, parameters: ParameterState) -> bool:
    """Quarterly option expiry or index rebalance, as entered by the operator."""
    dates = parameters.text("risk.blackout.expiration_dates").split(",")
    return session.session_date.isoformat() in {text.strip() for text in dates}
