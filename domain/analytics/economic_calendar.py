"""Blackouts of the economic calendar: which windows of the day take no new entry.

Called by the stage. Events come from the vendor's calendar; without one the windows at 08:30,
10:00 and 14:00 are treated as blacked out. Clock times are New York's and do not shift on half
days.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from domain.session import NEW_YORK, Session

CLEAR = "CLEAR"
BLACKOUT = "BLACKOUT"
MISSING_CALENDAR = "CALENDAR_MISSING"
_MORNING = re.compile(
    r"\b(cpi|consumer price|pce|personal consumption|nonfarm|payrolls|jobs report"
    r"|employment situation|unemployment rate)\b"
)
_FOMC = re.compile(
    r"\b(fomc (?:statement|rate decision|meeting|press)|fed(?:eral funds)? rate"
    r"|interest[- ]rate decision|powell press)\b"
)
_TEN = re.compile(
    r"\b(ism|consumer confidence|consumer sentiment|jolts|job openings|new home sales"
    r"|existing home sales|factory orders)\b"
)
_AUCTION = re.compile(r"\b(?:10|30)[- ]?(?:year|yr|y)\b.*\bauction\b|\brefunding\b")


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    at: datetime
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Window:
    """Includes its start and excludes its end."""

    start: datetime
    end: datetime
    code: str


def _at(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=NEW_YORK)


def codes_on(
    events: Sequence[CalendarEvent], day: date, last: date | None = None
) -> tuple[str, ...]:
    """FOMC, DATA_0830, DATA_1000 and AUCTION_1300 of a day, or of all days up to `last`, in that
    order."""
    found = set()
    for event in events:
        local = event.at.astimezone(NEW_YORK)
        if not day <= local.date() <= (last or day):
            continue
        title = event.title.lower()
        clock = (local.hour, local.minute)
        # A day may list the press conference at 14:30 alone: the window is the same.
        if clock in ((14, 0), (14, 30)) and (event.kind == "fomc" or _FOMC.search(title)):
            found.add("FOMC")
        elif clock == (8, 30) and _MORNING.search(title):
            found.add("DATA_0830")
        elif clock == (10, 0) and _TEN.search(title):
            found.add("DATA_1000")
        elif clock == (13, 0) and _AUCTION.search(title):
            found.add("AUCTION_1300")
    order = ("FOMC", "DATA_0830", "DATA_1000", "AUCTION_1300")
    return tuple(code for code in order if code in found)


def reaches(events: Sequence[CalendarEvent], day: date) -> bool:
    """Whether a calendar, in order of time, goes as far as a day. The vendor's is of this week and
    the next: one that ends before, or is empty, says nothing about the day."""
    return bool(events) and events[-1].at.astimezone(NEW_YORK).date() >= day


def known_codes(
    events: Sequence[CalendarEvent], day: date, last: date | None = None
) -> tuple[str, ...] | None:
    """As `codes_on`; None where the calendar does not reach so far."""
    return codes_on(events, day, last) if reaches(events, last or day) else None


def blackouts(session: Session, codes: Sequence[str]) -> tuple[Window, ...]:
    """Windows without new entries of a session with these codes, the first minute included."""
    day = session.session_date
    opening = session.open_at
    windows = [Window(opening, opening + timedelta(seconds=60), "FIRST_MINUTE")]
    if "DATA_0830" in codes:
        windows.append(Window(opening, opening + timedelta(minutes=15), "DATA_0830"))
    if "DATA_1000" in codes:
        windows.append(Window(_at(day, 9, 58), _at(day, 10, 5), "DATA_1000"))
    if "AUCTION_1300" in codes:
        windows.append(Window(_at(day, 12, 59), _at(day, 13, 3), "AUCTION_1300"))
    if "FOMC" in codes:
        windows.append(Window(_at(day, 13, 45), _at(day, 15, 0), "FOMC"))
    return tuple(windows)


def calendar_state(session: Session, codes: Sequence[str] | None, now: datetime) -> tuple[str, str]:
    """CLEAR, BLACKOUT or CALENDAR_MISSING with the codes behind it; `codes` None: no calendar."""
    used = ("FOMC", "DATA_0830", "DATA_1000") if codes is None else codes
    inside = [w.code for w in blackouts(session, used) if w.start <= now < w.end]
    if codes is None:
        inside.append(MISSING_CALENDAR)
        return (BLACKOUT if len(inside) > 1 else MISSING_CALENDAR), ",".join(inside)
    return (BLACKOUT if inside else CLEAR), ",".join(inside)
