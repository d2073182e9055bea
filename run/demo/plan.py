"""The day's pace: which stretch runs how fast, so that a newcomer sees a trade within minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.events.system import PlannedDay

FAST = 600.0
BEFORE_OPEN = timedelta(minutes=5)
AFTER_CLOSE = timedelta(minutes=17)


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the day. `waits_for_quiet`: it goes on while a trade is under way."""

    name: str
    until: datetime
    speed: float
    thinned: bool
    entries_open: bool
    waits_for_quiet: bool = False


def starts_at(day: PlannedDay) -> datetime:
    return day.open_at - BEFORE_OPEN


def ends_at(day: PlannedDay) -> datetime:
    return day.close_at + AFTER_CLOSE


def scripted(day: PlannedDay, speed: float) -> tuple[Phase, ...]:
    """A whole day in about two minutes: slow where it trades and where the auction speaks."""
    slow_from = day.open_at + timedelta(minutes=30)
    auction = day.close_at - timedelta(minutes=12)
    return (
        Phase("morning", slow_from, FAST, thinned=True, entries_open=False),
        Phase(
            "trading",
            slow_from + timedelta(minutes=10),
            speed,
            thinned=False,
            entries_open=True,
            waits_for_quiet=True,
        ),
        Phase("midday", auction, FAST, thinned=True, entries_open=False),
        Phase(
            "auction",
            auction + timedelta(minutes=5),
            3 * speed,
            thinned=False,
            entries_open=True,
            waits_for_quiet=True,
        ),
        Phase("close", day.close_at, FAST, thinned=True, entries_open=False),
        Phase("after the close", ends_at(day), 12 * speed, thinned=True, entries_open=False),
    )


def watched(day: PlannedDay, speed: float) -> tuple[Phase, ...]:
    """For a person: fast to the first trade, then the rest of the day at one pace."""
    slow_from = day.open_at + timedelta(minutes=30)
    return (
        Phase("morning", slow_from, FAST, thinned=True, entries_open=False),
        Phase("day", ends_at(day), speed, thinned=False, entries_open=True),
    )
