"""The Discord REST API that discord.py meets in the sandbox.

Started by adapters/people_sandbox/process.py. Speaks log-in, channel, message create, read, edit
and delete, with nonces, rate-limit headers and the vendor's error bodies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil

from adapters.discord.sandbox.validation import FormErrors, invalid_form, message_errors
from adapters.people_sandbox.faults import Fault
from adapters.people_sandbox.ledger import Entry, Json
from adapters.people_sandbox.server import Reply, VendorSandbox, WireRequest, json_reply

_PREFIX = "/api/v10"
_EPOCH_MS = 1_420_070_400_000
_GUILD_ID = "7"
_BOT: Json = {
    "id": "42",
    "username": "striketape",
    "discriminator": "0000",
    "avatar": None,
    "bot": True,
}
_APPLICATION: Json = {
    "id": "43",
    "name": "striketape",
    "description": "",
    "icon": None,
    "bot_public": False,
    "bot_require_code_grant": False,
    "verify_key": "0" * 64,
    "flags": 0,
    "owner": {"id": "44", "username": "owner", "discriminator": "0000", "avatar": None},
}
_HISTORY_MAX = 100
_CONTENT_KEYS = ("content", "embeds", "message_reference", "allowed_mentions")


def snowflake_epoch(snowflake: int) -> float:
    """The time inside an id, epoch seconds."""
    return ((snowflake >> 22) + _EPOCH_MS) / 1000


def _timestamp(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()


def refused(status: int, code: int, message: str) -> Reply:
    return json_reply({"message": message, "code": code}, status)


@dataclass(slots=True)
class _Bucket:
    """Create-message allowance of one channel."""

    left: int
    resets_at: float


@dataclass(slots=True)
class _State:
    messages: dict[int, Json] = field(default_factory=dict)
    nonces: dict[str, tuple[int, float]] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    buckets: dict[str, _Bucket] = field(default_factory=dict)
    last_snowflake: int = 0


class DiscordSandbox(VendorSandbox):
    """Settings: nonce_window_s, messages_per_window, window_s."""

    vendor = "discord"

    def clear(self) -> None:
        self._state = _State()
        self.settings = {"nonce_window_s": 180.0, "messages_per_window": 5.0, "window_s": 5.0}

    def state(self) -> Json:
        return {
            "messages": list(self._state.messages.values()),
            "nonces": len(self._state.nonces),
            "deleted": sorted(str(deleted) for deleted in self._state.deleted),
        }

    async def answer(self, request: WireRequest) -> Reply:
        if request.headers.get("Authorization") != f"Bot {self.world.accounts.discord_token}":
            return refused(401, 0, "401: Unauthorized")
        path = request.path.removeprefix(_PREFIX)
        if request.method == "GET" and path == "/users/@me":
            return json_reply(_BOT)
        if request.method == "GET" and path == "/oauth2/applications/@me":
            return json_reply(_APPLICATION)
        matched = re.fullmatch(r"/channels/(\d+)(/messages(?:/(\d+))?)?", path)
        if matched is None or not request.path.startswith(_PREFIX):
            self.puzzled(request, "no such route")
            return refused(404, 0, "404: Not Found")
        channel = matched[1]
        if int(channel) not in self.world.accounts.discord_channels:
            return refused(404, 10003, "Unknown Channel")
        if matched[2] is None:
            return json_reply(self._channel(channel))
        if matched[3] is None:
            return self._messages(request, channel)
        return self._one_message(request, channel, int(matched[3]))

    def _channel(self, channel: str) -> Json:
        return {
            "id": channel,
            "type": 0,
            "guild_id": _GUILD_ID,
            "name": f"channel-{channel}",
            "position": 0,
            "permission_overwrites": [],
            "nsfw": False,
            "parent_id": None,
        }

    def _messages(self, request: WireRequest, channel: str) -> Reply:
        if request.method == "GET":
            return self._history(request, channel)
        if request.method == "POST":
            return self._create(request, channel)
        self.puzzled(request, "method")
        return refused(405, 0, "405: Method Not Allowed")

    def _create(self, request: WireRequest, channel: str) -> Reply:
        now = self.world.clock.vendor()
        bucket = self._bucket(channel, now)
        if bucket.left <= 0:
            return self._limited(bucket.resets_at - now, "user", via=True)
        bucket.left -= 1
        headers = self._bucket_headers(channel, bucket, now)
        try:
            given = request.json()
        except ValueError:
            return refused(400, 50109, "The request body contains invalid JSON.")
        errors = message_errors(given)
        missing = self._reply_target(given, channel, errors)
        if errors:
            return invalid_form(errors, headers)
        if not str(given.get("content") or "").strip() and not given.get("embeds"):
            return refused(400, 50006, "Cannot send an empty message")
        nonce = str(given.get("nonce") or "")
        twin = self._state.nonces.get(nonce) if nonce and given.get("enforce_nonce") else None
        if twin is not None and now - twin[1] <= self.settings["nonce_window_s"]:
            if twin[0] in self._state.deleted:
                return refused(404, 10008, "Unknown Message")
            return json_reply({**self._state.messages[twin[0]], "nonce": nonce}, headers=headers)
        entry = self._record(given, channel, nonce, is_reply=not missing)
        stored = self._state.messages[int(entry.remote_id)]
        return json_reply({**stored, "nonce": nonce or None}, headers=headers)

    def _reply_target(self, given: Json, channel: str, errors: FormErrors) -> bool:
        """True when there is nothing to reply to; adds an error when that is not allowed."""
        reference = given.get("message_reference")
        if not isinstance(reference, dict):
            return True
        target = self._state.messages.get(int(reference.get("message_id", 0)))
        if target is not None and target["channel_id"] == channel:
            return False
        if reference.get("fail_if_not_exists", True):
            errors["message_reference"] = ("REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return True

    def _record(self, given: Json, channel: str, nonce: str, *, is_reply: bool) -> Entry:
        message_id = self._next_snowflake()
        content = {name: given[name] for name in _CONTENT_KEYS if given.get(name)}
        if not is_reply:
            content.pop("message_reference", None)
        return self.record(
            "message",
            content,
            channel=channel,
            remote_id=str(message_id),
            state={"nonce": nonce},
        )

    def _next_snowflake(self) -> int:
        timed = (int(self.world.clock.vendor() * 1000) - _EPOCH_MS) << 22
        return max(timed, self._state.last_snowflake + 1)

    def apply(self, entry: Entry) -> None:
        message_id = int(entry.remote_id)
        if entry.kind == "message":
            self._state.messages[message_id] = self._message(entry)
            self._state.last_snowflake = message_id
            if entry.state.get("nonce"):
                self._state.nonces[entry.state["nonce"]] = (message_id, entry.vendor_epoch)
        elif entry.kind == "edit":
            message = self._state.messages[message_id]
            message.update(entry.content, edited_timestamp=_timestamp(entry.vendor_epoch))
        elif entry.kind == "delete":
            self._state.messages.pop(message_id, None)
            self._state.deleted.add(message_id)

    def _message(self, entry: Entry) -> Json:
        reference: Json | None = entry.content.get("message_reference")
        target = self._state.messages.get(int(reference["message_id"])) if reference else None
        return {
            "id": entry.remote_id,
            "channel_id": entry.channel,
            "author": _BOT,
            "content": entry.content.get("content", ""),
            "timestamp": _timestamp(snowflake_epoch(int(entry.remote_id))),
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": entry.content.get("embeds", []),
            "pinned": False,
            "type": 19 if reference else 0,
            "flags": 0,
            "components": [],
            **({} if reference is None else _reply_keys(reference, target)),
        }

    def _one_message(self, request: WireRequest, channel: str, message_id: int) -> Reply:
        message = self._state.messages.get(message_id)
        if message is None or message["channel_id"] != channel:
            return refused(404, 10008, "Unknown Message")
        if request.method == "GET":
            return json_reply(message)
        if request.method == "DELETE":
            self.record("delete", {}, channel=channel, remote_id=str(message_id))
            return Reply(204, b"")
        if request.method == "PATCH":
            given = request.json()
            if errors := message_errors(given):
                return invalid_form(errors, {})
            content: Json = {n: given[n] for n in ("content", "embeds") if n in given}
            self.record("edit", content, channel=channel, remote_id=str(message_id))
            return json_reply(self._state.messages[message_id])
        self.puzzled(request, "method")
        return refused(405, 0, "405: Method Not Allowed")

    def _history(self, request: WireRequest, channel: str) -> Reply:
        """Newest first in every mode; `after` takes the oldest ones behind the given id."""
        if request.meets("list_hidden"):
            return json_reply([])
        limit = min(int(request.argument("limit", "50")), _HISTORY_MAX)
        before, after = request.argument("before"), request.argument("after")
        ids = sorted(
            message_id
            for message_id, message in self._state.messages.items()
            if message["channel_id"] == channel
            and (not before or message_id < int(before))
            and (not after or message_id > int(after))
        )
        chosen = ids[:limit] if after else ids[-limit:]
        return json_reply([self._state.messages[chosen_id] for chosen_id in reversed(chosen)])

    def _bucket(self, channel: str, now: float) -> _Bucket:
        bucket = self._state.buckets.get(channel)
        if bucket is None or now >= bucket.resets_at:
            allowance = int(self.settings["messages_per_window"])
            bucket = _Bucket(allowance, now + self.settings["window_s"])
            self._state.buckets[channel] = bucket
        return bucket

    def _bucket_headers(self, channel: str, bucket: _Bucket, now: float) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(int(self.settings["messages_per_window"])),
            "X-RateLimit-Remaining": str(bucket.left),
            "X-RateLimit-Reset": f"{bucket.resets_at:.3f}",
            "X-RateLimit-Reset_After": f"{bucket.resets_at - now:.3f}",
            "X-RateLimit-Bucket": f"create-{channel}",
        }

    def _limited(self, seconds: float, scope: str, *, via: bool) -> Reply:
        body = {
            "message": "You are being rate limited.",
            "retry_after": round(seconds, 3),
            "global": scope == "global",
        }
        headers = {"Retry-After": str(ceil(seconds)), "X-RateLimit-Scope": scope}
        if scope == "global":
            headers["X-RateLimit-Global"] = "true"
        if via:
            headers["Via"] = "1.1 google"
        return json_reply(body, 429, headers=headers)

    def too_many(self, fault: Fault) -> Reply:
        """Action: retry_after, scope (user, global, shared), via (false: as Cloudflare does)."""
        via = bool(fault.action.get("via", True))
        return self._limited(fault.number("retry_after", 0.3), fault.text("scope", "user"), via=via)


def _reply_keys(reference: Json, target: Json | None) -> Json:
    """The keys that only a reply has; ids arrive as numbers and leave as strings."""
    kept = ("message_id", "channel_id", "guild_id")
    shown = {name: str(reference[name]) for name in kept if name in reference}
    return {"message_reference": shown, "referenced_message": target}
