"""The parts of a trading day in which feeds behave differently, by the plan of the session.

Read by run/feeds for staleness and cadence. Half days and daylight saving come with the plan: all
bounds are offsets from its times. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

from domain.events.system import PlannedDay, SessionPlanned

BEFORE_OPEN = timedelta(hours=5, minutes=30)
"""From 04:00 New York."""
AFTER_CLOSE = timedelta(hours=4)
"""Until 20:00 New York, on half days until 17:00."""


class Phase(Enum):
    PRE = "pre"
    REGULAR = "regular"
    LATE_OPTIONS = "late_options"
    """Stocks are closed; options on the three funds trade on for fifteen minutes."""
    AFTER = "after"
    CLOSED = "closed"


def phase_at(plan: SessionPlanned, at: datetime) -> Phase:
    """The phase of a moment; closed on days that are not in the plan."""
    for day in (plan.day, *plan.later, *plan.earlier):
        if day.open_at - BEFORE_OPEN <= at < day.close_at + AFTER_CLOSE:
            return _phase_of(day, at)
    return Phase.CLOSED


def _phase_of(day: PlannedDay, at: datetime) -> Phase:
    if at < day.open_at:
        return Phase.PRE
    if at < day.close_at:
        return Phase.REGULAR
    return Phase.LATE_OPTIONS if at < day.options_close_at else Phase.AFTER
