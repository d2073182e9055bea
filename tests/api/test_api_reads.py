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
from domain.events.orders import IntentLapsed, OrderIntended, Purpose, WhatIfAnswered
from domain.events.positions import (
    ExitReason,
    LegPosition,
    PnlExplained,
    PositionClosed,
    PositionOpened,
    PositionReopened,
)
from domain.events.publication import DeliveryConfirmed, DeliveryScheduled, Tier, Vendor
from domain.events.rolls import PositionRolled
from domain.events.signals import SignalRaised, SignalValidated
from domain.events.system import (
    ClockStarted,
)
from domain.instruments import Strategy
from run.api import open_pool
from tests.projections.story import with_fields

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


async def test_a_signal_shows_the_score_that_it_became_valid_with(api: Any) -> None:
    await api.login()
    about: dict[str, Any] = {"signal_id": "s-1", "coverage": 0.86}
    raised = with_fields(SignalRaised, **about, score=0.619, probability=0.577)
    await api.append(raised, "signal/s-1", 1)
    (row,) = await _rows(api, "/signals")
    assert (row["score"], row["probability"], row["coverage"]) == ("0.619", "0.577", "0.86")
    valid = with_fields(SignalValidated, **about, score=0.6252846, probability=0.57753)
    await api.append(valid, "signal/s-1", 2)
    (row,) = await _rows(api, "/signals")
    assert (row["score"], row["probability"], row["state"]) == ("0.625", "0.578", "valid")
    await api.append(with_fields(PositionOpened, signal_id="s-1"), "position/p-1", 1)
    (row,) = await _rows(api, "/signals")
    assert (row["state"], row["is_over"]) == ("traded", True)


async def test_a_question_about_margin_is_no_order_that_works(api: Any) -> None:
    await api.login()
    for ref in ("d-1", "d-2", "d-3"):
        asked = with_fields(OrderIntended, order_ref=ref, purpose=Purpose.WHAT_IF)
        await api.append(asked, f"order/{ref}", 1)
    told = with_fields(
        WhatIfAnswered, order_ref="d-1", initial_change=Decimal("380.00"), warning=""
    )
    await api.append(told, "broker", 1)
    silent = with_fields(
        WhatIfAnswered, order_ref="d-2", initial_change=None, warning="no answer within 2 s"
    )
    await api.append(silent, "broker", 2)
    gone = with_fields(IntentLapsed, order_ref="d-3", request="what_if", reason="no connection")
    await api.append(gone, "sent/d-3", 1)
    rows = {row["order_ref"]: row for row in await _rows(api, "/orders")}
    assert {ref: (row["state"], row["reason"]) for ref, row in rows.items()} == {
        "d-1": ("answered", "initial margin 380.00 USD"),
        "d-2": ("answered", "no answer within 2 s"),
        "d-3": ("lapsed", "no connection"),
    }
    assert await _rows(api, "/orders", open="true") == []


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


async def test_a_rolled_position_shows_its_new_legs_plan_and_loss(api: Any, trade: Any) -> None:
    await api.login()
    opened = await trade(api, "p-1")
    new = opened.structure.legs[0].contract.model_copy(update={"strike": Decimal(777)})
    legs = (opened.structure.legs[0].model_copy(update={"contract": new}),)
    prices = {"stop_price": Decimal("-2.20"), "target_price": Decimal("-0.55")}
    rolled = PositionRolled(
        position_id="p-1",
        roll_id="roll-p-1-1",
        signal_id=opened.signal_id,
        strategy=opened.strategy,
        symbol=opened.symbol,
        structure_before=opened.structure,
        structure=opened.structure.model_copy(update={"legs": legs}),
        units=3,
        fill_ids=("f-2",),
        net_price=Decimal("-0.10"),
        basis_price=Decimal("-1.10"),
        exit_plan=opened.exit_plan.model_copy(update=prices),
        max_loss_per_unit_before_usd=Decimal("210.65"),
        max_loss_per_unit_usd=Decimal("198.40"),
        legs=(),
        rolled_at=AT,
    )
    await api.append(rolled, "position/p-1", "rolled")
    (row,) = await _rows(api, "/positions", open="true")
    assert "777" in row["structure"][0]
    assert (row["stop_price"], row["target_price"]) == ("-2.20", "-0.55")
    assert row["max_loss_usd"] == "595.20"


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
