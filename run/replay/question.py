"""What a question means: market times, days, and why one has no answer.

Used by every command of the replay tool. Market times are New York unless they carry a zone.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from domain.events.system import ClockStarted
from domain.session import NEW_YORK
from store.contract import EventStore, Selection
from store.postgres import PostgresStore

INSTANT = timedelta(microseconds=1)
"""The least difference between two times on the log."""
YEAR_MIN, YEAR_MAX = 1971, 9998
"""A year less at both ends than a time can be: a day before and after it are times too."""
_ZONE = re.compile(r"\s*(utc|z|ny|et|new york)$", re.IGNORECASE)


class CannotAnswer(Exception):
    """The question has no answer on this log; the text says what to ask instead."""


def both_times(at: datetime) -> str:
    """New York time with its date, and UTC beside it."""
    local = at.astimezone(NEW_YORK)
    return f"{local:%Y-%m-%d %H:%M:%S.%f} NY / {at.astimezone(UTC):%H:%M:%S.%f} UTC"


def parse_time(text: str, session_date: date) -> datetime:
    """A market time: 10:05, 10:05:30.250, or a whole ISO time; New York unless a zone is given
    as an offset or as a word behind it (UTC, Z, NY).

    Raises:
        CannotAnswer: the text is no time.
    """
    found = _ZONE.search(text)
    zone = UTC if found and found[1].lower() in ("utc", "z") else NEW_YORK
    bare = text[: found.start()] if found else text
    try:
        at = datetime.combine(session_date, time.fromisoformat(_two_digits(bare)))
    except ValueError:
        try:
            at = datetime.fromisoformat(bare)
        except ValueError:
            raise CannotAnswer(
                f"time must look like 10:05:30 or be an ISO time, was {text!r}"
            ) from None
    _check_year(at)
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _two_digits(text: str) -> str:
    """9:30 as the library reads it."""
    return f"0{text}" if re.match(r"\d:", text) else text


def parse_day(text: str) -> date:
    """A session date such as 2026-10-06.

    Raises:
        CannotAnswer: the text is no date.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CannotAnswer(f"day must look like 2026-10-06, was {text!r}") from None
    _check_year(day)
    return day


def _check_year(day: date) -> None:
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise CannotAnswer(f"year must be from {YEAR_MIN} to {YEAR_MAX}, was {day.year}")


async def newest_session(store: EventStore) -> date:
    """Session date of the newest ClockStarted.

    Raises:
        CannotAnswer: the log has none.
    """
    found: date | None = None
    after = 0
    while page := await store.read(after, Selection(types=frozenset({"ClockStarted"}))):
        for event in page:
            if isinstance(event.body, ClockStarted):
                found = event.body.session_date
        after = page[-1].position
    if found is None:
        raise CannotAnswer("the log is empty: no ClockStarted; run `make demo` first")
    return found


async def time_of(store: EventStore, text: str) -> datetime:
    """The market time that a question names; a time of day is one of the newest session.

    Raises:
        CannotAnswer: the text is no time, or the log is empty.
    """
    return parse_time(text, await newest_session(store))


def for_times(store: EventStore) -> EventStore:
    """The same log for whoever looks at times alone: what an event holds need not be readable."""
    return store.showing_unreadable() if isinstance(store, PostgresStore) else store


async def position_at(store: EventStore, at: datetime) -> int:
    """Log position of the last event with market time up to `at`; 0 when all came later.

    Market time never falls with position from the first ClockStarted on, so that a search by
    halves finds it; before that it was real time, and counts as earlier than any market time.
    """
    started = await store.read(0, Selection(types=frozenset({"ClockStarted"})), 1)
    if not started or started[0].market_time > at:
        return 0
    store = for_times(store)
    low, high = started[0].position, await store.head()
    while low < high:
        middle = (low + high + 1) // 2
        found = await store.read(middle - 1, Selection(), 1, middle)
        if not found and middle < high:
            # Nothing is recorded here, though positions are dense: the next that is decides.
            found = await store.read(middle, Selection(), 1, high)
        if found and found[0].market_time <= at:
            low = found[0].position
        else:
            high = middle - 1
    return low


async def positions_of_day(store: EventStore, day: date) -> tuple[int, int]:
    """(after, up_to): the events of a New York calendar day are those in (after, up_to].

    Raises:
        CannotAnswer: the log has no event of that day.
    """
    midnight = datetime.combine(day, time(0), NEW_YORK)
    next_midnight = datetime.combine(day + timedelta(days=1), time(0), NEW_YORK)
    after = await position_at(store, midnight - INSTANT)
    up_to = await position_at(store, next_midnight - INSTANT)
    if after == up_to:
        raise CannotAnswer(f"the log has no event of {day}; `replay timeline` lists what there is")
    return after, up_to
