"""What the live page shows is what the log says, and it survives a dead Redis."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.archived_log import ArchivedLog
from api.desk_tables import DeskTables
from api.log_pages import LogPages
from domain.events.approvals import ApprovalDecided, ApprovalRequested
from domain.events.controls import TradingHalted, TradingState, TradingStateChanged
from domain.events.feed_health import (
    FeedGapClosed,
    FeedGapOpened,
    FeedStale,
    FeedStateChanged,
)
from domain.events.positions import (
    ExitReason,
    LegPosition,
    PnlExplained,
    PositionClosed,
    PositionReopened,
)
from domain.events.publication import DeliveryConfirmed, DeliveryScheduled, Tier, Vendor
from domain.events.system import ClockStarted, ProcessHeartbeat
from domain.instruments import Strategy
from run.api import open_pool
from store.contract import Checkpoint
from tests.store.stepped_clock import refuse

AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)


async def _rows(api: Any, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = await api.get(path, **params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def closed_position(position_id: str) -> PositionClosed:
    return PositionClosed(
        position_id=position_id,
        signal_id=f"signal-{position_id}",
        strategy=Strategy.ZERO_DTE,
        symbol="SPY",
        reason=ExitReason.TARGET,
        units=3,
        entry_price=Decimal("2.10"),
        exit_price=Decimal("3.10"),
        realised_pnl=Decimal("296.10"),
        fees=Decimal("3.90"),
        pnl_over_max_loss=Decimal("0.47"),
        opened_at=AT,
        closed_at=AT,
    )


async def test_a_position_shows_fills_mark_and_result_as_text(api: Any, trade: Any) -> None:
    await api.login()
    await trade(api)
    (row,) = await _rows(api, "/positions")
    assert (row["units"], row["entry_price"], row["mark"]) == (3, "2.10", "2.35")
    assert (row["realised_pnl"], row["unrealised_pnl"]) == ("-1.95", "75.00")
    assert row["structure"] == ["+1 SPY 2026-10-06 670C"]
    assert row["max_loss_usd"] == "631.95" and row["state"] == "open"
    total = (await api.get("/pnl")).json()["total"]
    assert (total["total"], total["open"], total["without_mark"]) == ("73.05", 1, 0)


async def test_a_closed_position_goes_below_the_open_ones_and_counts_for_its_day(
    api: Any, trade: Any
) -> None:
    await api.login()
    clock = ClockStarted(base_market_time=AT, speed=1.0, session_date=AT.date())
    await api.append(clock, "clock")
    await trade(api, "p-1")
    await trade(api, "p-2")
    await api.append(closed_position("p-2"), "position/p-2", "closed")
    rows = await _rows(api, "/positions")
    assert [(row["position_id"], row["state"]) for row in rows] == [
        ("p-1", "open"),
        ("p-2", "closed"),
    ]
    assert [row["position_id"] for row in await _rows(api, "/positions", open="true")] == ["p-1"]
    assert (await api.get("/pnl")).json()["total"]["total"] == "369.15"


async def test_a_result_is_shown_by_strategy_signal_and_greek(api: Any, trade: Any) -> None:
    await api.login()
    for number, position_id in enumerate(("p-1", "p-2"), 1):
        await trade(api, position_id)
        told = PnlExplained(
            position_id=position_id,
            delta_pnl=60.0 * number,
            gamma_pnl=12.5,
            vega_pnl=-3.25,
            theta_pnl=-8.0,
            slippage=-1.5,
            residual=0.004,
            fees=1.95,
            total=73.05,
            is_final=False,
        )
        await api.append(told, f"explained/{position_id}")
    answer = (await api.get("/pnl")).json()
    (strategy,) = answer["strategies"]
    assert strategy["explained"] == answer["total"]["explained"]
    assert answer["total"]["explained"] == {
        "delta_pnl": "180.00",
        "gamma_pnl": "25.00",
        "vega_pnl": "-6.50",
        "theta_pnl": "-16.00",
        "slippage": "-3.00",
        "residual": "0.00",
        "positions": 2,
    }
    assert [(s["signal_id"], s["explained"]["delta_pnl"]) for s in answer["signals"]] == [
        ("signal-p-1", "60.00"),
        ("signal-p-2", "120.00"),
    ]


async def test_a_late_fill_brings_a_closed_position_back_among_the_open(
    api: Any, trade: Any
) -> None:
    await api.login()
    await trade(api, "p-1")
    await api.append(closed_position("p-1"), "position/p-1", "closed")
    assert await _rows(api, "/positions", open="true") == []
    reopened = PositionReopened(
        position_id="p-1",
        strategy=Strategy.ZERO_DTE,
        fill_id="late",
        legs=(LegPosition(con_id=11, quantity=1),),
        units=1,
        reopened_at=AT,
        closed_pnl=Decimal("296.10"),
    )
    await api.append(reopened, "position/p-1", "reopened")
    (row,) = await _rows(api, "/positions", open="true")
    assert (row["state"], row["units"], row["closed_at"]) == ("open", 1, None)


async def test_approvals_and_deliveries_show_what_became_of_them(api: Any) -> None:
    await api.login()
    asked = ApprovalRequested(
        approval_id="ap-1",
        kind="post",
        subject_id="p-1",
        revision=1,
        text="SPY call opened",
        targets=("x",),
        expires_at=AT,
    )
    first = await api.append(asked, "approval/ap-1", 1)
    assert [row["state"] for row in await _rows(api, "/approvals")] == ["waiting"]
    decided = ApprovalDecided(
        approval_id="ap-1", revision=1, approved=True, who="ann", callback_id="c"
    )
    await api.append(decided, "approval/ap-1", 2, first)
    (row,) = await _rows(api, "/approvals")
    assert (row["state"], row["who"], row["text"]) == ("approved", "ann", "SPY call opened")

    scheduled = DeliveryScheduled(
        delivery_id="d-1",
        source_event_id="e",
        kind="entry",
        vendor=Vendor.DISCORD,
        channel="premium",
        tier=Tier.PREMIUM,
        public_id="T-1",
        trade_id="p-1",
        title="Opened",
        body="SPY call",
        fields={},
        due_at=AT,
        event_at=AT,
        reply_to="",
        policy_version=1,
    )
    first = await api.append(scheduled, "delivery/d-1", 1)
    confirmed = DeliveryConfirmed(delivery_id="d-1", remote_id="99", remote_at=AT, via="response")
    await api.append(confirmed, "delivery/d-1", 2, first)
    (row,) = await _rows(api, "/publications")
    assert (row["state"], row["remote_id"], row["tier"]) == ("confirmed", "99", "premium")


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


@pytest.mark.parametrize("api_redis", ["redis://127.0.0.1:1"], indirect=True)
async def test_the_page_works_when_redis_is_away(api: Any, trade: Any) -> None:
    await api.login()
    await trade(api)
    health = (await api.get("/health")).json()
    assert health["redis"]["status"] == "down" and "redis" in health["overall"]["not_up"]
    assert len(await _rows(api, "/positions")) == 1
    assert (await api.control("/halt")).status_code == 202


async def test_tables_begun_on_an_empty_log_miss_nothing_that_comes_meanwhile(
    api: Any, trade: Any, database_url: str, tmp_path: Path
) -> None:
    """A desk that starts for the first time: the page folds while the first events are written."""

    class Interrupted(LogPages):
        async def _days(self, head: int) -> Any:
            days = await super()._days(head)
            await trade(api)
            return days

    pool = await open_pool(database_url)
    pages = Interrupted(pool, ArchivedLog(pool, tmp_path), time.monotonic)
    tables = DeskTables(api.store, pages, lambda: datetime.now(UTC), 4)
    fold = await tables.fold()
    await pool.close()
    assert list(fold.positions) == ["p-1"]


async def test_metrics_count_requests_by_route(api: Any) -> None:
    await api.get("/session")
    text = (await api.client.get("/metrics")).text
    assert 'striketape_api_requests_total{route="/api/v1/session",status="401"}' in text


async def test_the_built_page_is_served_with_long_lived_assets(api: Any) -> None:
    missing = await api.client.get("/")
    assert missing.status_code == 503 and "make ui" in missing.text
    (api.dist / "assets").mkdir(parents=True)
    (api.dist / "index.html").write_text("<!doctype html><title>desk</title>")
    (api.dist / "assets" / "main-abc123.js").write_text("1")
    (api.dist.parent / "secret.txt").write_text("secret")
    view = await api.client.get("/timeline?type=TradingHalted")
    assert view.status_code == 200 and "desk" in view.text
    assert view.headers["cache-control"] == "no-cache"
    asset = await api.client.get("/assets/main-abc123.js")
    assert "immutable" in asset.headers["cache-control"]
    assert asset.headers["content-type"].startswith("text/javascript")
    for path in ("/assets/none.js", "/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt"):
        assert (await api.client.get(path)).status_code == 404, path
