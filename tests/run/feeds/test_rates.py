"""A channel that brings far more or fewer messages than usual is told once, and not at the bell."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec

from domain.event import Proposed, derived_id
from domain.events.feed_health import FeedRateChanged
from domain.events.feeds import UwPriceReceived
from domain.events.rates import FeedRatesSummed, HalfHourRate
from domain.phase import Phase
from run.feeds.intake import Intake
from run.feeds.rates import MINUTES_LEARNT, RATES_STREAM, Rates, usual_rates
from run.worker import Recorder
from store.postgres import PostgresStore

AT = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)


class Session:
    """Minutes of one channel's messages, in a phase that can be changed."""

    def __init__(self, intake: Intake) -> None:
        self.phase = Phase.REGULAR
        self._intake = intake
        self.half_hour: int | None = None
        self._rates = Rates(intake, lambda: self.phase, lambda: self.half_hour)
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

    def usually(self, messages: float, half_hour: int) -> None:
        self._rates.usual = {("uw.socket", "price:SPY", half_hour): messages}

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
    back = [body.messages_per_minute for body in session.told]
    assert back == [600.0, 100.0, 10.0], "and that it is back inside, once"


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


def test_earlier_sessions_say_what_is_usual_from_the_first_minutes_on(intake: Intake) -> None:
    """A channel that brings as little as never before is told, however long it has done so."""
    session = Session(intake)
    session.usually(100, half_hour=0)
    session.half_hour = 0
    for messages in (90, 10, 10, 10):
        session.minute(messages)
    [told] = session.told
    assert (told.messages_per_minute, told.usual_min, told.usual_max) == (10.0, 20.0, 500.0)
    session.half_hour = 1
    for _ in range(5):
        session.minute(10)
    assert len(session.told) == 1, "nobody knows what is usual in that half hour"


async def test_what_is_usual_is_the_median_of_the_last_sessions_before_this_one(
    store: PostgresStore, recorder: Recorder
) -> None:
    def summed(day: int, news: float, price: float | None) -> FeedRatesSummed:
        seen = {"news": news} | ({} if price is None else {"price:SPY": price})
        rates = tuple(
            HalfHourRate(feed="uw.socket", channel=name, half_hour=2, messages_per_minute=rate)
            for name, rate in seen.items()
        )
        return FeedRatesSummed(session_date=date(2026, 11, day), rates=rates)

    for body in (
        summed(18, 900, 900),
        summed(19, 10, 100),
        summed(20, 20, None),
        summed(23, 30, 300),
        summed(24, 40, None),
        summed(25, 50, None),
        summed(27, 999, 999),
    ):
        await recorder.record(RATES_STREAM, body)
    found = await usual_rates(store, date(2026, 11, 27))
    assert found == {("uw.socket", "news", 2): 30.0}, "two sessions of the price are too few"
    assert await usual_rates(store, date(2026, 11, 20)) == {}
