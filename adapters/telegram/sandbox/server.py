"""The Telegram Bot API that python-telegram-bot meets in the sandbox.

Started by adapters/people_sandbox/process.py, whose control plane presses buttons and writes
messages as a person would. Updates wait until a poll confirms them by asking for what follows.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from adapters.people_sandbox.faults import Fault
from adapters.people_sandbox.ledger import Entry, Json
from adapters.people_sandbox.server import Reply, VendorSandbox, WireRequest, json_reply
from adapters.telegram.sandbox.markup import MarkupError, visible_text

TEXT_MAX = 4_096
RAW_BYTES_MAX = 32 * 1024
BUTTON_BYTES_MAX = 64
POLL_SECONDS_MAX = 50.0
UPDATE_SECONDS_MAX = 86_400.0
_FIRST_UPDATE = 1_000
_FIRST_MESSAGE = 100
_BOT: Json = {"id": 777, "is_bot": True, "first_name": "Striketape", "username": "desk_bot"}
_CONFLICT = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is "
    "running"
)
_TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"
_NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are "
    "exactly the same as a current content and reply markup of the message"
)


class PressError(LookupError):
    """There is no such button to press; the text says what there is."""


class _Refused(Exception):
    """A method call that the vendor answers with 400 and this description."""


def _ok(result: object) -> Reply:
    return json_reply({"ok": True, "result": result})


def _failed(code: int, description: str, **parameters: int) -> Reply:
    body: Json = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    return json_reply(body, code)


@dataclass(slots=True)
class _State:
    messages: dict[int, Json] = field(default_factory=dict)
    updates: dict[int, tuple[Json, float]] = field(default_factory=dict)
    queries: dict[str, float] = field(default_factory=dict)
    """Callback query id to the time of the press."""
    last_message: int = _FIRST_MESSAGE
    last_update: int = _FIRST_UPDATE


class TelegramSandbox(VendorSandbox):
    """Settings: callback_window_s."""

    vendor = "telegram"

    def clear(self) -> None:
        self._state = _State()
        self.settings = {"callback_window_s": 20.0}
        self._arrived = asyncio.Event()
        self._poll = 0
        self._last_poll = (0, 0.0)

    def shown_path(self, path: str) -> str:
        """The token is part of every path; `/bot/<method>` is what faults match."""
        return "/bot/" + path.rpartition("/")[2]

    def state(self) -> Json:
        return {
            "messages": list(self._state.messages.values()),
            "updates_waiting": sorted(self._state.updates),
            "last_update": self._state.last_update,
        }

    async def answer(self, request: WireRequest) -> Reply:
        token, _, method = request.path.removeprefix("/bot").partition("/")
        if ":" not in token:
            return _failed(404, "Not Found")
        if token != self.world.accounts.telegram_token:
            return _failed(401, "Unauthorized")
        given = request.form()
        try:
            match method.lower():
                case "getme":
                    return _ok(_BOT)
                case "getupdates":
                    return await self._get_updates(given, request.fault)
                case "sendmessage":
                    return self._send(given)
                case "editmessagetext" | "editmessagereplymarkup":
                    return self._edit(given)
                case "answercallbackquery":
                    return self._answer_query(given)
                case "deletewebhook":
                    return _ok(True)
        except _Refused as refused:
            return _failed(400, f"Bad Request: {refused}")
        self.puzzled(request, "no such method")
        return _failed(404, "Not Found")

    def too_many(self, fault: Fault) -> Reply:
        """Action: retry_after, whole seconds."""
        seconds = int(fault.number("retry_after", 1))
        return _failed(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)

    def _text(self, given: dict[str, str]) -> str:
        """The checked text of a message as it was given."""
        raw = given.get("text", "")
        if len(raw.encode()) > RAW_BYTES_MAX:
            raise _Refused("text is too long")
        shown = raw.strip()
        if given.get("parse_mode", "").upper() == "HTML":
            try:
                shown = visible_text(raw)
            except MarkupError as error:
                raise _Refused(f"can't parse entities: {error}") from None
        if not shown:
            raise _Refused("message text is empty")
        if len(shown) > TEXT_MAX:
            raise _Refused("message is too long")
        return raw

    @staticmethod
    def _markup(given: dict[str, str]) -> Json | None:
        if not given.get("reply_markup"):
            return None
        markup: Json = json.loads(given["reply_markup"])
        for row in markup.get("inline_keyboard", []):
            for button in row:
                size = len(str(button.get("callback_data", "-")).encode())
                if not 1 <= size <= BUTTON_BYTES_MAX:
                    raise _Refused("BUTTON_DATA_INVALID")
        return markup

    def _chat(self, given: dict[str, str]) -> int:
        chat = given.get("chat_id", "")
        if chat not in map(str, self.world.accounts.telegram_chats):
            raise _Refused("chat not found")
        return int(chat)

    def _send(self, given: dict[str, str]) -> Reply:
        chat, text, markup = self._chat(given), self._text(given), self._markup(given)
        reply_to = json.loads(given.get("reply_parameters", "{}")).get("message_id")
        if reply_to is not None and reply_to not in self._state.messages:
            raise _Refused("message to be replied not found")
        content = {
            "chat_id": chat,
            "text": text,
            "parse_mode": given.get("parse_mode", ""),
            "reply_markup": markup,
        }
        message_id = self._state.last_message + 1
        self.record("message", content, channel=str(chat), remote_id=str(message_id))
        return _ok(self._public(self._state.messages[message_id]))

    def _edit(self, given: dict[str, str]) -> Reply:
        chat = self._chat(given)
        message = self._state.messages.get(int(given.get("message_id", "0")))
        if message is None or message["chat"]["id"] != chat:
            raise _Refused("message to edit not found")
        if message["from"]["id"] != _BOT["id"]:
            raise _Refused("message can't be edited")
        text = self._text(given) if "text" in given else message["text"]
        markup = self._markup(given)
        if text == message["text"] and markup == message.get("reply_markup"):
            return _failed(400, _NOT_MODIFIED)
        content = {"chat_id": chat, "text": text, "reply_markup": markup}
        self.record("edit", content, channel=str(chat), remote_id=str(message["message_id"]))
        return _ok(self._public(message))

    def _answer_query(self, given: dict[str, str]) -> Reply:
        query = given.get("callback_query_id", "")
        pressed_at = self._state.queries.get(query)
        age = None if pressed_at is None else self.world.clock.vendor() - pressed_at
        if age is None or age > self.settings["callback_window_s"]:
            return _failed(400, _TOO_OLD)
        if len(given.get("text", "")) > 200:
            raise _Refused("MESSAGE_TOO_LONG")
        self.record("answer", {"text": given.get("text", "")}, remote_id=query)
        return _ok(True)

    @staticmethod
    def _public(message: Json) -> Json:
        return {name: value for name, value in message.items() if value is not None}

    def apply(self, entry: Entry) -> None:
        state = self._state
        if entry.kind == "message":
            state.last_message = int(entry.remote_id)
            state.messages[state.last_message] = self._message(entry, _BOT)
        elif entry.kind == "edit":
            message = state.messages[int(entry.remote_id)]
            message.update(
                text=entry.content["text"],
                reply_markup=entry.content["reply_markup"],
                edit_date=int(entry.vendor_epoch),
            )
        elif entry.kind in ("press", "incoming"):
            update_id = int(entry.state["update_id"])
            state.last_update = update_id
            state.updates[update_id] = (entry.state, entry.vendor_epoch)
            if entry.kind == "press":
                state.queries[entry.remote_id] = entry.vendor_epoch
            else:
                message = entry.state["message"]
                state.last_message = message["message_id"]
                state.messages[state.last_message] = message
            self._arrived.set()
        elif entry.kind == "confirmed":
            for update_id in [u for u in state.updates if u < entry.content["offset"]]:
                del state.updates[update_id]

    @staticmethod
    def _message(entry: Entry, sender: Json) -> Json:
        chat = entry.content["chat_id"]
        return {
            "message_id": int(entry.remote_id),
            "date": int(entry.vendor_epoch),
            "chat": {"id": chat, "type": "private" if chat > 0 else "group"},
            "from": sender,
            "text": entry.content["text"],
            "reply_markup": entry.content.get("reply_markup"),
        }

    async def _get_updates(self, given: dict[str, str], fault: Fault | None) -> Reply:
        """Long poll; a second poller ends the first, as the vendor does."""
        offset, limit = int(given.get("offset", "0")), int(given.get("limit", "100"))
        wait = min(float(given.get("timeout", "0")), POLL_SECONDS_MAX)
        self._poll += 1
        mine = self._poll
        self._arrived.set()
        now = asyncio.get_running_loop().time()
        same_offset, since = self._last_poll[0] == offset, now - self._last_poll[1]
        if same_offset and since < 3.0 and self._last_poll[1]:
            wait = max(wait, 3.0)
            limit = 1 if since < 0.5 else limit
        self._last_poll = (offset, now)
        self._confirm(offset)
        found = await self._wait_for_updates(mine, now + wait, limit)
        if found is None:
            return _failed(409, _CONFLICT)
        if fault is not None and fault.kind == "duplicate_update":
            found = [*found, *found[-1:]]
        if fault is not None and fault.kind == "reorder_updates":
            found = found[::-1]
        return _ok(found)

    def _confirm(self, offset: int) -> None:
        waiting = sorted(self._state.updates)
        if offset < 0:
            offset = waiting[max(offset, -len(waiting))] if waiting else 0
        if waiting and waiting[0] < offset:
            self.record("confirmed", {"offset": offset}, is_effect=False)

    async def _wait_for_updates(self, mine: int, until: float, limit: int) -> list[Json] | None:
        """Waiting updates; empty at the end of the wait; None when another poll took over."""
        loop = asyncio.get_running_loop()
        while True:
            if self._poll != mine:
                return None
            oldest = self.world.clock.vendor() - UPDATE_SECONDS_MAX
            alive = [u for u, at in self._state.updates.values() if at >= oldest]
            left = until - loop.time()
            if alive or left <= 0:
                return sorted(alive, key=lambda update: int(update["update_id"]))[:limit]
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                continue

    def press(self, message_id: int | None, button: str, user_id: int) -> Json:
        """Press a button by its text or by the verb in its data; None is the newest keyboard.

        Raises:
            PressError: no such message, keyboard or button.
        """
        with_keyboard = [
            number
            for number, message in self._state.messages.items()
            if (message.get("reply_markup") or {}).get("inline_keyboard")
        ]
        chosen = max(with_keyboard, default=0) if message_id is None else message_id
        if chosen not in with_keyboard:
            raise PressError(f"message must have a keyboard, those are {with_keyboard}")
        message = self._state.messages[chosen]
        rows = message["reply_markup"]["inline_keyboard"]
        buttons = [one for row in rows for one in row]
        for one in buttons:
            data = str(one.get("callback_data", ""))
            if button.lower() in (one["text"].lower(), data, *data.lower().split(":")[1:2]):
                return self._pressed(message, data, user_id)
        raise PressError(f"button must be one of {[one['text'] for one in buttons]}, was {button}")

    def _pressed(self, message: Json, data: str, user_id: int) -> Json:
        update_id = self._state.last_update + 1
        query_id = f"{4_000_000 + update_id}"
        query = {
            "id": query_id,
            "from": _person(user_id),
            "message": self._public(message),
            "chat_instance": "-33",
            "data": data,
        }
        self.record(
            "press",
            {"data": data, "user_id": user_id},
            is_effect=False,
            channel=str(message["chat"]["id"]),
            remote_id=query_id,
            state={"update_id": update_id, "callback_query": query},
        )
        return {"update_id": update_id, "callback_id": query_id, "data": data}

    def write(self, text: str, user_id: int, reply_to: int | None) -> Json:
        """A person writes to the bot."""
        update_id, message_id = self._state.last_update + 1, self._state.last_message + 1
        message: Json = {
            "message_id": message_id,
            "date": int(self.world.clock.vendor()),
            "chat": {"id": user_id, "type": "private"},
            "from": _person(user_id),
            "text": text,
        }
        if reply_to is not None and reply_to in self._state.messages:
            message["reply_to_message"] = self._public(self._state.messages[reply_to])
        self.record(
            "incoming",
            {"text": text, "user_id": user_id},
            is_effect=False,
            channel=str(user_id),
            remote_id=str(message_id),
            state={"update_id": update_id, "message": message},
        )
        return {"update_id": update_id, "message_id": message_id}


def _person(user_id: int) -> Json:
    return {"id": user_id, "is_bot": False, "first_name": f"Operator {user_id}"}
