"""`python -m run.controls`: each command is on the log with who and why, and is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.events.controls import CacheFlushed, CacheFlushRequested, FeedPauseRequested
from domain.events.feed_health import FeedGapOpened
from projections import hot
from run.controls import main
from run.feeds.intake import Intake
from run.feeds.states import FeedStates
from run.projection_stops import ProjectionStops
from run.projector import projectors
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.store.propose import halt

WAIT = ("--wait", "10", "--json")
SHORT = ("--wait", "0.2", "--json")


@pytest.fixture(autouse=True)
def settings(
    store: PostgresStore,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)


async def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """The exit code and the JSON answer of a command, behind what the log of the test says."""
    code = await asyncio.to_thread(main, arguments)
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


@asynccontextmanager
async def feeds(store: PostgresStore) -> AsyncIterator[None]:
    """What run/feeds does with requests."""
    intake = Intake(Recorder(store, "feeds", "build", "run"))
    states = FeedStates(intake)
    states.go_live()
    states.changed("uw.socket", "ready", "", "connection")
    requests = Selection(types=frozenset({"FeedPauseRequested", "FeedResumeRequested"}))

    async def obey() -> None:
        async for events, _ in store.subscribe(0, requests):
            for event in events:
                states.obey(event)

    tasks = [asyncio.create_task(intake.run()), asyncio.create_task(obey())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_feed_is_paused_and_resumed_and_the_status_says_so(
    store: PostgresStore, capsys: pytest.CaptureFixture[str]
) -> None:
    async with feeds(store):
        pause = ("pause", "uw.socket", "--why", "vendor repeats yesterday", "--who", "ann")
        code, answer = await told(capsys, *pause, *WAIT)
        assert (code, answer["state"], answer["decided_by"]) == (0, "accepted", "FeedStateChanged")
        code, found = await told(capsys, "status", "--json")
        (socket,) = [feed for feed in found["feeds"] if feed["feed"] == "uw.socket"]
        assert (code, socket["state"], socket["gaps_open"]) == (0, "paused", 1)
        assert socket["reason"] == "ann: vendor repeats yesterday"
        code, answer = await told(capsys, *pause, *WAIT)
        assert (code, answer["state"]) == (3, "refused")
        assert answer["reason"] == "the feed is paused already"
        resume = ("resume", "uw.socket", "--why", "it is right again")
        assert (await told(capsys, *resume, *WAIT))[0] == 0
        _, found = await told(capsys, "status", "--json")
        (socket,) = [feed for feed in found["feeds"] if feed["feed"] == "uw.socket"]
        assert (socket["state"], socket["gaps_open"]) == ("ready", 0)
    requests = await store.read(0, Selection(types=frozenset({"FeedPauseRequested"})))
    assert requests[0].body == FeedPauseRequested(
        feed="uw.socket", who="ann", route="cli", reason="vendor repeats yesterday"
    )
    gaps = await store.read(0, Selection(types=frozenset({"FeedGapOpened"})))
    assert [isinstance(event.body, FeedGapOpened) for event in gaps] == [True]


async def test_a_flush_is_answered_when_the_cache_is_built_anew(
    store: PostgresStore,
    redis: Redis,
    database_url: str,
    redis_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await store.append([halt("before")])
    recorder = Recorder(store, "projector", "build", "run")
    stops = ProjectionStops(store, "build", "run")
    async with projectors(store, database_url, redis_url, stops, recorder) as running:
        (one,) = [p for p in running.projectors if p.projection.name == hot.PROJECTION.name]
        await one.rebuild()
        await redis.hset(f"{hot.PREFIX}halt", "state", "nonsense")
        following = asyncio.create_task(one.run())
        try:
            flush = ("flush", "hot", "--why", "a view looks wrong", "--who", "ann")
            code, answer = await told(capsys, *flush, *WAIT)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    assert (code, answer["state"], answer["decided_by"]) == (0, "accepted", "CacheFlushed")
    assert (await redis.hgetall(f"{hot.PREFIX}halt")).get("state") != "nonsense"
    (request,) = await store.read(0, Selection(types=frozenset({"CacheFlushRequested"})))
    assert request.body == CacheFlushRequested(
        cache="hot", who="ann", route="cli", reason="a view looks wrong"
    )
    (flushed,) = await store.read(0, Selection(types=frozenset({"CacheFlushed"})))
    assert isinstance(flushed.body, CacheFlushed)
    assert flushed.causation_id == request.event_id
    assert flushed.body.entries >= 2
    _, found = await told(capsys, "status", "--json")
    assert found["caches"][0]["entries"] == flushed.body.entries
    assert found["caches"][0]["flushed_at"] is not None


async def test_what_nobody_answers_stays_asked_and_what_cannot_be_asked_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    why = ("--why", "drill")
    code, answer = await told(capsys, "pause", "ib.data", *why, *SHORT)
    assert (code, answer["state"]) == (3, "requested")
    with pytest.raises(SystemExit) as ended:
        main(["pause", "ib.dada", *why])
    assert ended.value.code == 2
    assert await asyncio.to_thread(main, ["status"]) == 0
    shown = capsys.readouterr().out
    assert "ib.data" in shown and "it has never said how it is" in shown
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres@127.0.0.1:9/nothing")
    code, answer = await told(capsys, "flush", "hot", *why, *SHORT)
    assert (code, answer["state"]) == (1, "failed")
