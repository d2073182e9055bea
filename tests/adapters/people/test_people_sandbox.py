"""The people sandboxes as a whole: ledger, restart, control plane, faults, secrets, process."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.claude.answers import DraftAnswer
from adapters.claude.writer import ClaudeWriter
from adapters.discord.sender import DiscordSender
from adapters.outcome import Found, NotSent, SendOutcome, Sent, Unknown
from adapters.people_sandbox.faults import FaultError, FaultTable
from adapters.people_sandbox.ledger import content_sha256
from adapters.people_sandbox.process import SITES, PeopleSandbox
from adapters.reddit.poster import RedditPoster, with_marker
from adapters.telegram.bot import TelegramBot
from adapters.telegram.buttons import button_data
from adapters.x.poster import XPoster
from domain.distribution.deliveries import nonce

CHAT = 9001
ROOT = Path(__file__).resolve().parents[3]


def now() -> datetime:
    return datetime.now(UTC)


async def discord_send(sender: DiscordSender, delivery: str = "d1") -> SendOutcome:
    key, marker = nonce(delivery), f"M{delivery}"
    return await sender.send(1001, "Title", "Body", {"A": "1"}, key, marker)


async def send_everywhere(
    discord: DiscordSender, telegram: TelegramBot, x: XPoster, reddit: RedditPoster
) -> list[SendOutcome]:
    data = button_data(b"key", "approve", "a1", 1)
    return [
        await discord_send(discord),
        await telegram.send_approval(CHAT, "Post?", [("Approve", data)]),
        await x.post("one post"),
        await reddit.submit("striketape", "title", with_marker("text", "Md1")),
    ]


async def test_after_a_restart_all_that_was_accepted_is_found(
    sandbox: PeopleSandbox,
    tmp_path: Path,
    discord_sender: DiscordSender,
    telegram_bot: TelegramBot,
    x_poster: XPoster,
    reddit_poster: RedditPoster,
    control: Any,
) -> None:
    sent = await send_everywhere(discord_sender, telegram_bot, x_poster, reddit_poster)
    assert all(isinstance(outcome, Sent) for outcome in sent)
    await control.post("telegram/press", {"newest": True, "verb": "approve"})
    before = await control.get("ledger")
    await sandbox.__aexit__()
    folder = tmp_path / "people"
    async with PeopleSandbox(time.time, ports=sandbox.ports, state_dir=folder) as again:
        assert again.world.ledger.effects() == before
        assert isinstance(await discord_send(discord_sender), Unknown | NotSent | Sent)
        assert await discord_send(discord_sender) == sent[0]
        assert isinstance(await discord_sender.find(1001, "Md1", now()), Found)
        assert isinstance(await x_poster.find("one post", now()), Found)
        assert isinstance(await reddit_poster.find("Md1", now()), Found)
        ((update_id, _),) = await telegram_bot.updates(0, 1)
        assert update_id == 1001
        assert again.world.ledger.effects() == before


async def test_market_time_goes_on_after_a_restart(tmp_path: Path) -> None:
    base = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)
    async with PeopleSandbox(lambda: 1_000.0, state_dir=tmp_path) as first:
        first.world.clock.set_market(base, 990.0, 60.0)
    async with PeopleSandbox(lambda: 1_010.0, state_dir=tmp_path) as again:
        assert again.world.clock.market_time() == base + timedelta(minutes=20)


async def test_half_a_line_of_a_killed_process_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "people"
    async with PeopleSandbox(time.time, state_dir=folder) as first:
        first.world.ledger.append("x", "tweet", {"text": "whole"}, remote_id="7")
    with (folder / "people.jsonl").open("a") as file:
        file.write('{"sequence": 2, "vendor": "x", "ki')
    for _ in range(2):
        async with PeopleSandbox(time.time, state_dir=folder) as again:
            assert [entry.remote_id for entry in again.world.ledger.entries] == ["7"]
            assert again.sandboxes["x"].state()["posts"][0]["text"] == "whole"


@pytest.mark.parametrize("kind", ["commit_then_drop", "commit_then_500", "delay_after_commit"])
async def test_reading_back_before_a_retry_leaves_one_copy_at_every_vendor(
    discord_sender: DiscordSender,
    x_poster: XPoster,
    reddit_poster: RedditPoster,
    control: Any,
    kind: str,
) -> None:
    await discord_sender.login()
    post, text = with_marker("text", "Md1"), "one post"
    for vendor, path in (("discord", "/messages$"), ("x", "tweets$"), ("reddit", "submit/$")):
        await control.fault(vendor, path, kind, method="POST", seconds=6, status=503)
    unknown = [
        await discord_send(discord_sender),
        await x_poster.post(text),
        await reddit_poster.submit("striketape", "title", post),
    ]
    assert all(isinstance(outcome, Unknown) for outcome in unknown)
    found = [
        await discord_sender.find(1001, "Md1", now()),
        await x_poster.find(text, now()),
        await reddit_poster.find("Md1", now()),
    ]
    assert all(isinstance(one, Found) and one.duplicates == 0 for one in found)
    assert isinstance(await discord_send(discord_sender), Sent)
    kinds = [entry["kind"] for entry in await control.get("ledger")]
    assert kinds == ["message", "tweet", "submission"]


async def test_ledger_entries_carry_both_times_and_a_hash(x_poster: XPoster, control: Any) -> None:
    base = "2026-11-20T15:00:00+00:00"
    clock = {"base_market_time": base, "base_real_epoch": time.time(), "speed": 600}
    shown = await control.post("clock", clock)
    assert shown["speed"] == 600
    await x_poster.post("one post")
    (entry,) = await control.get("ledger?vendor=x")
    market = datetime.fromisoformat(entry["market_at"]) - datetime.fromisoformat(base)
    assert timedelta(0) <= market < timedelta(minutes=60)
    assert abs(datetime.fromisoformat(entry["real_at"]) - now()) < timedelta(seconds=5)
    assert entry["content_sha256"] == content_sha256({"text": "one post"})
    assert await control.get(f"ledger?after={entry['sequence']}") == []


async def test_reset_forgets_everything(
    discord_sender: DiscordSender, control: Any, tmp_path: Path
) -> None:
    await discord_send(discord_sender)
    await control.fault("x", "", "drop_before")
    await control.post("reset", {})
    state = await control.get("state")
    assert state["discord"]["messages"] == [] and state["faults"] == []
    assert await control.get("ledger") == []
    assert (tmp_path / "people" / "people.jsonl").read_text() == ""


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"match": {"vendor": "nobody"}, "action": {"kind": "429"}}),
        ("faults", {"match": {"vendor": "x"}, "action": {"kind": "no_such"}}),
        ("faults", {"match": {"vendor": "x"}, "action": {"kind": "duplicate_update"}}),
        ("faults", {"match": {"vendor": "x", "path": "("}, "action": {"kind": "429"}}),
        ("clock", {"base_market_time": "2026-11-20T15:00:00"}),
        ("clock", {"advance_s": -1}),
        ("settings", {"discord": {"no_such": 1}}),
        ("settings", {"nobody": {}}),
        ("telegram/press", {"newest": True, "verb": "approve"}),
        ("telegram/message", {}),
    ],
)
async def test_the_control_plane_refuses_what_it_does_not_understand(
    sandbox: PeopleSandbox, path: str, body: dict[str, Any]
) -> None:
    url = f"{sandbox.url('control')}/_sim/{path}"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        assert answer.status in (400, 409)
        assert (await answer.json())["error"]


def test_a_fault_meets_the_nth_request_as_often_as_it_says() -> None:
    table = FaultTable(seed=1)
    match = {"vendor": "x", "method": "post", "path": "tweets$", "nth": 2, "times": 2}
    table.add({"match": match, "action": {"kind": "429"}})
    assert table.take("x", "GET", "/2/tweets") is None
    assert table.take("discord", "POST", "/2/tweets") is None
    met = [table.take("x", "POST", "/2/tweets") is not None for _ in range(5)]
    assert met == [False, True, True, False, False]


def test_chance_of_a_fault_repeats_with_its_seed() -> None:
    def met(seed: int) -> list[bool]:
        table = FaultTable(seed)
        match = {"vendor": "x", "probability": 0.5, "times": None}
        table.add({"match": match, "action": {"kind": "429"}})
        return [table.take("x", "GET", "/") is not None for _ in range(100)]

    assert met(7) == met(7) != met(8)
    assert 30 < sum(met(7)) < 70


def test_a_fault_without_a_match_is_refused() -> None:
    with pytest.raises(FaultError):
        FaultTable(1).add({"action": {"kind": "429"}})


async def test_no_secret_is_in_any_log_record_or_on_disk(
    sandbox: PeopleSandbox,
    discord_sender: DiscordSender,
    telegram_bot: TelegramBot,
    x_poster: XPoster,
    reddit_poster: RedditPoster,
    claude_writer: ClaudeWriter,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    sent = await send_everywhere(discord_sender, telegram_bot, x_poster, reddit_poster)
    assert all(isinstance(outcome, Sent) for outcome in sent)
    await telegram_bot.updates(0, 0)
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    assert isinstance(await claude_writer.draft("rules", "f1 | a | 1 |", schema, 900), DraftAnswer)
    accounts = sandbox.world.accounts
    secrets = [
        getattr(accounts, name)
        for name in accounts.__slots__
        if name.endswith(("token", "secret", "password", "key"))
    ]
    assert len(secrets) == 10
    assert len(caplog.records) > 20
    written = caplog.text + (tmp_path / "people" / "people.jsonl").read_text()
    assert [secret for secret in secrets if secret in written] == []
    assert "[hidden]" in caplog.text
    assert "signature" not in written.lower() and "Bearer" not in written


def test_the_process_serves_keeps_its_ledger_and_stops_on_a_signal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "run.sandbox_people", "--state-dir", str(tmp_path)]
    command += [part for site in SITES for part in (f"--{site}-port", "0")]
    with subprocess.Popen(
        command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("people sandboxes ready: ")
            ports = dict(part.split("=") for part in line.split(": ")[1].split())
            assert set(ports) == set(SITES)
            assert _press_through(ports["control"])["update_id"] == 1001
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    lines = (tmp_path / "people.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["incoming"]


def _press_through(port: str) -> Any:
    from urllib.request import Request, urlopen

    body = json.dumps({"text": "/status"}).encode()
    with urlopen(Request(f"http://127.0.0.1:{port}/_sim/telegram/message", body)) as answer:
        return json.loads(answer.read())
