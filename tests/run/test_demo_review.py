"""The last run of the demo is looked at again: page and log, while the market's clock stands."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime
from pathlib import Path

import aiohttp
import pytest

from domain.events.system import ClockStarted
from run.demo import state
from run.demo.review import NoDay, review
from store.postgres import PostgresStore
from tests.on_the_log import bodies
from tests.store.propose import propose
from tests.waiting import until

SESSION = date(2026, 10, 6)
OPENED_AT = datetime(2026, 10, 6, 13, 30, tzinfo=UTC)


async def _answers(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/healthz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def test_the_last_run_is_shown_while_its_clock_stands_still(
    store: PostgresStore,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    migrated: list[str] = []

    async def noted(address: str) -> None:
        migrated.append(address)

    monkeypatch.setattr("run.demo.review.migrate", noted)
    kept = state.load(tmp_path, 7, SESSION, "")
    clock = ClockStarted(base_market_time=OPENED_AT, speed=600.0, session_date=SESSION)
    await store.append([propose(clock, "clock")])
    said: list[str] = []
    stop = asyncio.Event()
    looking = asyncio.create_task(review(tmp_path, stop, said.append))
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        await until(lambda: _answers(http, kept.ports["api"]), 60.0)
        page, password = re.findall(r"(http://\S+) .*password: (\S+)", said[0])[0]
        body = {"name": "operator", "password": password}
        async with http.post(f"{page}/api/v1/login", json=body) as answer:
            assert answer.status == 200
    stop.set()
    assert await looking == 0
    newest = (await bodies(store, ClockStarted))[-1]
    assert migrated == [database_url]
    assert newest.speed == 0 and not newest.entries_open
    head = (await store.read(await store.head() - 1))[0]
    assert head.market_time == newest.base_market_time, "what was written came at that moment"


async def test_without_a_run_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(NoDay, match="run make demo first"):
        await review(tmp_path, asyncio.Event(), print)
