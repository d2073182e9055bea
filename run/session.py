"""Change the hours of a session that the exchange changes at short notice: closed, shorter, late.

The calendar knows holidays and half days. A day of mourning, a storm or a fault of the exchange it
does not: say it here, and every window, forced flat and time to expiry follows. The feeds answer
with a new plan of the session. Said again the newest counts; --as-planned takes it back.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

from adapters.calendar import NoSession, plan_session
from domain.events.session_hours import OVERRIDES_STREAM, SessionOverridden
from domain.events.system import SESSION_STREAM, PlannedDay, SessionPlanned
from domain.session import NEW_YORK, new_york
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.halt import Outcome, add_arguments, ask, whoever
from run.tails import tail
from store.errors import StoreError
from store.postgres import PostgresStore

WAIT_SECONDS = 10.0
ANSWER = frozenset({SessionPlanned.__name__})
AHEAD_MAX = timedelta(days=80)
"""Within the 60 sessions of every plan."""
EXITS = {
    0: "the session is planned anew",
    1: "the log could not be read or written: nothing is asked",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
    3: "asked, not answered yet: the feeds plan it when they run",
}
EXAMPLES = """
  python -m run.session 2026-12-09 --closed --why "day of mourning"
  python -m run.session 2026-12-09 --close 13:00 --why "storm: NYSE notice 26-31"
  python -m run.session 2026-12-09 --open 10:30 --why "NYSE opens late"
  python -m run.session 2026-12-09 --as-planned --why "called off" --who ann --json

  Times are New York's. An exchange that stopped for the day: --close with that time."""


class Refused(ValueError):
    """The hours asked for cannot be."""


def clock(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"must look like 13:00, was {text!r}") from None


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"must look like 2026-12-09, was {text!r}") from None


def changed(
    calendar: PlannedDay, opening: time | None, closing: time | None, *, closed: bool
) -> tuple[datetime | None, datetime | None]:
    """The hours of the session; a time that is not given is the calendar's.

    Raises:
        Refused: they are none within the calendar's.
    """
    if closed:
        return None, None

    def at(given: time | None, planned: datetime) -> datetime:
        if given is None:
            return planned
        on_day = datetime.combine(calendar.session_date, given, tzinfo=NEW_YORK)
        return on_day.astimezone(UTC)

    opens, closes = at(opening, calendar.open_at), at(closing, calendar.close_at)
    if not calendar.open_at <= opens < closes <= calendar.close_at:
        first, last = (f"{new_york(t):%H:%M}" for t in (calendar.open_at, calendar.close_at))
        raise Refused(
            f"hours must be within {first} to {last} of {calendar.session_date}, were "
            f"{new_york(opens):%H:%M} to {new_york(closes):%H:%M}"
        )
    return opens, closes


def require_to_come(
    planned: SessionPlanned | None, body: SessionOverridden, now: datetime, *, is_sandbox: bool
) -> None:
    """The past stays, and a session that runs has begun as it has.

    Raises:
        Refused: the change comes too late.
    """
    today = new_york(now).date() if planned is None else planned.day.session_date
    if not today <= body.session_date <= today + AHEAD_MAX:
        raise Refused(
            f"session must be from {today} to {today + AHEAD_MAX}, was {body.session_date}"
        )
    if planned is None or body.session_date != today:
        return
    # A simulated market has a clock of its own, which does not wait for us.
    has_begun = is_sandbox or now >= planned.day.open_at
    if has_begun and body.open_at != planned.day.open_at:
        raise Refused(f"the session of {today} has begun: give --close with the time of its end")


async def newest_plan(settings: Settings) -> SessionPlanned | None:
    """The session that the desk is in."""
    async with asyncio.timeout(WAIT_SECONDS):
        async with await PostgresStore.open(settings.database_url, application_name="cli") as store:
            found = await tail(store, SESSION_STREAM, 1)
    body = found[-1].body if found else None
    assert body is None or isinstance(body, SessionPlanned)
    return body


async def override(settings: Settings, body: SessionOverridden, wait_seconds: float) -> Outcome:
    """Put it on the log, and wait for the plan that follows.

    Raises:
        Refused: the change comes too late.
    """
    now, planned = datetime.now(UTC), await newest_plan(settings)
    require_to_come(planned, body, now, is_sandbox=settings.mode == "sandbox")
    return await ask(settings, OVERRIDES_STREAM, body, uuid4(), now, ANSWER, wait_seconds)


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_line("run.session", __doc__, reads=(), exits=EXITS, examples=EXAMPLES)
    parser.add_argument("date", type=day, metavar="DATE")
    parser.add_argument("--open", type=clock, default=None, metavar="HH:MM", help="a later open")
    parser.add_argument("--close", type=clock, default=None, metavar="HH:MM", help="an earlier end")
    parser.add_argument("--closed", action="store_true", help="no session that day")
    parser.add_argument("--as-planned", action="store_true", help="the calendar's hours again")
    add_arguments(parser)
    given = parser.parse_args(argv)
    ways = (given.closed, given.as_planned, bool(given.open or given.close))
    if sum(ways) != 1:
        parser.error("one of --closed, --as-planned or --open and --close must be given")
    try:
        settings = load_settings()
        calendar = plan_session(given.date).day
        opens, closes = changed(calendar, given.open, given.close, closed=given.closed)
        body = SessionOverridden(
            session_date=given.date,
            open_at=opens,
            close_at=closes,
            who=whoever(given.who),
            why=given.why,
        )
        outcome = asyncio.run(override(settings, body, given.wait))
    except (SettingsError, NoSession, Refused) as error:
        print(f"session: {error}", file=sys.stderr)
        return 2
    except (StoreError, OSError) as error:
        print(f"session: nothing is asked: {error or type(error).__name__}", file=sys.stderr)
        return 1
    hours = "closed"
    if opens is not None and closes is not None:
        hours = f"{new_york(opens):%H:%M} to {new_york(closes):%H:%M} New York time"
    told = "planned" if outcome.state == "accepted" else "asked, not answered yet"
    outcome.print(f"{settings.mode}: {given.date} {hours}, {told}", as_json=given.json)
    return 0 if outcome.state == "accepted" else 3


if __name__ == "__main__":
    sys.exit(main())
