"""When TWS and the broker's servers restart, in New York time.

TWS restarts itself at 23:45 and comes back within minutes; the servers are reset from 00:15 to
01:45 but for Saturdays, and from Friday 23:00 to Saturday 03:00. On Sunday at 01:00 the log-in of
the week ends: the restart after it waits for a person and a second factor. TWS goes by the clock
of its own machine, which therefore must be set to New York.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
RESTART_FROM, RESTART_TO = time(23, 44), time(23, 50)
RESET_FROM, RESET_TO = time(0, 15), time(1, 45)
WEEKEND_FROM, WEEKEND_TO = time(23), time(3)
LOGIN_FROM, LOGIN_TO = time(1), time(4)
FRIDAY, SATURDAY, SUNDAY, MONDAY = 4, 5, 6, 0


def quiet_until(at: datetime) -> datetime | None:
    """The end of the window in which an outage that begins at `at` is expected; None outside."""
    local = at.astimezone(NEW_YORK)
    clock, day = local.time(), local.weekday()
    if day == FRIDAY and clock >= WEEKEND_FROM:
        return _at(local + timedelta(days=1), WEEKEND_TO)
    if day == SATURDAY and clock < WEEKEND_TO:
        return _at(local, WEEKEND_TO)
    if RESTART_FROM <= clock < RESTART_TO:
        return _at(local, RESTART_TO)
    if day != SATURDAY and RESET_FROM <= clock < RESET_TO:
        return _at(local, RESET_TO)
    return None


def is_login_due(at: datetime) -> bool:
    """From Sunday 01:00 to Monday 04:00 a TWS that is not there waits for its weekly log-in."""
    local = at.astimezone(NEW_YORK)
    clock, day = local.time(), local.weekday()
    return (day == SUNDAY and clock >= LOGIN_FROM) or (day == MONDAY and clock < LOGIN_TO)


def _at(day: datetime, clock: time) -> datetime:
    return datetime.combine(day.date(), clock, NEW_YORK)
