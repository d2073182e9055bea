"""A real daemon that meets an event it cannot read: it stays up, stops politely, obeys a skip."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from domain.events.feeds import IbBarReceived
from domain.events.system import ProcessHeartbeat
from run import worker_control
from run.build import ROOT
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.store.propose import AT

START_SECONDS_MAX = 180.0
BEATS = Selection(types=frozenset({"ProcessHeartbeat"}))


@asynccontextmanager
async def signals(database_url: str, redis_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "run.signals",
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            yield process
    finally:
        if process.returncode is None:
            process.terminate()
        assert await process.wait() == 0


async def until_stopped(store: PostgresStore, after: int) -> ProcessHeartbeat:
    async for events, _ in store.subscribe(after, BEATS):
        for event in events:
            if isinstance(event.body, ProcessHeartbeat) and event.body.state == "stopped":
                return event.body
    raise AssertionError


async def test_a_daemon_waits_at_an_unreadable_event_and_starts_anew_after_a_skip(
    store: PostgresStore, database_url: str, redis_url: str
) -> None:
    recorder = Recorder(store, "feeds", "build-1", "run-1")
    wrong: Any = "no number"
    bar = IbBarReceived(
        con_id=1, symbol="SPY", start=AT, open=1.0, high=1.0, low=1.0, close=wrong, volume=1.0,
        wap=1.0, count=1, connection="1", received_at=AT,
    )  # fmt: skip
    position = (await recorder.record("ib/bars/SPY", bar)).positions[0]
    async with signals(database_url, redis_url):
        beat = await until_stopped(store, 0)
        assert (beat.process, beat.figures["stopped_at"]) == ("signals", position)
    restarted_after = await store.head()
    async with signals(database_url, redis_url) as process:
        await until_stopped(store, restarted_after)
        assert process.returncode is None
        await worker_control.skip(recorder, "signals", position, "operator", "a broken sender")
        assert await process.wait() == 0
    assert await store.checkpoint("signals") >= position
