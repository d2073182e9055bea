"""Outbox and Telegram daemons in the test's process, on a real log, against the sandboxes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from adapters.people_sandbox.process import PeopleSandbox
from domain.event import Recorded
from domain.events.system import ClockStarted
from domain.parameters import PARAMETERS
from run import outbox, telegram
from run.config import Settings
from run.feeds.start import write_missing_parameters
from run.service import Process
from run.worker import Recorder
from store.contract import Selection

WAIT_SECONDS_MAX = 120.0


def settings_of(sandbox: PeopleSandbox, database_url: str, redis_url: str) -> Settings:
    accounts = sandbox.world.accounts
    premium, basic, free = accounts.discord_channels
    return Settings(
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        discord_url=sandbox.discord_url,
        discord_token=accounts.discord_token,
        discord_channel_premium=premium,
        discord_channel_basic=basic,
        discord_channel_free=free,
        telegram_url=sandbox.telegram_url,
        telegram_token=accounts.telegram_token,
        telegram_chat_id=accounts.telegram_chats[0],
        telegram_allowed_users=(accounts.telegram_operator_id,),
        x_url=sandbox.url("x"),
        x_consumer_key=accounts.x_consumer_key,
        x_consumer_secret=accounts.x_consumer_secret,
        x_access_token=accounts.x_access_token,
        x_access_token_secret=accounts.x_access_token_secret,
        reddit_url=sandbox.url("reddit"),
        reddit_oauth_url=sandbox.url("reddit"),
        reddit_client_id=accounts.reddit_client_id,
        reddit_client_secret=accounts.reddit_client_secret,
        reddit_username=accounts.reddit_username,
        reddit_password=accounts.reddit_password,
        reddit_subreddit=accounts.reddit_subreddits[0],
        claude_url=sandbox.url("claude"),
        claude_api_key=accounts.claude_api_key,
        publication_secret="a publication secret of the tests",
    )


class Desk:
    """The log with the daemons on it."""

    def __init__(self, store: Any, sandbox: PeopleSandbox, settings: Settings) -> None:
        self.store = store
        self.sandbox = sandbox
        self.settings = settings
        self.trader = Recorder(store, "trader", "test", "run-1")

    def process(self, name: str) -> Process:
        recorder = Recorder(self.store, name, "test", f"{name}-{time.monotonic_ns()}")
        log = structlog.get_logger(name)
        return Process(name, "test", recorder.run_id, self.settings, self.store, recorder, log)

    async def start_clock(self, at: datetime, speed: float) -> None:
        started = ClockStarted(base_market_time=at, speed=speed, session_date=at.date())
        appended = await self.trader.record("clock", started)
        self.sandbox.world.clock.set_market(
            appended.market_times[0], appended.recorded_at.timestamp(), speed
        )

    async def wait_for(self, kind: str, count: int = 1) -> list[Recorded]:
        """The first `count` events of a type; fails after WAIT_SECONDS_MAX."""
        found: list[Recorded] = []
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            async for events, _ in self.store.subscribe(0, Selection(types=frozenset({kind}))):
                found += events
                if len(found) >= count:
                    return found
        raise AssertionError(kind)

    def ledger(self, vendor: str) -> list[dict[str, Any]]:
        return self.sandbox.world.ledger.effects(vendor)


@asynccontextmanager
async def running(desk: Desk, ahead: timedelta = timedelta(0)) -> AsyncIterator[None]:
    """Both daemons for the time of the block; the outbox's real clock may be set ahead."""
    tasks = [
        asyncio.create_task(outbox.main(desk.process("outbox"), lambda: datetime.now(UTC) + ahead)),
        asyncio.create_task(telegram.main(desk.process("telegram"))),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result


@asynccontextmanager
async def opened(store: Any, database_url: str, redis_url: str) -> AsyncIterator[Desk]:
    """A log with parameters and a clock, and the sandboxes."""
    async with PeopleSandbox(time.time) as sandbox:
        desk = Desk(store, sandbox, settings_of(sandbox, database_url, redis_url))
        await desk.start_clock(datetime(2026, 11, 23, 15, 0, tzinfo=UTC), 60.0)
        await write_missing_parameters(store, desk.trader, PARAMETERS)
        yield desk
