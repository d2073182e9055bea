"""Jobs that look at the real market: the broker's restart and the report of the day's ingestion."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.distribution.ingestion_text import ingestion_text
from domain.distribution.pages import PageStage
from domain.event import Body, Recorded, event_type
from domain.events.controls import AlertRaised
from domain.events.feed_health import (
    FeedDriftSeen,
    FeedGapClosed,
    FeedGapOpened,
    FeedMinuteCounted,
    FeedStateChanged,
    FeedStreamSilent,
    FeedStreamVerified,
    IngestionReported,
)
from domain.events.publication import DeliveryScheduled, Vendor
from domain.events.rates import FeedRatesSummed
from domain.events.system import ClockStarted
from domain.session import NEW_YORK
from domain.stage import Consumer
from run.keeper.handshake import Verdict, judge, verify_restart
from run.keeper.ingestion import (
    HalfHours,
    IngestionCount,
    Window,
    report_ingestion,
    weighted_p99,
)
from run.keeper.jobs import jobs_for
from run.keeper.rounds import Keeper
from run.keeper.runner import Jobs, Work, sessions_around
from run.keeper.schedule import Due
from run.service import Process
from store.postgres import PostgresStore
from tests.domain.distribution.story import Story
from tests.on_the_log import bodies
from tests.store.propose import halt

NIGHT = datetime(2026, 11, 27, 23, 55, tzinfo=NEW_YORK).astimezone(UTC)
FEED = "ib.data"


def recorded(*told: tuple[float, Body]) -> list[Recorded]:
    """Events with the minutes from NIGHT on at which they were recorded."""
    some = halt("x").event_id
    return [
        Recorded(
            position=position,
            stream=f"feed/{FEED}",
            version=position,
            type=event_type(body),
            schema=1,
            event_id=some,
            occurred_at=NIGHT + timedelta(minutes=minutes),
            recorded_at=NIGHT + timedelta(minutes=minutes),
            market_time=NIGHT,
            causation_id=None,
            correlation_id=some,
            worker="feeds",
            build="b",
            input_position=None,
            ordinal=0,
            body=body,
        )
        for position, (minutes, body) in enumerate(told, 1)
    ]


def state(name: str, reason: str = "") -> FeedStateChanged:
    return FeedStateChanged(feed=FEED, state=name, reason=reason, connection="c")


def verified(channel: str) -> FeedStreamVerified:
    return FeedStreamVerified(feed=FEED, channel=channel, connection="c", seconds=1)


def silent(channel: str) -> FeedStreamSilent:
    return FeedStreamSilent(feed=FEED, channel=channel, connection="c", seconds=31)


RESTARTING, BACK = (-10.0, state("restarting")), (-8.0, state("connected"))


@pytest.mark.parametrize(
    ("told", "severity", "text"),
    [
        ([], "critical", "has never said how it is"),
        ([(-300, state("ready"))], "", "did not restart"),
        ([(-300, state("ready")), RESTARTING], "critical", "is not back from its restart"),
        ([RESTARTING, (-4, state("logged_out", "dialog"))], "critical", "logged_out: dialog"),
        ([RESTARTING, BACK, (-7, verified("ticks SPY 1"))], "", "back with 1 lines"),
        ([RESTARTING, BACK], "warning", "no line of it has answered"),
        (
            [RESTARTING, BACK, (-7, verified("ticks SPY 1")), (-7, silent("ticks QQQ 2"))],
            "warning",
            "1 of its lines are silent: ticks QQQ 2",
        ),
        (
            [RESTARTING, BACK, (-7, silent("ticks SPY 1")), (-6, verified("ticks SPY 1"))],
            "",
            "back with 1 lines",
        ),
        (
            [(-11, verified("ticks SPY 1")), RESTARTING, BACK],
            "warning",
            "no line of it has answered",
        ),
        ([RESTARTING, (1, state("connected"))], "critical", "is not back from its restart"),
        ([RESTARTING, (-5, state("paused", "ann: off"))], "", "the feed is paused: ann: off"),
    ],
    ids=str,
)
def test_the_restart_is_over_when_tws_and_each_of_its_lines_are_back(
    told: Sequence[tuple[float, Body]], severity: str, text: str
) -> None:
    found = judge(recorded(*told), NIGHT)
    assert found == Verdict(severity, found.text)
    assert text in found.text


# The report.

HALF_DAY = date(2026, 11, 27)
WINDOW = Window(NIGHT - timedelta(hours=24), NIGHT)


def minute(
    at: datetime, messages: int, channel: str = "price:SPY", delay: float | None = None
) -> FeedMinuteCounted:
    return FeedMinuteCounted(
        feed="uw.socket",
        channel=channel,
        minute=at,
        messages=messages,
        bytes=10 * messages,
        rejected=1,
        repeated=2,
        lost=3,
        delay_ms_p99=delay,
    )


def opened(since: datetime) -> FeedGapOpened:
    return FeedGapOpened(feed="uw.socket", since=since, cause="lost", channel="price:SPY")


def closed(since: datetime, until: datetime) -> FeedGapClosed:
    return FeedGapClosed(
        feed="uw.socket", since=since, until=until, cause="lost", channel="price:SPY"
    )


def drift() -> FeedDriftSeen:
    return FeedDriftSeen(
        feed="uw.socket",
        channel="price:SPY",
        kind="new_field",
        field="x",
        detail="text",
        sample_event_id="e",
    )


def test_a_report_counts_what_is_of_its_window_and_no_more() -> None:
    """Gaps are cut at its ends; one that is open still lasts to its end."""
    since, until, hour = WINDOW.since, WINDOW.until, timedelta(hours=1)
    long_ago = since - 5 * hour
    count = IngestionCount(WINDOW)
    for event in recorded(
        (-1, minute(since, 10, delay=5.0)),
        (-1, minute(until - hour, 90, delay=7.0)),
        (-1, minute(until, 1_000)),
        (-1, minute(since - hour, 1_000)),
        (-1, drift()),
        (-60 * 25, drift()),
        (-1, closed(long_ago, since + hour)),
        (-1, opened(since + 2 * hour)),
        (-1, closed(since + 2 * hour, since + 3 * hour)),
        (-1, opened(until - hour)),
        (-1, closed(long_ago - hour, long_ago)),
    ):
        count.add(event)
    (found,) = count.report()
    assert (found.messages, found.bytes, found.rejected) == (100, 1_000, 2)
    assert (found.repeated, found.lost, found.drifts) == (4, 6, 1)
    assert (found.gaps, found.gap_seconds) == (3, 3 * 3_600)
    assert found.delay_ms_p99 == 7.0


def test_half_hours_are_medians_in_which_silent_minutes_count() -> None:
    """Minutes outside the session do not count; half days come with the plan."""
    (day,) = [d for d in sessions_around(HALF_DAY) if d.session_date == HALF_DAY]
    assert day.is_half_day
    half_hours = HalfHours(day)
    for number in range(20):
        half_hours.add(minute(day.open_at + timedelta(minutes=number), 100))
        half_hours.add(minute(day.open_at + timedelta(minutes=30 + number % 5 + number), 7))
    last = day.close_at - timedelta(minutes=1)
    for at in (last, day.close_at, day.open_at - timedelta(minutes=1)):
        half_hours.add(minute(at, 50))
    found = {rate.half_hour: rate.messages_per_minute for rate in half_hours.rates()}
    assert found == {0: 100, 1: 7, 6: 0}


def test_one_slow_minute_with_few_messages_does_not_speak_for_the_day() -> None:
    assert weighted_p99([]) is None
    assert weighted_p99([(5.0, 995), (900.0, 5)]) == 5.0
    assert weighted_p99([(5.0, 950), (900.0, 50)]) == 900.0


def work_at(process: Process, due: Due) -> Work:
    sessions = sessions_around(due.session_date)
    return Work(process, Keeper(process).alert, due, due.due_at, sessions)


async def test_the_report_is_an_event_once_a_session_whoever_asks_again(
    store: PostgresStore, process: Process
) -> None:
    """More minutes than a page holds are read, and those of another session are not."""
    now = datetime.now(UTC)
    due = Due(now, now.astimezone(NEW_YORK).date())
    recorder = process.recorder
    minutes = [minute(now - timedelta(minutes=1), 1, f"price:{n}") for n in range(2_100)]
    minutes.append(minute(now - timedelta(days=9), 1_000))
    proposed = [recorder.propose("feed-minutes/uw.socket", one) for one in minutes]
    await recorder.append(proposed[:1_000])
    await recorder.append(proposed[1_000:])
    outcome = await report_ingestion(work_at(process, due))
    assert outcome.detail == "2100 messages on 2100 channels"
    await recorder.record("feed-minutes/uw.socket", minute(now - timedelta(minutes=2), 5))
    await report_ingestion(work_at(process, due))
    (report,) = await bodies(store, IngestionReported)
    assert isinstance(report, IngestionReported)
    assert (report.session_date, len(report.channels)) == (due.session_date, 2_100)


async def test_a_restart_that_nobody_watched_is_an_alert(
    store: PostgresStore, process: Process
) -> None:
    due = Due(NIGHT, date(2026, 11, 27))
    assert (await verify_restart(work_at(process, due))).outcome == "failed"
    (alert,) = await bodies(store, AlertRaised)
    assert isinstance(alert, AlertRaised)
    assert (alert.severity, alert.code) == ("critical", "RESTART_NOT_VERIFIED")


async def test_the_sandbox_looks_and_reports_after_the_close_of_its_own_market(
    store: PostgresStore, process: Process
) -> None:
    """Once a simulated session, of its own real minutes, however fast its day went by."""
    keeper, duties = Keeper(process), [job for job in jobs_for("sandbox") if job.by_market_time]
    assert [job.name for job in duties] == ["restart", "ingestion"]
    recorder, now = process.recorder, datetime.now(UTC)
    jobs = Jobs(process, keeper.alert, duties)

    async def at(day: date, hour: int, minutes: int) -> set[str]:
        """What is done at a time of the market, in New York."""
        moment = datetime(day.year, day.month, day.day, hour, minutes, tzinfo=NEW_YORK)
        clock = ClockStarted(base_market_time=moment, speed=0.0, session_date=day)
        await recorder.record("clock", clock)
        return {
            job.name
            for job in duties
            if await jobs.catch_up(job, await jobs.finished(job), datetime.max.replace(tzinfo=UTC))
        }

    assert not await jobs.catch_up(duties[0], set(), now), "no market has begun"
    await recorder.record(f"feed/{FEED}", state("ready"))
    monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)
    assert await at(monday, 9, 30) == set()
    await recorder.record("feed-minutes/uw.socket", minute(now, 40))
    assert await at(monday, 16, 2) == {"restart"}
    assert await at(monday, 16, 3) == {"ingestion"}
    assert await at(monday, 16, 10) == set()
    assert await at(tuesday, 9, 30) == set()
    assert await at(tuesday, 16, 5) == {"restart", "ingestion"}
    reports = await bodies(store, IngestionReported)
    days = [body.session_date for body in reports if isinstance(body, IngestionReported)]
    assert days == [monday, tuesday]
    (channel,) = reports[0].channels if isinstance(reports[0], IngestionReported) else ()
    assert channel.messages == 40
    assert await bodies(store, AlertRaised) == []
    assert await bodies(store, FeedRatesSummed) == []


def test_the_report_is_one_message_to_the_operator_of_few_lines() -> None:
    count = IngestionCount(WINDOW)
    for event in recorded(
        *((-1, minute(WINDOW.since, 1_234, f"price:{n}")) for n in range(60)),
        (-1, opened(WINDOW.until - timedelta(minutes=2))),
        (-1, drift()),
    ):
        count.add(event)
    report = IngestionReported(session_date=date(2026, 11, 27), channels=count.report())
    story = Story(Consumer("outbox", "test", [PageStage()]))
    (message,) = story.bodies(DeliveryScheduled, story.tell(report, 0))
    assert (message.vendor, message.kind) == (Vendor.TELEGRAM, "report")
    assert message.title == "Ingestion of 2026-11-27"
    assert message.body.startswith("uw.socket: 74,040 messages (1 MB), 60 rejected,")
    assert "Longest gaps: price:SPY 120 s in 1" in message.body
    assert len(message.body.splitlines()) == 3
    empty = IngestionReported(session_date=date(2026, 11, 27), channels=())
    assert "Nothing was received" in ingestion_text(empty)
