"""The X API v2 that tweepy meets in the sandbox.

Started by adapters/people_sandbox/process.py. Checks signatures, refuses duplicates and a second
cashtag, replaces links by t.co and escapes markup in what it gives back, as the vendor does.
"""

from __future__ import annotations

import hmac
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.people_sandbox.faults import Fault
from adapters.people_sandbox.ledger import Entry, Json
from adapters.people_sandbox.server import Reply, VendorSandbox, WireRequest, json_reply
from adapters.x.sandbox.signature import (
    TIMESTAMP_SECONDS_MAX,
    authorization_parts,
    expected_signature,
)
from adapters.x.text import POST_WEIGHT_MAX, cashtags, links, normalised, weighted_length

_DUPLICATE = "You are not allowed to create a Tweet with duplicate content."
_EPOCH_MS = 1_288_834_974_657
_NONCES_MAX = 10_000


def _problem(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Reply:
    body = {"detail": detail, "type": "about:blank", "title": title, "status": status}
    return json_reply(body, status, headers)


@dataclass(slots=True)
class _State:
    posts: dict[str, Json] = field(default_factory=dict)
    nonces: dict[str, None] = field(default_factory=dict)
    last_id: int = 0
    window: int = 0
    used: int = 0


class XSandbox(VendorSandbox):
    """Settings: duplicate_window_s, posts_per_window, window_s."""

    vendor = "x"

    def clear(self) -> None:
        self._state = _State()
        self.settings = {
            "duplicate_window_s": 86_400.0,
            "posts_per_window": 100.0,
            "window_s": 900.0,
        }

    def state(self) -> Json:
        return {"posts": list(self._state.posts.values())}

    async def answer(self, request: WireRequest) -> Reply:
        why = self._unauthorized(request)
        if why:
            return _problem(401, "Unauthorized", why)
        user = self.world.accounts.x_user_id
        if request.method == "POST" and request.path == "/2/tweets":
            return self._post(request)
        if request.method == "GET" and request.path == "/2/users/me":
            me = {"id": user, "name": "Striketape", "username": "striketape"}
            return json_reply({"data": me})
        if request.method == "GET" and request.path == f"/2/users/{user}/tweets":
            return self._timeline(request)
        deleted = re.fullmatch(r"/2/tweets/(\d+)", request.path)
        if request.method == "DELETE" and deleted is not None:
            if deleted[1] in self._state.posts:
                self.record("delete", {}, channel=user, remote_id=deleted[1])
            return json_reply({"data": {"deleted": True}})
        self.puzzled(request, "no such route")
        return _problem(404, "Not Found", "no such route")

    def _unauthorized(self, request: WireRequest) -> str:
        """Why the signature is refused; empty when it is good."""
        accounts = self.world.accounts
        parts = authorization_parts(request.headers.get("Authorization", ""))
        if (parts.get("oauth_consumer_key"), parts.get("oauth_token")) != (
            accounts.x_consumer_key,
            accounts.x_access_token,
        ):
            return "Unauthorized"
        age = abs(self.world.clock.real() - float(parts.get("oauth_timestamp", "0")))
        if age > TIMESTAMP_SECONDS_MAX:
            return "Timestamp out of bounds"
        expected = expected_signature(
            request.method,
            request.path,
            request.query,
            parts,
            accounts.x_consumer_secret,
            accounts.x_access_token_secret,
        )
        if not hmac.compare_digest(parts.get("oauth_signature", ""), expected):
            return "Could not authenticate you"
        nonce = parts.get("oauth_nonce", "")
        if nonce in self._state.nonces:
            return "Nonce already used"
        self._state.nonces[nonce] = None
        while len(self._state.nonces) > _NONCES_MAX:
            self._state.nonces.pop(next(iter(self._state.nonces)))
        return ""

    def _post(self, request: WireRequest) -> Reply:
        given = request.json()
        text = str(given.get("text", ""))
        unknown = set(given) - {"text", "reply", "media"}
        if unknown or not text.strip():
            detail = f"One or more parameters to your request was invalid: {sorted(unknown)}"
            body = {"errors": [{"message": detail}], "title": "Invalid Request", "detail": detail}
            kind = "https://api.twitter.com/2/problems/invalid-request"
            return json_reply({**body, "type": kind}, 400)
        now = self.world.clock.vendor()
        headers, left = self._rate(now)
        if left < 0:
            return _problem(429, "Too Many Requests", "Too Many Requests", headers)
        if weighted_length(text) > POST_WEIGHT_MAX:
            return _problem(403, "Forbidden", "Your Tweet text is too long.", headers)
        if len(cashtags(text)) > 1:
            return _problem(403, "Forbidden", "Posts may have one cashtag.", headers)
        if self._is_duplicate(text, now):
            return _problem(403, "Forbidden", _DUPLICATE, headers)
        post_id = max((int(now * 1000) - _EPOCH_MS) << 22, self._state.last_id + 1)
        user = self.world.accounts.x_user_id
        self.record("tweet", {"text": text}, channel=user, remote_id=str(post_id))
        data = {**self._state.posts[str(post_id)]}
        shown = {"id": data["id"], "text": data["text"], "edit_history_tweet_ids": [data["id"]]}
        return json_reply({"data": shown}, 201, headers)

    def _is_duplicate(self, text: str, now: float) -> bool:
        window = self.settings["duplicate_window_s"]
        return any(
            normalised(post["given"]) == normalised(text) and now - post["epoch"] <= window
            for post in self._state.posts.values()
        )

    def _rate(self, now: float) -> tuple[dict[str, str], int]:
        window = int(now // self.settings["window_s"])
        if window != self._state.window:
            self._state.window, self._state.used = window, 0
        self._state.used += 1
        limit = int(self.settings["posts_per_window"])
        left = limit - self._state.used
        headers = {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(max(left, 0)),
            "x-rate-limit-reset": str(int((window + 1) * self.settings["window_s"])),
        }
        return headers, left

    def too_many(self, fault: Fault) -> Reply:
        """Action: retry_after, seconds until the stated reset."""
        reset = int(self.world.clock.real() + fault.number("retry_after", 60))
        headers = {
            "x-rate-limit-limit": "100",
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": str(reset),
        }
        return _problem(429, "Too Many Requests", "Too Many Requests", headers)

    def apply(self, entry: Entry) -> None:
        if entry.kind == "delete":
            self._state.posts.pop(entry.remote_id, None)
            return
        given = entry.content["text"]
        shown, urls = html.escape(given, quote=False), []
        for index, link in enumerate(links(given)):
            short = f"https://t.co/{entry.sequence:06d}{index:04d}"
            expanded = link if "://" in link else f"http://{link}"
            shown = shown.replace(html.escape(link, quote=False), short, 1)
            urls.append({"url": short, "expanded_url": expanded})
        created = datetime.fromtimestamp(entry.vendor_epoch, UTC)
        self._state.last_id = int(entry.remote_id)
        self._state.posts[entry.remote_id] = {
            "id": entry.remote_id,
            "text": shown,
            "given": given,
            "epoch": entry.vendor_epoch,
            "created_at": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "entities": {"urls": urls} if urls else {},
        }

    def _timeline(self, request: WireRequest) -> Reply:
        size = int(request.argument("max_results", "10"))
        if not 5 <= size <= 100:
            return _problem(400, "Invalid Request", "max_results must be between 5 and 100")
        start = request.argument("start_time")
        earliest = datetime.fromisoformat(start).timestamp() if start else 0.0
        latest = self.world.clock.vendor()
        if request.fault is not None and request.fault.kind == "stale_timeline":
            latest -= request.fault.number("seconds", 30)
        found = [p for p in self._state.posts.values() if earliest <= p["epoch"] <= latest]
        if request.meets("list_hidden"):
            found = []
        chosen = [self._shown(post) for post in reversed(found)][:size]
        meta: Json = {"result_count": len(chosen)}
        if not chosen:
            return json_reply({"meta": meta})
        meta |= {"newest_id": chosen[0]["id"], "oldest_id": chosen[-1]["id"]}
        return json_reply({"data": chosen, "meta": meta})

    @staticmethod
    def _shown(post: Json) -> dict[str, Any]:
        names = ("id", "text", "created_at", "entities")
        shown = {name: post[name] for name in names if post[name]}
        return {**shown, "edit_history_tweet_ids": [post["id"]]}
