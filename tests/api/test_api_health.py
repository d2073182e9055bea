"""What the page says of the desk itself: feeds, channels, jobs, workers, halts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from api.fold_state import DeskFold
from api.health_feeds import channel_rows
from domain.events.controls import TradingHalted, TradingState, TradingStateChanged
from domain.events.feed_health import (
    ChannelReport,
    EndpointDisabled,
    FeedDriftSeen,
    FeedGapClosed,
    FeedGapOpened,
    FeedRateChanged,
    FeedStale,
    FeedStateChanged,
    FeedStreamSilent,
    FeedStreamVerified,
    IngestionReported,
    RestBudgetPlanned,
)
from domain.events.feeds import UwPriceReceived
from domain.events.jobs import JobScheduled
from domain.events.system import (
    ClockStarted,
    JobFinished,
    JobStarted,
    PlannedDay,
    ProcessHeartbeat,
    SessionPlanned,
)
from store.contract import Checkpoint
from tests.projections.story import with_fields
from tests.store.stepped_clock import refuse

AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)


def a_day(day: date) -> PlannedDay:
    """A session from half past nine to four, New York summer time."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return PlannedDay(
        session_date=day,
        open_at=at + timedelta(hours=13, minutes=30),
        close_at=at + timedelta(hours=20),
        options_close_at=at + timedelta(hours=20, minutes=15),
        is_half_day=False,
    )


async def test_health_names_what_is_not_up(api: Any) -> None:
    await api.login()
    beat = ProcessHeartbeat(
        process="trader", run_id="r", state="running", position=7, figures={"queue_depth": 4.0}
    )
    await api.append(beat, "heartbeat/trader")
    feed = FeedStateChanged(feed="uw.socket", state="ready", reason="", connection="1")
    await api.append(feed, "feed/uw.socket")
    await api.store.append([], Checkpoint("projector", 0, 1))
    health = (await api.get("/health")).json()
    assert health["overall"] == {"status": "up", "not_up": []}
    (process,) = health["processes"]
    assert (process["name"], process["status"], process["age_seconds"] < 6) == (
        "trader",
        "up",
        True,
    )
    assert health["queues"]["of_processes"] == {"trader": "4"}
    assert health["projections"][0]["lag_events"] == 2
    assert health["redis"]["used_memory_bytes"] > 0 and health["postgres"]["head"] >= 2
    assert health["desk"]["mode"] == "sandbox" and health["halt"]["is_halted"] is False

    await api.append(FeedGapOpened(feed="uw.socket", since=AT, cause="lost"), "feed/uw.socket", 2)
    api.skip(2)
    health = (await api.get("/health")).json()
    assert health["overall"] == {"status": "degraded", "not_up": ["uw.socket"]}


async def test_health_shows_all_gaps_and_channels_that_are_refused_or_silent(api: Any) -> None:
    """What is needed weighs on the status of a feed; what is merely useful is shown."""
    await api.login()
    feed = "uw.socket"
    version = 0

    async def say(body: Any) -> dict[str, Any]:
        nonlocal version
        await api.append(body, f"feed/{feed}", version + 1)
        version += 1
        api.skip(2)
        (row,) = (await api.get("/health")).json()["feeds"]
        return dict(row)

    def gap(kind: type[FeedGapOpened] | type[FeedGapClosed], channel: str) -> Any:
        until = {"until": AT} if kind is FeedGapClosed else {}
        return kind(feed=feed, since=AT, cause="lost", channel=channel, **until)

    await say(FeedStateChanged(feed=feed, state="ready", reason="", connection="1"))
    refused = f"{feed}/custom_alerts"
    row = await say(
        FeedStateChanged(feed=refused, state="refused", reason="no access", connection="1")
    )
    assert row["refused"] == [{"channel": "custom_alerts", "reason": "no access"}]
    assert (row["state"], row["status"]) == ("ready", "up")
    silent = FeedStale(
        feed=feed, channel="interval_flow", phase="regular", last_at=None, limit_seconds=120
    )
    row = await say(silent)
    assert [one["channel"] for one in row["stale"]] == ["interval_flow"]
    assert row["status"] == "up"
    await say(gap(FeedGapOpened, "interval_flow"))
    row = await say(gap(FeedGapOpened, "price:SPY"))
    assert [one["channel"] for one in row["gaps"]] == ["price:SPY", "interval_flow"]
    assert (row["status"], row["gap"]["channel"]) == ("degraded", "price:SPY")
    row = await say(gap(FeedGapClosed, "price:SPY"))
    assert (row["status"], row["gap"], row["gaps_open"]) == ("up", None, 1)
    row = await say(FeedStateChanged(feed=feed, state="slow", reason="late", connection="1"))
    assert (row["status"], len(row["gaps"]), len(row["stale"])) == ("degraded", 1, 1)
    row = await say(FeedStateChanged(feed=feed, state="connected", reason="", connection="2"))
    assert (row["status"], row["stale"], len(row["refused"])) == ("up", [], 1)
    row = await say(FeedStateChanged(feed=refused, state="ready", reason="", connection="2"))
    assert row["refused"] == []


async def test_health_shows_what_changed_in_a_feed_since_when_and_for_how_long(api: Any) -> None:
    """Drift stays until a session has gone by without it; a rate until it is usual again."""
    await api.login()
    feed = "uw.socket"
    version = 0

    async def say(*bodies: Any) -> dict[str, Any]:
        nonlocal version
        for body in bodies:
            version += 1
            await api.append(body, "feed/any", version)
        api.skip(2)
        rows = (await api.get("/health")).json()["feeds"]
        return {row["name"]: row for row in rows}

    def drift(field: str) -> FeedDriftSeen:
        about = {"kind": "new_field", "detail": "text", "sample_event_id": "e-1"}
        return FeedDriftSeen(feed=feed, channel="price:SPY", field=field, **about)

    def rate(count: float) -> FeedRateChanged:
        band = {"messages_per_minute": count, "usual_min": 10.0, "usual_max": 90.0}
        return FeedRateChanged(feed=feed, channel="price:SPY", phase="closed", **band)

    def plan(day: date) -> Any:
        return with_fields(SessionPlanned, day=a_day(day), earlier=(), later=())

    ready = FeedStateChanged(feed=feed, state="ready", reason="", connection="1")
    monday, tuesday, wednesday = (date(2026, 10, day) for day in (5, 6, 7))
    rows = await say(ready, plan(monday), drift("bid_size"), drift("venue"), rate(200.0))
    row = rows[feed]
    assert [(one["field"], one["kind"]) for one in row["drift"]] == [
        ("bid_size", "new_field"),
        ("venue", "new_field"),
    ]
    since = row["drift"][1]["since"]
    assert (row["rates"][0]["channel"], row["rates"][0]["usual_max"]) == ("price:SPY", 90.0)
    assert row["status"] == "up"
    assert (await say(rate(50.0)))[feed]["rates"] == []
    row = (await say(plan(tuesday), drift("venue")))[feed]
    assert len(row["drift"]) == 2, "nobody knows yet whether the other one is gone"
    row = (await say(plan(wednesday)))[feed]
    assert [(one["field"], one["since"]) for one in row["drift"]] == [("venue", since)]

    beat = with_fields(ProcessHeartbeat, process="feeds", figures={"rest_quota_used": 0.25})
    await api.append(beat, "heartbeat/feeds")
    off = {"endpoint": "/api/x", "path": "/api/x", "status": 403, "reason": "not in the plan"}
    rows = await say(
        EndpointDisabled(session_date=wednesday, **off),
        with_fields(RestBudgetPlanned, calls_planned=900, calls_left=14_000, dropped=("/api/y",)),
        FeedStreamSilent(feed="ib.data", channel="ticks SPY 1", connection="1", seconds=31),
        FeedStreamSilent(feed="ib.data", channel="ticks QQQ 2", connection="1", seconds=32),
        FeedStreamVerified(feed="ib.data", channel="ticks QQQ 2", connection="1", seconds=1),
    )
    assert rows["uw.rest"]["disabled"][0]["reason"] == "not in the plan"
    budget = rows["uw.rest"]["budget"]
    assert (budget["calls_left"], budget["quota_used"]) == (14_000, "0.25")
    assert [one["channel"] for one in rows["ib.data"]["silent"]] == ["ticks SPY 1"]
    rows = await say(plan(date(2026, 10, 8)))
    assert (rows["uw.rest"]["disabled"], rows["uw.rest"]["budget"]) == ([], None)


def test_silence_is_seen_without_a_feed_that_says_so_and_not_at_the_bell() -> None:
    """A channel is judged by the limit of a phase once that phase has lasted as long."""
    day = a_day(AT.date())
    fold = DeskFold(plan=with_fields(SessionPlanned, day=day, earlier=(), later=()))
    tail = {"stream": "uw/option_trades:SPY", "age_seconds": 40.0}

    def seen(at: datetime) -> tuple[str, float | None]:
        (row,) = channel_rows(fold, [tail], at)
        return row["reason"], row["limit_seconds"]

    assert seen(day.open_at - timedelta(seconds=1)) == ("", None)
    assert seen(day.open_at + timedelta(seconds=10)) == ("", 15)
    assert seen(day.open_at + timedelta(seconds=16)) == ("silent", 15)
    fold.clock = {"speed": 600.0, "is_thinned": True}
    assert seen(AT) == ("", None), "what leaves data out says nothing of silence"


async def test_health_shows_channels_beside_what_their_phase_allows(api: Any) -> None:
    await api.login()
    day = a_day(AT.date())
    clock = ClockStarted(base_market_time=AT, speed=1.0, session_date=AT.date())
    await api.append(clock, "clock")
    await api.append(with_fields(SessionPlanned, day=day, earlier=(), later=()), "session")
    await api.append(with_fields(UwPriceReceived, channel="price:SPY"), "uw/price:SPY")
    await api.append(with_fields(UwPriceReceived, channel="custom_alerts"), "uw/custom_alerts")

    async def channels() -> dict[str, tuple[str, float | None, str]]:
        health = (await api.get("/health")).json()
        assert health["desk"]["phase"] == "regular"
        return {
            row["channel"]: (row["status"], row["limit_seconds"], row["reason"])
            for row in health["channels"]
        }

    assert await channels() == {
        "price:SPY": ("up", 20, ""),
        "custom_alerts": ("up", None, ""),
    }
    gap = FeedGapOpened(feed="uw.socket", since=AT, cause="connection lost", channel="price:SPY")
    await api.append(gap, "feed/uw.socket")
    api.skip(2)
    assert (await channels())["price:SPY"][2] == "gap: connection lost"


async def test_health_shows_the_keepers_jobs_and_its_newest_report(api: Any) -> None:
    await api.login()
    of_job = {"name": "ingestion", "session_date": AT.date()}
    tomorrow = AT + timedelta(days=1)
    await api.append(JobScheduled(due_at=AT, **of_job), "jobs/ingestion")
    (job,) = (await api.get("/health")).json()["jobs"]
    assert (job["state"], job["next_at"], job["last_at"]) == (
        "waiting",
        "2026-10-06T14:00:00Z",
        None,
    )
    await api.append(JobStarted(due_at=AT, **of_job), "jobs/ingestion", 2)
    ended = JobFinished(due_at=AT, outcome="failed", detail="no room", seconds=2.5, **of_job)
    await api.append(ended, "jobs/ingestion", 3)
    await api.append(JobScheduled(due_at=tomorrow, **of_job), "jobs/ingestion", 4)
    channel = with_fields(
        ChannelReport, messages=10, rejected=1, lost=2, gaps=1, gap_seconds=4.5, drifts=3
    )
    report = IngestionReported(session_date=AT.date(), channels=(channel, channel))
    await api.append(report, "reports/ingestion")
    api.skip(2)
    health = (await api.get("/health")).json()
    (job,) = health["jobs"]
    assert (job["state"], job["last_outcome"], job["detail"]) == ("failed", "failed", "no room")
    assert job["next_at"] == "2026-10-07T14:00:00Z"
    found = health["ingestion"]
    assert (found["messages"], found["rejected"], found["lost"], found["gaps"]) == (20, 2, 4, 2)
    assert (found["gap_seconds"], found["drifts"]) == (9.0, 6)


async def test_health_shows_a_worker_that_stands_before_an_input(api: Any) -> None:
    await api.login()
    beat = ProcessHeartbeat(
        process="trader", run_id="r", state="stopped", position=6, figures={"stopped_at": 7.0}
    )
    await api.append(beat, "heartbeat/trader")
    health = (await api.get("/health")).json()
    (process,) = health["processes"]
    assert (process["state"], process["status"]) == ("stopped before input 7", "down")
    assert health["overall"] == {"status": "down", "not_up": ["trader"]}


async def test_a_refused_clock_is_what_health_names_first_and_what_a_press_is_told(
    api: Any, database_url: str
) -> None:
    """Nothing can be appended, so every other part looks down too."""
    await api.login()
    beat = ProcessHeartbeat(
        process="trader", run_id="r", state="stopped", position=1, figures={"stopped_at": 7.0}
    )
    await api.append(beat, "heartbeat/trader")
    await refuse(database_url)
    health = (await api.get("/health")).json()
    assert health["postgres"]["status"] == "down"
    assert "run.accept_clock --why" in health["postgres"]["reason"]
    assert health["overall"]["not_up"] == ["postgres", "trader"]
    answer = await api.control("/halt")
    assert (answer.status_code, answer.json()["error"]) == (503, "clock_stepped")
    assert "run.accept_clock --why" in answer.json()["remedy"]


async def test_health_names_the_trading_state_and_the_limits_breached(api: Any) -> None:
    await api.login()
    changed = TradingStateChanged(
        state=TradingState.REDUCING,
        previous=TradingState.ACTIVE,
        codes=("LIMIT_TOTAL",),
        reason="LIMIT_TOTAL",
    )
    await api.append(changed, "control")
    halt = (await api.get("/health")).json()["halt"]
    assert (halt["is_halted"], halt["state"]) == (False, "reducing")
    assert halt["codes"] == ["LIMIT_TOTAL"] and halt["state_since"]


async def test_a_halt_from_before_the_history_is_still_shown(api: Any) -> None:
    await api.append(TradingHalted(who="risk", reason="DRAWDOWN: too much"), "control")
    await api.login()
    health = (await api.get("/health")).json()
    assert health["halt"]["is_halted"] and health["halt"]["reason"] == "DRAWDOWN: too much"
