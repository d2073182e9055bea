"""A channel that brings far more or fewer messages than usual is told once, and not at the bell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from domain.event import Proposed, derived_id
from domain.events.feed_health import FeedRateChanged
from domain.events.feeds import UwPriceReceived
from domain.phase import Phase
from run.feeds.intake import Intake
from run.feeds.rates import MINUTES_LEARNT, Rates

AT = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)


class Session:
    """Minutes of one channel's messages, in a phase that can be changed."""

    def __init__(self, intake: Intake) -> None:
        self.phase = Phase.REGULAR
        self._intake = intake
        self._rates = Rates(intake, lambda: self.phase)
        self._minute = 0

    def minute(self, messages: int, channel: str = "price:SPY") -> None:
        start = AT + timedelta(minutes=self._minute)
        for number in range(messages):
            self._put(channel, start + number * timedelta(seconds=59) / messages)
        self._minute += 1
        self._put("news", start + timedelta(seconds=59))

    def _put(self, channel: str, at: datetime) -> None:
        body = UwPriceReceived(
            channel=channel,
            connection="c",
            sequence=1,
            received_at=at,
            payload=msgspec.Raw(b"{}"),
        )
        identity = derived_id(channel, at.isoformat())
        event = Proposed(f"uw/{channel}", identity, at, identity, "feeds", "build", body)
        self._rates.heard("uw.socket", event)

    @property
    def told(self) -> list[FeedRateChanged]:
        queued = [event.body for _, event in self._intake._queue]
        return [body for body in queued if isinstance(body, FeedRateChanged)]


def test_a_rate_out_of_its_band_is_told_after_two_minutes_and_once(intake: Intake) -> None:
    session = Session(intake)
    for _ in range(MINUTES_LEARNT + 3):
        session.minute(100)
    session.minute(600)
    session.minute(100)
    assert session.told == []  # one minute says nothing
    for _ in range(5):
        session.minute(600)
    [told] = session.told
    assert (told.channel, told.phase, told.messages_per_minute) == ("price:SPY", "regular", 600.0)
    assert (told.usual_min, told.usual_max) == (20.0, 500.0)
    for messages in (100, 100, 10, 10, 10):
        session.minute(messages)
    assert [body.messages_per_minute for body in session.told] == [600.0, 10.0]


def test_nothing_is_told_while_it_learns_nor_when_the_phase_changes(intake: Intake) -> None:
    session = Session(intake)
    for messages in (1, 500, 2, 700) * 5:
        session.minute(messages)
    for _ in range(2 * MINUTES_LEARNT):
        session.minute(100)
    session.phase = Phase.AFTER
    for _ in range(MINUTES_LEARNT):
        session.minute(2)
    assert session.told == []
    session.minute(5)
    session.minute(5)
    assert session.told == []  # too few to say anything
