"""The people sandboxes on free ports, their control plane, and the real clients pointed at them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.claude.writer import ClaudeWriter
from adapters.discord.sender import DiscordSender
from adapters.people_sandbox.credentials import SandboxAccounts
from adapters.people_sandbox.process import PeopleSandbox
from adapters.reddit.poster import RedditAccount, RedditPoster
from adapters.telegram.bot import TelegramBot
from adapters.x.poster import XKeys, XPoster

ACCOUNTS = SandboxAccounts()


@dataclass
class Control:
    """The control plane over HTTP, as a scripted operator uses it."""

    session: aiohttp.ClientSession
    url: str

    async def post(self, path: str, body: Any) -> Any:
        async with self.session.post(f"{self.url}/_sim/{path}", json=body) as answer:
            payload = await answer.json()
            assert answer.status == 200, payload
            return payload

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.url}/_sim/{path}") as answer:
            return await answer.json()

    async def fault(self, vendor: str, path: str, kind: str, **more: Any) -> None:
        """The next request that matches meets this; `times`, `nth`, `method` belong to match."""
        match = {"vendor": vendor, "path": path}
        match |= {name: more.pop(name) for name in ("times", "nth", "method") if name in more}
        await self.post("faults", {"match": match, "action": {"kind": kind, **more}})

    async def ledger(self, vendor: str, kind: str | None = None) -> list[Any]:
        entries = await self.get(f"ledger?vendor={vendor}")
        return [entry for entry in entries if kind in (None, entry["kind"])]


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[PeopleSandbox]:
    """All five vendors; a request that a sandbox does not understand fails the test."""
    async with PeopleSandbox(time.time, state_dir=tmp_path / "people") as opened:
        opened.sandboxes["discord"].settings["messages_per_window"] = 50
        yield opened
        for one in opened.sandboxes.values():
            assert one.not_understood == []


@pytest.fixture
async def control(sandbox: PeopleSandbox) -> AsyncIterator[Control]:
    async with aiohttp.ClientSession() as session:
        yield Control(session, sandbox.url("control"))


@pytest.fixture
async def discord_sender(sandbox: PeopleSandbox) -> AsyncIterator[DiscordSender]:
    sender = DiscordSender(
        sandbox.discord_url, ACCOUNTS.discord_token, "sandbox", timeout_seconds=2.5
    )
    yield sender
    await sender.close()


@pytest.fixture
async def telegram_bot(sandbox: PeopleSandbox) -> AsyncIterator[TelegramBot]:
    bot = TelegramBot(sandbox.telegram_url, ACCOUNTS.telegram_token, "sandbox", read_seconds=0.6)
    yield bot
    await bot.close()


@pytest.fixture
def x_keys() -> XKeys:
    return XKeys(
        ACCOUNTS.x_consumer_key,
        ACCOUNTS.x_consumer_secret,
        ACCOUNTS.x_access_token,
        ACCOUNTS.x_access_token_secret,
    )


XMaker = Callable[..., XPoster]


@pytest.fixture
async def make_x(sandbox: PeopleSandbox, x_keys: XKeys) -> AsyncIterator[XMaker]:
    """Makes posters and closes them; `url` and `keys` may be given."""
    made: list[XPoster] = []

    def make(url: str = sandbox.url("x"), keys: XKeys = x_keys, **options: Any) -> XPoster:
        settings = {"timeout_seconds": 1.0, "look_after_seconds": (0.0,), **options}
        made.append(XPoster(url, keys, lambda: datetime.now(UTC), **settings))
        return made[-1]

    yield make
    for poster in made:
        await poster.close()


@pytest.fixture
def x_poster(make_x: XMaker) -> XPoster:
    return make_x()


RedditMaker = Callable[..., RedditPoster]


@pytest.fixture
async def make_reddit(sandbox: PeopleSandbox) -> AsyncIterator[RedditMaker]:
    """Makes posters with changed accounts and closes them."""
    made: list[RedditPoster] = []
    url = sandbox.url("reddit")
    known = {
        "client_id": ACCOUNTS.reddit_client_id,
        "client_secret": ACCOUNTS.reddit_client_secret,
        "username": ACCOUNTS.reddit_username,
        "password": ACCOUNTS.reddit_password,
    }

    def make(patience_seconds: float = 6.0, **changes: str) -> RedditPoster:
        account = RedditAccount(**{**known, **changes})
        options: Any = {"timeout_seconds": 0.7, "look_after_seconds": (0.0,)}
        options["patience_seconds"] = patience_seconds
        made.append(RedditPoster(url, url, account, **options))
        return made[-1]

    yield make
    for poster in made:
        await poster.close()


@pytest.fixture
def reddit_poster(make_reddit: RedditMaker) -> RedditPoster:
    return make_reddit()


@pytest.fixture
async def claude_writer(sandbox: PeopleSandbox) -> AsyncIterator[ClaudeWriter]:
    writer = ClaudeWriter(
        sandbox.url("claude"), ACCOUNTS.claude_api_key, "claude-haiku-5-5", timeout_seconds=1.0
    )
    yield writer
    await writer.close()
