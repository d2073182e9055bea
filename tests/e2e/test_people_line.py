"""From a fill to the readers: tiers, approval, posts and a report, through the real clients."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.people_sandbox.process import PeopleSandbox
from domain.distribution.deliveries import LATE
from domain.event import derived_id
from domain.events.controls import AlertRaised, ControlRefused
from domain.events.publication import DeliveryConfirmed, DeliveryScheduled
from domain.events.system import PlannedDay, SessionPlanned
from run.outbox import RETRY_AFTER_SECONDS_MAX, pause
from tests.domain.distribution.story import changed, closed, validated
from tests.domain.distribution.story import opened as position_opened
from tests.e2e.people_desk import Desk, opened, running

CORRELATION = derived_id("signal", "sig-1")


async def tell_entry(desk: Desk) -> None:
    signal = validated()
    for body in (signal, position_opened(signal), changed()):
        await desk.trader.record("position/pos-1", body, correlation_id=CORRELATION)


async def test_a_trade_reaches_every_tier_once_never_early_and_posts_after_approval(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk, running(desk):
        await tell_entry(desk)
        await desk.wait_for("DeliveryConfirmed", 1)
        await desk.trader.record("position/pos-1", closed(), correlation_id=CORRELATION)
        prompted = (await desk.wait_for("ApprovalPrompted"))[0].body
        telegram = desk.sandbox.sandboxes["telegram"]
        telegram.press(prompted.message_id, "approve", desk.settings.telegram_allowed_users[0])
        confirmed = await desk.wait_for("DeliveryConfirmed", 8)
        scheduled = {
            e.body.delivery_id: e.body
            for e in await desk.wait_for("DeliveryScheduled", 8)
            if isinstance(e.body, DeliveryScheduled)
        }
    assert len(desk.ledger("discord")) == 6
    assert len(desk.ledger("x")) == 1
    assert len(desk.ledger("reddit")) == 1
    remote = {
        e.body.remote_id: scheduled[e.body.delivery_id]
        for e in confirmed
        if isinstance(e.body, DeliveryConfirmed)
    }
    for line in desk.ledger("discord"):
        due = remote[line["remote_id"]].due_at
        assert datetime.fromisoformat(line["market_at"]) >= due
    assert {e.correlation_id for e in confirmed} == {CORRELATION}


async def test_a_message_whose_answer_was_lost_is_found_and_not_sent_twice(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk:
        desk.sandbox.world.faults.add(
            {
                "match": {"vendor": "discord", "method": "POST", "path": "/messages$", "times": 1},
                "action": {"kind": "commit_then_drop"},
            }
        )
        async with running(desk):
            await tell_entry(desk)
            confirmed = await desk.wait_for("DeliveryConfirmed", 1)
    assert confirmed[0].body.via == "reconcile"
    premium = str(desk.settings.discord_channel_premium)
    assert [line["channel"] for line in desk.ledger("discord")].count(premium) == 1


async def test_a_vendor_that_starts_again_gets_its_message_late_and_once(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk:
        ports = desk.sandbox.ports
        await desk.sandbox.__aexit__()
        async with running(desk):
            await tell_entry(desk)
            await desk.wait_for("DeliveryRejected", 1)
            async with PeopleSandbox(time.time, ports=ports) as again:
                # Both tiers are due by now, and either may be tried again first.
                await desk.wait_for("DeliveryConfirmed", 2)
                premium = str(desk.settings.discord_channel_premium)
                sent = [line["channel"] for line in again.world.ledger.effects("discord")]
                assert sent.count(premium) == 1


def test_pauses_grow_so_that_half_a_minute_passes_before_a_delivery_is_given_up() -> None:
    attempts = 5
    assert sum(pause(n) for n in range(1, attempts + 1)) > 30
    assert pause(1) == 1.0
    assert pause(50) == RETRY_AFTER_SECONDS_MAX


async def test_an_outbox_that_was_killed_goes_on_and_repeats_nothing(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk:
        async with running(desk):
            await tell_entry(desk)
            await desk.wait_for("DeliveryAttempted", 1)
        async with running(desk):
            await desk.wait_for("DeliveryConfirmed", 2)
        premium = str(desk.settings.discord_channel_premium)
        assert [line["channel"] for line in desk.ledger("discord")].count(premium) == 1


async def test_a_stale_entry_is_not_published_by_an_outbox_that_was_down(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk:
        await tell_entry(desk)
        async with running(desk, ahead=timedelta(hours=1)):
            expired = await desk.wait_for("DeliveryExpired", 1)
        assert expired[0].body.reason == LATE
        assert desk.ledger("discord") == []


async def test_what_an_outbox_sends_while_it_catches_up_is_not_asked_for_again(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk:
        await tell_entry(desk)
        async with running(desk):
            await desk.wait_for("DeliveryConfirmed", 2)
        kinds = {event.type for event in await store.read(0)}
        assert "DeliveryReconciling" not in kinds
        assert "DeliveryUnknown" not in kinds


async def test_the_close_is_reported_after_approval_with_figures_from_the_log_alone(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk, running(desk):
        now = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
        day = PlannedDay(
            session_date=now.date(),
            open_at=now - timedelta(hours=6, minutes=30),
            close_at=now,
            options_close_at=now + timedelta(minutes=15),
            is_half_day=False,
        )
        plan = SessionPlanned(day=day, earlier=(), later=(), library="test")
        await desk.trader.record("session", plan)
        prompted = (await desk.wait_for("ApprovalPrompted"))[0].body
        telegram = desk.sandbox.sandboxes["telegram"]
        telegram.press(prompted.message_id, "approve", desk.settings.telegram_allowed_users[0])
        await desk.wait_for("DeliveryConfirmed", 1)
        drafts = await desk.wait_for("DraftReceived")
    assert len(drafts) == 1
    message = desk.ledger("discord")[0]["content"]
    assert "{{" not in str(message)
    assert "New York" in str(message)


async def test_a_stranger_presses_in_vain(store: Any, database_url: str, redis_url: str) -> None:
    async with opened(store, database_url, redis_url) as desk, running(desk):
        await tell_entry(desk)
        await desk.trader.record("position/pos-1", closed(), correlation_id=CORRELATION)
        prompted = (await desk.wait_for("ApprovalPrompted"))[0].body
        telegram = desk.sandbox.sandboxes["telegram"]
        telegram.press(prompted.message_id, "approve", 666)
        await desk.wait_for("TelegramRefused")
        await asyncio.sleep(0)
    decided = [e for e in await store.read(0) if e.type == "ApprovalDecided"]
    assert decided == []


def answers(desk: Desk) -> list[str]:
    messages = [line for line in desk.ledger("telegram") if line["kind"] == "message"]
    return [line["content"]["text"] for line in messages]


async def answered(desk: Desk, count: int) -> list[str]:
    async with asyncio.timeout(10):
        while len(answers(desk)) < count:
            await asyncio.sleep(0.01)
    return answers(desk)


async def test_a_command_is_told_what_became_of_it_and_a_mistyped_one_how_it_is_said(
    store: Any, database_url: str, redis_url: str
) -> None:
    """The trader is played: it refuses the halt, with what to do."""
    async with opened(store, database_url, redis_url) as desk, running(desk):
        operator = desk.settings.telegram_allowed_users[0]
        telegram = desk.sandbox.sandboxes["telegram"]
        telegram.write("/stop P00000000000000aa", operator, None)
        (usage,) = await answered(desk, 1)
        telegram.write("/halt quotes < normal", operator, None)
        asked = (await desk.wait_for("HaltRequested"))[0]
        refused = ControlRefused(
            request_id=str(asked.event_id), who="operator", reason="not now: ask again < 1 s"
        )
        await desk.trader.record("control", refused, causation_id=asked.event_id)
        _, outcome = await answered(desk, 2)
        telegram.write("/halt as a stranger", 666, None)
        await desk.wait_for("TelegramRefused")
    assert "Nothing was done. /stop POSITION PRICE REASON" in usage
    assert outcome == "<b>SANDBOX</b> Refused: not now: ask again &lt; 1 s"
    assert len(answers(desk)) == 2


async def test_a_critical_alert_is_paged_once_with_the_mode_and_found_in_no_public_channel(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk, running(desk):
        for alert_id, severity in (("a-1", "critical"), ("a-1", "critical"), ("a-2", "warning")):
            alert = AlertRaised(
                alert_id=alert_id, severity=severity, code="TRADER_KILLED", text="no beat <5 s>"
            )
            await desk.trader.record("alerts/watchdog", alert)
        confirmed = await desk.wait_for("DeliveryConfirmed")
        (page,) = await answered(desk, 1)
    assert page.startswith("<b>SANDBOX</b> <b>critical: TRADER_KILLED</b>\nno beat &lt;5 s&gt;")
    assert len(confirmed) == 1
    assert desk.ledger("discord") == desk.ledger("x") == []


async def test_a_page_whose_answer_was_lost_comes_again(
    store: Any, database_url: str, redis_url: str
) -> None:
    """A bot cannot read back what it sent, and a page that never comes is worse than two."""
    async with opened(store, database_url, redis_url) as desk:
        desk.sandbox.world.faults.add(
            {
                "match": {"vendor": "telegram", "path": "/sendMessage$", "times": 1},
                "action": {"kind": "commit_then_drop"},
            }
        )
        async with running(desk):
            alert = AlertRaised(alert_id="a", severity="critical", code="EXIT_LOST", text="exit")
            await desk.trader.record("alert/orders", alert)
            await desk.wait_for("DeliveryConfirmed")
    assert len(answers(desk)) == 2


async def test_a_refusal_for_good_says_what_to_do_and_an_approval_nobody_saw_is_an_alert(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk:
        settings = {"discord_channel_premium": 1, "telegram_chat_id": 1}
        desk.settings = desk.settings.model_copy(update=settings)
        async with running(desk):
            await tell_entry(desk)
            rejected = (await desk.wait_for("DeliveryRejected"))[0].body
            await desk.trader.record("position/pos-1", closed(), correlation_id=CORRELATION)
            alert = (await desk.wait_for("AlertRaised"))[0].body
    assert rejected.permanent
    assert "check the STRIKETAPE_DISCORD_CHANNEL_ of the tier" in rejected.text
    assert alert.code == "APPROVAL_NOT_ASKED" and "STRIKETAPE_TELEGRAM_CHAT_ID" in alert.text
