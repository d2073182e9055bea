"""Silence by session phase: half days, holidays, and the weeks in which the clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from adapters.calendar import plan_session
from domain.events.feed_health import FeedFresh, FeedStale
from domain.payloads.unusual_whales.channel_table import silence_limit
from domain.phase import Phase, phase_at
from domain.session import NEW_YORK
from run.feeds.staleness import Staleness

SECOND = timedelta(seconds=1)
AT = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
WATCHED = ("option_trades:SPY", "market_tide", "price:SPY", "gex:SPY", "news", "trading_halts")


def silent_day(day: date) -> list[tuple[str, str, str]]:
    """A day on which all channels are joined at midnight and none ever speaks."""
    plan = plan_session(date(2026, 3, 6) if day.month == 3 else date(2026, 11, 6))
    staleness = Staleness("uw.socket", silence_limit)
    at = datetime.combine(day, time(), NEW_YORK).astimezone(UTC)
    end = datetime.combine(day, time(22), NEW_YORK).astimezone(UTC)
    for channel in WATCHED:
        staleness.join(channel, at)
    found = []
    while at < end:
        for change in staleness.look(at, phase_at(plan, at)):
            kind = change.phase if isinstance(change, FeedStale) else "fresh"
            found.append((change.channel, kind, f"{at.astimezone(NEW_YORK):%H:%M:%S}"))
        at += 10 * SECOND
    return found


@pytest.mark.parametrize(
    "day", [date(2026, 3, 6), date(2026, 3, 9), date(2026, 10, 30), date(2026, 11, 2)]
)
def test_a_day_of_silence_is_told_at_the_same_new_york_times_on_both_sides_of_a_change(
    day: date,
) -> None:
    assert silent_day(day) == [
        ("news", "closed", "01:00:10"),
        ("price:SPY", "pre", "04:10:10"),
        ("option_trades:SPY", "regular", "09:30:20"),
        ("market_tide", "regular", "09:30:40"),
        ("gex:SPY", "regular", "09:32:10"),
        ("gex:SPY", "fresh", "16:00:00"),
        ("option_trades:SPY", "fresh", "16:15:00"),
        ("market_tide", "fresh", "16:15:00"),
        ("price:SPY", "fresh", "20:00:00"),
    ]


def test_a_half_day_ends_early() -> None:
    assert silent_day(date(2026, 11, 27))[-4:] == [
        ("gex:SPY", "fresh", "13:00:00"),
        ("option_trades:SPY", "fresh", "13:15:00"),
        ("market_tide", "fresh", "13:15:00"),
        ("price:SPY", "fresh", "17:00:00"),
    ]


@pytest.mark.parametrize("day", [date(2026, 11, 26), date(2026, 3, 8), date(2026, 11, 1)])
def test_on_holidays_and_sundays_only_news_may_be_too_silent(day: date) -> None:
    """Also on the two Sundays with a day of 23 and of 25 hours."""
    assert {channel for channel, _, _ in silent_day(day)} == {"news"}


def test_silence_is_counted_from_the_last_datum_the_join_or_the_phase_whichever_is_latest() -> None:
    staleness = Staleness("uw.socket", silence_limit)
    staleness.look(AT, Phase.PRE)
    staleness.hear("market_tide", AT)
    staleness.join("market_tide", AT + 60 * SECOND)
    assert staleness.look(AT + 90 * SECOND, Phase.REGULAR) == []
    assert staleness.look(AT + 120 * SECOND, Phase.REGULAR) == []
    (stale,) = staleness.look(AT + 121 * SECOND, Phase.REGULAR)
    assert isinstance(stale, FeedStale)
    assert (stale.last_at, stale.limit_seconds) == (AT, 30)
    assert staleness.look(AT + 200 * SECOND, Phase.REGULAR) == []
    fresh = staleness.hear("market_tide", AT + 201 * SECOND)
    assert fresh == FeedFresh(feed="uw.socket", channel="market_tide", silent_seconds=201)
    assert staleness.hear("market_tide", AT + 202 * SECOND) is None


def test_nothing_is_due_without_a_connection_nor_while_nothing_can_be_said() -> None:
    staleness = Staleness("uw.socket", silence_limit)
    staleness.join("market_tide", AT)
    assert staleness.look(AT, None) == staleness.look(AT + 60 * SECOND, None) == []
    assert staleness.look(AT + 70 * SECOND, Phase.REGULAR) == []
    staleness.leave()
    assert staleness.look(AT + 200 * SECOND, Phase.REGULAR) == []
    assert staleness.stale == frozenset()
