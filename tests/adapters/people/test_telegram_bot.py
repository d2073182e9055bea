"""The real python-telegram-bot against the Telegram sandbox: prompts, presses, polling."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from adapters.outcome import NotSent, Sent, Unknown, VendorUnavailable
from adapters.people_sandbox.process import PeopleSandbox
from adapters.telegram.bot import TelegramBot, updates_in
from adapters.telegram.buttons import button_data, read_button

CHAT = 9001
SEND = r"/sendMessage$"
SECRET = b"secret"
APPROVAL = "0b6b3c1e-6d0a-5d0c-9a53-3d7f4b3b9a10"


def buttons(revision: int = 1) -> list[tuple[str, str]]:
    return [
        ("Approve", button_data(SECRET, "approve", APPROVAL, revision)),
        ("Reject", button_data(SECRET, "reject", APPROVAL, revision)),
    ]


async def prompt(bot: TelegramBot) -> int:
    outcome = await bot.send_approval(CHAT, "<b>Post?</b> 1 &lt; 2", buttons())
    assert isinstance(outcome, Sent) and outcome.remote_at is not None
    return int(outcome.remote_id)


async def test_a_press_on_a_prompt_arrives_verbatim_and_signed(
    telegram_bot: TelegramBot, control: Any
) -> None:
    message_id = await prompt(telegram_bot)
    pressed = await control.post("telegram/press", {"newest": True, "verb": "approve"})
    ((update_id, text),) = await telegram_bot.updates(0, 1)
    query = json.loads(text)["callback_query"]
    assert update_id == pressed["update_id"] == json.loads(text)["update_id"]
    assert query["message"]["message_id"] == message_id and query["from"]["id"] == CHAT
    button = read_button(SECRET, query["data"])
    assert button is not None
    assert (button.verb, button.approval_id, button.revision) == ("approve", APPROVAL, 1)
    assert isinstance(await telegram_bot.answer(query["id"], "Approved"), Sent)


async def test_an_update_comes_again_until_the_next_offset_confirms_it(
    telegram_bot: TelegramBot, control: Any
) -> None:
    await control.post("telegram/message", {"text": "/status"})
    ((first, text),) = await telegram_bot.updates(0, 1)
    assert await telegram_bot.updates(0, 1) == [(first, text)]
    await control.post("telegram/message", {"text": "/queue"})
    ((second, _),) = await telegram_bot.updates(first + 1, 1)
    assert second == first + 1
    ((again, _),) = await telegram_bot.updates(0, 1)
    assert again == second


async def test_a_waiting_poll_is_woken_by_a_press(telegram_bot: TelegramBot, control: Any) -> None:
    await prompt(telegram_bot)
    poll = asyncio.create_task(telegram_bot.updates(0, 30))
    while (await control.get("state"))["telegram"]["updates_waiting"]:
        await asyncio.sleep(0)
    await control.post("telegram/press", {"newest": True, "button": "Reject"})
    async with asyncio.timeout(20):
        assert len(await poll) == 1


async def test_two_presses_are_two_updates_and_a_duplicated_one_keeps_its_id(
    telegram_bot: TelegramBot, control: Any
) -> None:
    await prompt(telegram_bot)
    for user in (CHAT, 9002):
        await control.post("telegram/press", {"newest": True, "verb": "approve", "user_id": user})
    await control.fault("telegram", "/getUpdates$", "duplicate_update")
    found = await telegram_bot.updates(0, 1)
    assert [update_id for update_id, _ in found] == [1001, 1002, 1002]


async def test_updates_out_of_order_keep_their_ids(telegram_bot: TelegramBot, control: Any) -> None:
    for text in ("/halt", "/status"):
        await control.post("telegram/message", {"text": text})
    await control.fault("telegram", "/getUpdates$", "reorder_updates")
    assert [update_id for update_id, _ in await telegram_bot.updates(0, 1)] == [1002, 1001]


async def test_a_second_poller_ends_the_first_with_a_conflict(
    sandbox: PeopleSandbox, telegram_bot: TelegramBot, control: Any
) -> None:
    other = TelegramBot(sandbox.telegram_url, "777:sandbox-telegram-token", "sandbox")
    first = asyncio.create_task(telegram_bot.updates(0, 30))
    telegram = sandbox.sandboxes["telegram"]
    while telegram._poll == 0:  # type: ignore[attr-defined]
        await asyncio.sleep(0.005)
    second = asyncio.create_task(other.updates(5, 30))
    with pytest.raises(VendorUnavailable) as conflict:
        await first
    assert conflict.value.vendor_code == "409"
    await control.post("telegram/message", {"text": "hello"})
    assert len(await second) == 1
    await other.close()


async def test_an_edit_takes_the_keyboard_away_and_may_be_repeated(
    telegram_bot: TelegramBot, control: Any
) -> None:
    message_id = await prompt(telegram_bot)
    assert isinstance(await telegram_bot.edit(CHAT, message_id, "<b>Approved</b>"), Sent)
    assert isinstance(await telegram_bot.edit(CHAT, message_id, "<b>Approved</b>"), Sent)
    assert len(await control.ledger("telegram", "edit")) == 1
    (shown,) = (await control.get("state"))["telegram"]["messages"]
    assert shown["text"] == "<b>SANDBOX</b> <b>Approved</b>" and shown["reply_markup"] is None
    missing = await telegram_bot.edit(CHAT, 4711, "x")
    assert isinstance(missing, NotSent) and missing.permanent


async def test_an_answer_after_the_window_is_too_old(
    telegram_bot: TelegramBot, control: Any
) -> None:
    await prompt(telegram_bot)
    pressed = await control.post("telegram/press", {"newest": True, "verb": "approve"})
    await control.post("clock", {"advance_s": 25})
    outcome = await telegram_bot.answer(pressed["callback_id"], "Approved")
    assert isinstance(outcome, NotSent) and outcome.vendor_code == "too_old"


@pytest.mark.parametrize("kind", ["commit_then_drop", "delay_after_commit", "commit_then_500"])
async def test_a_prompt_that_may_have_been_delivered_is_unknown_and_not_repeated(
    telegram_bot: TelegramBot, control: Any, kind: str
) -> None:
    await control.fault("telegram", SEND, kind, seconds=2)
    assert isinstance(await telegram_bot.send_approval(CHAT, "x", buttons()), Unknown)
    assert len(await control.ledger("telegram", "message")) == 1


async def test_a_page_of_html_instead_of_an_answer_is_unknown(
    telegram_bot: TelegramBot, control: Any
) -> None:
    await control.fault("telegram", SEND, "html_error")
    assert isinstance(await telegram_bot.send(CHAT, "x"), Unknown)


async def test_ok_false_under_200_and_a_cut_body_are_unknown(
    telegram_bot: TelegramBot, control: Any
) -> None:
    await control.fault("telegram", SEND, "status", status=200, body={"ok": False})
    assert isinstance(await telegram_bot.send(CHAT, "x"), Unknown)
    await control.fault("telegram", SEND, "truncate_body")
    assert isinstance(await telegram_bot.send(CHAT, "x"), Unknown)


async def test_a_flood_wait_is_handed_back(telegram_bot: TelegramBot, control: Any) -> None:
    await control.fault("telegram", SEND, "429", retry_after=7)
    outcome = await telegram_bot.send(CHAT, "x")
    assert isinstance(outcome, NotSent)
    assert (outcome.vendor_code, outcome.retry_after_seconds) == ("429", 7.0)


@pytest.mark.parametrize(
    ("status", "body", "permanent"),
    [
        (403, {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked"}, True),
        (400, {"ok": False, "error_code": 400, "description": "Bad Request: no"}, True),
    ],
)
async def test_refusals_are_not_sent(
    telegram_bot: TelegramBot, control: Any, status: int, body: Any, permanent: bool
) -> None:
    await control.fault("telegram", SEND, "status", status=status, body=body)
    outcome = await telegram_bot.send(CHAT, "x")
    assert isinstance(outcome, NotSent) and outcome.permanent is permanent


async def test_an_unknown_chat_is_refused(telegram_bot: TelegramBot) -> None:
    outcome = await telegram_bot.send(12, "x")
    assert isinstance(outcome, NotSent) and "chat not found" in outcome.text.lower()


async def test_nobody_listening_is_not_sent(unused_tcp_port: int) -> None:
    bot = TelegramBot(f"http://127.0.0.1:{unused_tcp_port}/bot", "1:token", "sandbox")
    outcome = await bot.send(CHAT, "x")
    assert isinstance(outcome, NotSent) and outcome.vendor_code == "connect"
    await bot.close()


@pytest.mark.parametrize("token", ["777:wrong-secret-token", "malformed-token"])
async def test_a_bad_token_is_permanent_and_is_not_shown(
    sandbox: PeopleSandbox, token: str
) -> None:
    bot = TelegramBot(sandbox.telegram_url, token, "sandbox")
    with pytest.raises(VendorUnavailable) as refused:
        await bot.login()
    assert refused.value.permanent and token not in str(refused.value)
    outcome = await bot.send(CHAT, "x")
    assert isinstance(outcome, NotSent) and outcome.permanent and token not in outcome.text
    await bot.close()


async def test_markup_that_telegram_refuses_goes_out_as_plain_text_once(
    telegram_bot: TelegramBot, control: Any
) -> None:
    assert isinstance(await telegram_bot.send(CHAT, "<marquee>a &lt; b</marquee>"), Sent)
    (entry,) = await control.ledger("telegram", "message")
    assert entry["content"]["text"] == "SANDBOX a < b" and entry["content"]["parse_mode"] == ""


async def test_a_text_over_the_limit_never_leaves(telegram_bot: TelegramBot, control: Any) -> None:
    for text in ("x" * 4_089, "😀" * 2_045, "<b></b>"):
        outcome = await telegram_bot.send(CHAT, text)
        assert isinstance(outcome, NotSent) and outcome.vendor_code == "LIMIT"
    assert isinstance(await telegram_bot.send(CHAT, "&lt;" * 4_088), Sent)
    assert len(await control.ledger("telegram")) == 1


async def test_an_update_the_library_cannot_read_stops_no_press_behind_it(
    telegram_bot: TelegramBot, control: Any
) -> None:
    strange = {"update_id": 7, "message": {"message_id": "?", "chat": 12}}
    plain = {"update_id": 8}
    body = {"ok": True, "result": [strange, plain]}
    await control.fault("telegram", "/getUpdates$", "status", status=200, body=body)
    assert [update_id for update_id, _ in await telegram_bot.updates(0, 1)] == [7, 8]


@pytest.mark.parametrize("kind", ["drop_before", "html_error", "429"])
async def test_a_failed_poll_says_so_and_loses_nothing(
    telegram_bot: TelegramBot, control: Any, kind: str
) -> None:
    await telegram_bot.login()
    await control.post("telegram/message", {"text": "hello"})
    await control.fault("telegram", "/getUpdates$", kind)
    with pytest.raises(VendorUnavailable):
        await telegram_bot.updates(0, 1)
    assert len(await telegram_bot.updates(0, 1)) == 1


def test_updates_are_cut_out_of_the_body_byte_for_byte() -> None:
    first = '{"update_id": 1,"x":"\\u00e9 ]}","n":1.10}'
    second = '{ "update_id":2 }'
    body = f'{{"ok":true, "note":{{"result":[9]}}, "result" : [ {first} ,\n{second}]}}'
    assert updates_in(body) == [(1, first), (2, second)]
    assert updates_in('{"result":[],"ok":true}') == []
    with pytest.raises(ValueError):
        updates_in('{"ok":true}')
