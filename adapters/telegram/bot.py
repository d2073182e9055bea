"""The desk's Telegram bot: prompts with buttons, edits, answers to presses, and polling.

Used by run/outbox (sending) and run/telegram (polling and answering). Polling hands out updates
verbatim and confirms nothing by itself: the caller stores them, then asks with the next offset.
Nothing is ever repeated here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
)
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from adapters.outcome import NotSent, SendOutcome, Sent, Unknown, VendorUnavailable
from adapters.redaction import hide_in_logs, redacted
from adapters.telegram.text import TEXT_MAX, escaped, visible_length, without_markup

ANSWER_MAX = 200
POLL_SECONDS_MAX = 50
_LOGGERS = ("httpx", "telegram.Bot", "telegram.ext.ExtBot", "telegram.request")
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)
_log = logging.getLogger(__name__)


class _FloodWait(TelegramError):
    """A 429. The library's own exception warns of a coming change of its type on every use."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__("Too Many Requests")
        self.seconds = seconds


class _Request(HTTPXRequest):
    """Keeps the last body as it came in, for updates are recorded verbatim, and reads 429s."""

    last_body = b""

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        self.last_body = b""
        status, body = await super().do_request(*args, **kwargs)
        self.last_body = body
        if status == 429:
            raise _FloodWait(_stated_wait(body))
        return status, body


def _stated_wait(body: bytes) -> float | None:
    try:
        return float(json.loads(body)["parameters"]["retry_after"])
    except _UNREADABLE:
        return None


def updates_in(body: str) -> list[tuple[int, str]]:
    """(update_id, verbatim JSON text) of each update in a getUpdates answer, in its order.

    Raises:
        ValueError: not an answer with a list of updates.
    """
    answer = json.loads(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("result"), list):
        raise ValueError("an answer must have a list named result, had none")
    decoder = json.JSONDecoder()
    place = _start_of_result(body, decoder)
    updates: list[tuple[int, str]] = []
    for _ in answer["result"]:
        while body[place] in " \t\r\n,":
            place += 1
        update, end = decoder.raw_decode(body, place)
        updates.append((int(update["update_id"]), body[place:end]))
        place = end
    return updates


def _start_of_result(body: str, decoder: json.JSONDecoder) -> int:
    """The place behind the bracket that opens the value of the outermost key `result`."""
    place = body.index("{") + 1
    while True:
        while body[place] in " \t\r\n,":
            place += 1
        key, place = decoder.raw_decode(body, place)
        while body[place] in " \t\r\n:":
            place += 1
        if key == "result":
            return place + 1
        _, place = decoder.raw_decode(body, place)


class TelegramBot:
    """`base_url` ends in /bot, as in https://api.telegram.org/bot; the token is added to it.

    Every message and answer begins with `mode`: whoever reads it on a phone sees nothing else that
    tells whether money is at stake.
    """

    def __init__(self, base_url: str, token: str, mode: str, *, read_seconds: float = 20.0) -> None:
        self._token = token
        self._mode = escaped(mode.upper())
        hide_in_logs(_LOGGERS, (token,))
        self._poll_request = _Request(
            connection_pool_size=1, read_timeout=10, connect_timeout=5, pool_timeout=5
        )
        self._send_request = _Request(
            connection_pool_size=8,
            read_timeout=read_seconds,
            write_timeout=read_seconds,
            connect_timeout=5,
            pool_timeout=5,
        )
        self._bot = Bot(
            token,
            base_url=base_url,
            request=self._send_request,
            get_updates_request=self._poll_request,
        )
        self._is_open = False

    async def login(self) -> None:
        """Check the token. Raises VendorUnavailable, permanent when the token is refused."""
        if self._is_open:
            return
        try:
            await self._bot.initialize()
        except (TelegramError, *_UNREADABLE) as error:
            raise self._unavailable(error) from None
        self._is_open = True

    async def close(self) -> None:
        await self._bot.shutdown()
        # A bot whose log-in failed does not close what it had opened.
        await self._poll_request.shutdown()
        await self._send_request.shutdown()
        self._is_open = False

    async def send_approval(
        self, chat_id: int, text_html: str, buttons: Sequence[tuple[str, str]]
    ) -> SendOutcome:
        """A prompt with one row of (label, data) buttons.

        After Unknown it may be sent again: both prompts lead to the same approval.
        """
        row = [InlineKeyboardButton(label, callback_data=data) for label, data in buttons]
        return await self._send(chat_id, text_html, InlineKeyboardMarkup([row]))

    async def send(self, chat_id: int, html: str) -> SendOutcome:
        """A plain message: a page or an answer to a command."""
        return await self._send(chat_id, html, None)

    async def _send(
        self, chat_id: int, html: str, markup: InlineKeyboardMarkup | None
    ) -> SendOutcome:
        html = self._labelled(html)
        if wrong := _wrong_length(html):
            return NotSent(permanent=True, vendor_code="LIMIT", text=wrong)
        outcome = await self._outcome(
            lambda: self._bot.send_message(
                chat_id,
                html,
                parse_mode=ParseMode.HTML,
                reply_markup=markup,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        )
        if not _is_markup_refusal(outcome):
            return outcome
        _log.warning("telegram refused our markup; sent again as plain text")
        return await self._outcome(
            lambda: self._bot.send_message(chat_id, without_markup(html), reply_markup=markup)
        )

    async def edit(self, chat_id: int, message_id: int, html: str) -> SendOutcome:
        """Replace the text and remove the keyboard; safe to repeat."""
        html = self._labelled(html)
        if wrong := _wrong_length(html):
            return NotSent(permanent=True, vendor_code="LIMIT", text=wrong)
        outcome = await self._outcome(
            lambda: self._bot.edit_message_text(
                html,
                chat_id=chat_id,
                message_id=message_id,
                parse_mode=ParseMode.HTML,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        )
        if isinstance(outcome, NotSent) and "message is not modified" in outcome.text.lower():
            return Sent(remote_id=str(message_id), remote_at=None)
        return outcome

    async def answer(self, callback_id: str, text: str) -> SendOutcome:
        """Tell the presser; too late is NotSent `too_old`, and no harm: the press is stored."""
        labelled = without_markup(f"{self._mode}: ") + text
        outcome = await self._outcome(
            lambda: self._bot.answer_callback_query(callback_id, text=labelled[:ANSWER_MAX])
        )
        if isinstance(outcome, NotSent) and "query is too old" in outcome.text.lower():
            return NotSent(permanent=True, vendor_code="too_old", text=outcome.text)
        return outcome

    async def updates(self, offset: int, timeout_seconds: int) -> list[tuple[int, str]]:
        """Wait for updates from `offset` on; what is below it is confirmed and gone for good.

        Raises:
            VendorUnavailable: try again; code 409 says that another instance is polling.
        """
        try:
            await self._bot.get_updates(
                offset=offset,
                timeout=min(timeout_seconds, POLL_SECONDS_MAX),
                allowed_updates=["message", "callback_query"],
            )
        except TelegramError as error:
            raise self._unavailable(error) from None
        except _UNREADABLE:
            # The library cannot read an update that it does not know. The body can be read: one
            # strange update must not stop all presses behind it.
            _log.warning("telegram sent an update that the client library cannot read")
        try:
            return updates_in(self._poll_request.last_body.decode())
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise VendorUnavailable("unreadable", self._text(error)) from None

    def _labelled(self, html: str) -> str:
        """With the mode before it; nothing stays nothing, so that it is refused."""
        return f"<b>{self._mode}</b> {html}" if visible_length(html) else html

    async def _outcome(self, call: Callable[[], Awaitable[Message | bool]]) -> SendOutcome:
        try:
            await self.login()
        except VendorUnavailable as error:
            return error.as_not_sent()
        try:
            result = await call()
        except TelegramError as error:
            return self._sorted(error)
        except _UNREADABLE as error:
            return Unknown(f"the answer cannot be read: {type(error).__name__}")
        if isinstance(result, Message):
            return Sent(remote_id=str(result.message_id), remote_at=result.date)
        return Sent(remote_id="", remote_at=None)

    def _sorted(self, error: TelegramError) -> NotSent | Unknown:
        """The bin of a failure. BadRequest and TimedOut are NetworkErrors in the library."""
        text = self._text(error)
        if isinstance(error, InvalidToken):
            return NotSent(True, "401", "the token must be valid, was refused")
        if isinstance(error, _FloodWait):
            return NotSent(False, "429", text, error.seconds)
        if isinstance(error, ChatMigrated):
            return NotSent(True, "migrated", f"the chat is now {error.new_chat_id}")
        if isinstance(error, Forbidden):
            return NotSent(True, "403", text)
        if isinstance(error, BadRequest):
            return NotSent(True, "400", text)
        if isinstance(error, Conflict):
            return NotSent(False, "409", text)
        if isinstance(error.__cause__, _NEVER_LEFT):
            return NotSent(False, "connect", text)
        if isinstance(error, TimedOut):
            return Unknown("no answer in time")
        if isinstance(error, NetworkError):
            return Unknown(text)
        return Unknown(f"{type(error).__name__}: {text}")

    def _unavailable(self, error: Exception) -> VendorUnavailable:
        if not isinstance(error, TelegramError):
            return VendorUnavailable("unreadable", type(error).__name__)
        outcome = self._sorted(error)
        if isinstance(outcome, Unknown):
            return VendorUnavailable("network", outcome.reason)
        return VendorUnavailable(
            outcome.vendor_code,
            outcome.text,
            permanent=outcome.permanent,
            retry_after_seconds=outcome.retry_after_seconds,
        )

    def _text(self, error: Exception) -> str:
        return redacted(str(error), (self._token,))


def _wrong_length(html: str) -> str:
    length = visible_length(html)
    if not 1 <= length <= TEXT_MAX:
        return f"a message must have 1 to {TEXT_MAX} visible characters, was {length}"
    return ""


def _is_markup_refusal(outcome: SendOutcome) -> bool:
    return isinstance(outcome, NotSent) and "can't parse entities" in outcome.text.lower()
