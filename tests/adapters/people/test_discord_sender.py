"""The real discord.py against the Discord sandbox: outcomes, read-back, no duplicates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.discord.sender import DiscordSender
from adapters.outcome import (
    CannotTell,
    Found,
    NotFound,
    NotSent,
    SendOutcome,
    Sent,
    Unknown,
    VendorUnavailable,
)
from adapters.people_sandbox.process import PeopleSandbox
from domain.distribution.deliveries import nonce

MESSAGES = r"/channels/1001/messages$"


async def send(sender: DiscordSender, delivery: str = "d1", **changes: Any) -> SendOutcome:
    message = {
        "channel_id": 1001,
        "title": "SPY bullish",
        "body": "Entry @everyone",
        "fields": {"Entry": "1.25", "Stop": "0.60"},
        "nonce": nonce(delivery),
        "marker": f"MARK{delivery}",
    }
    return await sender.send(**{**message, **changes})


def ago(seconds: float = 0) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def test_a_sent_message_is_confirmed_by_id_and_pings_nobody(
    discord_sender: DiscordSender, control: Any
) -> None:
    outcome = await send(discord_sender)
    assert isinstance(outcome, Sent) and outcome.remote_at is not None
    assert abs((outcome.remote_at - ago()).total_seconds()) < 5
    (entry,) = await control.ledger("discord")
    assert entry["remote_id"] == outcome.remote_id and entry["channel"] == "1001"
    assert entry["content"]["allowed_mentions"] == {"parse": []}
    (shown,) = entry["content"]["embeds"]
    assert shown["footer"]["text"] == "ref MARKd1 · SANDBOX"
    assert [field["name"] for field in shown["fields"]] == ["Entry", "Stop"]


async def test_a_reply_refers_to_its_entry_and_a_missing_entry_becomes_a_plain_message(
    discord_sender: DiscordSender, control: Any
) -> None:
    entry = await send(discord_sender, "d1")
    assert isinstance(entry, Sent)
    assert isinstance(await send(discord_sender, "d2", reply_to_message_id=entry.remote_id), Sent)
    assert isinstance(await send(discord_sender, "d3", reply_to_message_id="12345"), Sent)
    messages = (await control.get("state"))["discord"]["messages"]
    assert [message["type"] for message in messages] == [0, 19, 0]
    assert messages[1]["message_reference"]["message_id"] == entry.remote_id


async def test_the_same_nonce_gives_the_same_message_and_nothing_new(
    discord_sender: DiscordSender, control: Any
) -> None:
    first = await send(discord_sender)
    again = await send(discord_sender, body="another text")
    assert first == again
    assert len(await control.ledger("discord")) == 1


async def test_outside_its_window_a_nonce_protects_no_more(
    discord_sender: DiscordSender, control: Any
) -> None:
    await send(discord_sender)
    await control.post("clock", {"advance_s": 181})
    await send(discord_sender)
    assert len(await control.ledger("discord")) == 2


@pytest.mark.parametrize("window_seconds", [0, 3600])
async def test_the_window_of_nonces_is_a_setting_of_the_sandbox(
    discord_sender: DiscordSender, control: Any, window_seconds: int
) -> None:
    await control.post("settings", {"discord": {"nonce_window_s": window_seconds}})
    await send(discord_sender)
    await control.post("clock", {"advance_s": 100})
    await send(discord_sender)
    assert len(await control.ledger("discord")) == (2 if window_seconds == 0 else 1)


@pytest.mark.parametrize("kind", ["commit_then_drop", "reset", "drop_before"])
async def test_a_lost_connection_is_unknown(
    discord_sender: DiscordSender, control: Any, kind: str
) -> None:
    await discord_sender.login()
    await control.fault("discord", MESSAGES, kind)
    assert isinstance(await send(discord_sender), Unknown)


async def test_an_answer_that_comes_too_late_is_unknown_and_is_found_by_its_marker(
    sandbox: PeopleSandbox, control: Any
) -> None:
    sender = DiscordSender(
        sandbox.discord_url, "sandbox-discord-token", "sandbox", timeout_seconds=0.4
    )
    await sender.login()
    await control.fault("discord", MESSAGES, "delay_after_commit", method="POST", seconds=5)
    assert isinstance(await send(sender), Unknown)
    found = await sender.find(1001, "MARKd1", ago())
    (entry,) = await control.ledger("discord")
    assert found == Found(entry["remote_id"], found.remote_at, 0)  # type: ignore[union-attr]
    await sender.close()


async def test_an_internal_repeat_after_500_carries_the_nonce_and_makes_no_duplicate(
    discord_sender: DiscordSender, control: Any
) -> None:
    await discord_sender.login()
    await control.fault("discord", MESSAGES, "commit_then_500", method="POST")
    assert isinstance(await send(discord_sender), Sent)
    assert len(await control.ledger("discord")) == 1


async def test_503_is_unknown_at_once(discord_sender: DiscordSender, control: Any) -> None:
    await discord_sender.login()
    await control.fault("discord", MESSAGES, "commit_then_500", method="POST", status=503)
    assert isinstance(await send(discord_sender), Unknown)
    assert isinstance(await discord_sender.find(1001, "MARKd1", ago()), Found)


async def test_a_refusal_after_a_try_that_may_have_been_accepted_is_unknown(
    discord_sender: DiscordSender, control: Any
) -> None:
    await discord_sender.login()
    await control.fault("discord", MESSAGES, "commit_then_500", method="POST")
    forbidden = {"message": "Missing Access", "code": 50001}
    await control.fault("discord", MESSAGES, "status", method="POST", status=403, body=forbidden)
    outcome = await send(discord_sender)
    assert isinstance(outcome, Unknown) and "50001" in outcome.reason


@pytest.mark.parametrize(
    ("status", "code", "permanent"),
    [(403, 50013, True), (400, 50035, True), (404, 10003, True), (403, 40004, False)],
)
async def test_refusals_are_not_sent_and_named_by_code(
    discord_sender: DiscordSender, control: Any, status: int, code: int, permanent: bool
) -> None:
    await discord_sender.login()
    body = {"message": "no", "code": code}
    await control.fault("discord", MESSAGES, "status", status=status, body=body)
    outcome = await send(discord_sender)
    assert isinstance(outcome, NotSent)
    assert (outcome.vendor_code, outcome.permanent) == (str(code), permanent)


async def test_an_unknown_channel_is_refused_for_good(discord_sender: DiscordSender) -> None:
    outcome = await send(discord_sender, channel_id=4711)
    assert outcome == NotSent(True, "10003", outcome.text)  # type: ignore[union-attr]


async def test_a_message_somebody_removed_is_not_sent_again(
    sandbox: PeopleSandbox, discord_sender: DiscordSender, control: Any
) -> None:
    sent = await send(discord_sender)
    assert isinstance(sent, Sent)
    async with control.session.delete(
        f"{sandbox.discord_url}/channels/1001/messages/{sent.remote_id}",
        headers={"Authorization": "Bot sandbox-discord-token"},
    ) as answer:
        assert answer.status == 204
    outcome = await send(discord_sender)
    assert isinstance(outcome, NotSent) and outcome.permanent
    assert outcome.vendor_code == "10008"
    assert len(await control.ledger("discord", "message")) == 1


async def test_a_reply_without_the_right_to_read_history_goes_out_as_a_plain_message(
    discord_sender: DiscordSender, control: Any
) -> None:
    entry = await send(discord_sender, "d1")
    assert isinstance(entry, Sent)
    body = {"message": "Cannot reply without permission to read message history", "code": 160002}
    await control.fault("discord", MESSAGES, "status", status=403, body=body)
    assert isinstance(await send(discord_sender, "d2", reply_to_message_id=entry.remote_id), Sent)
    assert (await control.get("state"))["discord"]["messages"][1]["type"] == 0


async def test_429_with_via_is_waited_for_and_without_via_is_handed_back(
    discord_sender: DiscordSender, control: Any
) -> None:
    await discord_sender.login()
    await control.fault("discord", MESSAGES, "429", retry_after=0.1)
    assert isinstance(await send(discord_sender, "d1"), Sent)
    await control.fault("discord", MESSAGES, "429", retry_after=7, via=False)
    refused = await send(discord_sender, "d2")
    assert isinstance(refused, NotSent)
    assert (refused.vendor_code, refused.retry_after_seconds) == ("429", 7.0)
    assert len(await control.ledger("discord")) == 1


async def test_a_long_wait_is_handed_back_instead_of_slept(
    discord_sender: DiscordSender, control: Any
) -> None:
    await discord_sender.login()
    await control.fault("discord", MESSAGES, "429", retry_after=90, scope="shared")
    refused = await send(discord_sender)
    assert isinstance(refused, NotSent)
    assert (refused.vendor_code, refused.retry_after_seconds) == ("429", 90.0)


@pytest.mark.parametrize("kind", ["truncate_body", "wrong_content_type"])
async def test_an_unreadable_answer_is_unknown(
    discord_sender: DiscordSender, control: Any, kind: str
) -> None:
    await discord_sender.login()
    await control.fault("discord", MESSAGES, kind, method="POST")
    assert isinstance(await send(discord_sender), Unknown)
    assert isinstance(await discord_sender.find(1001, "MARKd1", ago()), Found)


async def test_a_bad_token_is_permanent_and_is_not_shown(sandbox: PeopleSandbox) -> None:
    sender = DiscordSender(sandbox.discord_url, "wrong-token-value", "sandbox")
    with pytest.raises(VendorUnavailable) as refused:
        await sender.login()
    assert refused.value.permanent and "wrong-token-value" not in str(refused.value)
    outcome = await send(sender)
    assert isinstance(outcome, NotSent) and outcome.permanent


async def test_a_token_that_is_refused_is_not_shown_to_the_vendor_again(
    discord_sender: DiscordSender, control: Any
) -> None:
    await discord_sender.login()
    body = {"message": "401: Unauthorized", "code": 0}
    await control.fault("discord", MESSAGES, "status", status=401, body=body)
    for _ in range(2):
        outcome = await send(discord_sender)
        assert isinstance(outcome, NotSent) and outcome.permanent
        assert outcome.vendor_code == "401"
    assert isinstance(await discord_sender.find(1001, "MARKd1", ago()), CannotTell)
    assert await control.ledger("discord") == []


async def test_nobody_listening_is_not_sent(unused_tcp_port: int) -> None:
    sender = DiscordSender(f"http://127.0.0.1:{unused_tcp_port}/api/v10", "token", "sandbox")
    outcome = await send(sender)
    assert isinstance(outcome, NotSent) and not outcome.permanent


async def test_a_vendor_that_goes_away_after_log_in_is_not_sent(
    sandbox: PeopleSandbox, discord_sender: DiscordSender
) -> None:
    await discord_sender.login()
    await sandbox.__aexit__()
    on_the_kept_connection = await send(discord_sender)
    assert not isinstance(on_the_kept_connection, Sent)
    outcome = await send(discord_sender)
    assert isinstance(outcome, NotSent) and outcome.vendor_code == "connect"


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "t" * 257},
        {"body": "b" * 4_097},
        {"fields": {f"f{n}": "v" for n in range(26)}},
        {"fields": {"name": "v" * 1_025}},
        {"fields": {"name": "  "}},
        {"body": "b" * 4_000, "fields": {f"f{n}": "v" * 1_000 for n in range(2)}},
        {"nonce": "n" * 26},
        {"title": "", "body": "", "fields": {}},
        {"title": "😀" * 129},
    ],
)
async def test_a_message_over_a_limit_never_leaves(
    discord_sender: DiscordSender, control: Any, changes: dict[str, Any]
) -> None:
    outcome = await send(discord_sender, **changes)
    assert isinstance(outcome, NotSent) and outcome.vendor_code == "LIMIT"
    assert await control.ledger("discord") == []


async def test_a_message_at_the_limits_is_accepted(discord_sender: DiscordSender) -> None:
    fields = {f"name {n:03d}": "v" * 60 for n in range(25)}
    outcome = await send(discord_sender, title="t" * 256, body="b" * 2_500, fields=fields)
    assert isinstance(outcome, Sent)


async def test_absence_is_proven_by_what_else_the_listing_shows(
    discord_sender: DiscordSender, control: Any
) -> None:
    await send(discord_sender, "old")
    await control.post("clock", {"advance_s": 600})
    outcome = await discord_sender.find(1001, "MARKd1", ago(-600))
    assert isinstance(outcome, NotFound)


async def test_an_empty_listing_proves_nothing(discord_sender: DiscordSender, control: Any) -> None:
    await send(discord_sender, "d1")
    await control.fault("discord", MESSAGES, "list_hidden", method="GET", times=None)
    assert isinstance(await discord_sender.find(1001, "MARKd1", ago()), CannotTell)
    assert isinstance(await discord_sender.find(1002, "MARKd1", ago()), CannotTell)


async def test_two_copies_are_reported_and_the_oldest_is_named(
    discord_sender: DiscordSender,
) -> None:
    first = await send(discord_sender, "a", marker="SAME")
    await send(discord_sender, "b", marker="SAME")
    assert isinstance(first, Sent)
    found = await discord_sender.find(1001, "SAME", ago())
    assert isinstance(found, Found)
    assert (found.remote_id, found.duplicates) == (first.remote_id, 1)


async def test_a_message_from_before_the_attempt_is_not_taken_for_it(
    discord_sender: DiscordSender, control: Any
) -> None:
    await send(discord_sender, "d1")
    await control.post("clock", {"advance_s": 1_000})
    assert isinstance(await discord_sender.find(1001, "MARKd1", ago(-1_000)), NotFound)


async def test_a_spent_bucket_is_waited_for_without_a_429(
    discord_sender: DiscordSender, control: Any
) -> None:
    await control.post("settings", {"discord": {"messages_per_window": 2, "window_s": 0.3}})
    outcomes = [await send(discord_sender, f"d{n}") for n in range(5)]
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert len(await control.ledger("discord")) == 5
