"""A trade is asked for on Telegram, through both daemons, the real client and the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.telegram.sandbox.server import PressError
from domain.events.approvals import ApprovalPrompted
from domain.events.orders import EntryRefused
from domain.events.system import ParametersChanged
from domain.instruments import Strategy
from domain.risk.parameters import ASK, approval_mode
from domain.risk.trade_approval import TradeApprovalStage
from run.worker import Worker
from tests.domain.distribution.story import validated
from tests.e2e.people_desk import Desk, opened, running


@asynccontextmanager
async def asking(desk: Desk, signal_id: str) -> AsyncIterator[ApprovalPrompted]:
    """A strategy in ask mode whose signal is shown on Telegram."""
    asks = {approval_mode(strategy): ASK for strategy in Strategy}
    change = ParametersChanged(values=asks, version=2, who="ann", why="first week")
    await desk.trader.record("parameters", change)
    worker = Worker("trader", [TradeApprovalStage()], desk.store, "test")
    task = asyncio.create_task(worker.run())
    try:
        async with running(desk):
            until = datetime(2026, 11, 23, 15, 0, tzinfo=UTC) + timedelta(hours=6)
            signal = validated().model_copy(update={"signal_id": signal_id, "valid_until": until})
            await desk.trader.record("signal/s", signal)
            prompted = (await desk.wait_for("ApprovalPrompted"))[0].body
            assert isinstance(prompted, ApprovalPrompted)
            yield prompted
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_press_counts_and_the_second_is_told_so(
    store: Any, database_url: str, redis_url: str
) -> None:
    async with opened(store, database_url, redis_url) as desk, asking(desk, "sig-1") as prompted:
        telegram = desk.sandbox.sandboxes["telegram"]
        operator = desk.settings.telegram_allowed_users[0]
        telegram.press(prompted.message_id, "approve", operator)
        telegram.press(prompted.message_id, "reject", operator)
        answered = await desk.wait_for("ApprovalAnswered", 2)
        approved = await desk.wait_for("TradeApproved")
    texts = [event.body.text for event in answered]
    assert texts[0] == "Approved." and texts[1].startswith("Already approved by")
    assert [event.body.signal_id for event in approved] == ["sig-1"]
    kinds = [event.type for event in await store.read(0)]
    assert kinds.count("ApprovalDecided") == 1
    assert kinds.count("ApprovalPrompted") == 1, "asked once"
    assert "EntryRefused" not in kinds


async def test_an_unpressed_trade_expires(store: Any, database_url: str, redis_url: str) -> None:
    """Two minutes of market time pass in two seconds here; then the buttons are gone too."""
    async with opened(store, database_url, redis_url) as desk, asking(desk, "sig-2") as prompted:
        refused = await desk.wait_for("EntryRefused")
        telegram = desk.sandbox.sandboxes["telegram"]
        async with asyncio.timeout(10):
            while True:
                try:
                    telegram.press(prompted.message_id, "approve", 1)
                except PressError:
                    break
                await asyncio.sleep(0.01)
    body = refused[0].body
    assert isinstance(body, EntryRefused)
    assert (body.signal_id, body.codes) == ("sig-2", ("TRADE_APPROVED",))
    kinds = [event.type for event in await store.read(0)]
    assert "TradeApproved" not in kinds and "ApprovalExpired" in kinds
