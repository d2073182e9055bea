"""The Reddit API that praw meets in the sandbox.

Started by adapters/people_sandbox/process.py. Token grants, submit with the vendor's errors in
200 answers, and the listing of own submissions. It has no idempotency of any kind, as the vendor.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field, replace

from adapters.people_sandbox.faults import Fault
from adapters.people_sandbox.ledger import Entry, Json
from adapters.people_sandbox.server import Reply, VendorSandbox, WireRequest, json_reply

TITLE_MAX = 300
TEXT_MAX = 40_000
_FIRST_NUMBER = 60_466_176
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_RATELIMIT_TEXT = (
    "Looks like you've been doing that a lot. Take a break for 9 minutes before trying again."
)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def _errors(*errors: tuple[str, str, str]) -> Json:
    return {"json": {"errors": [list(error) for error in errors]}}


@dataclass(slots=True)
class _State:
    posts: list[Json] = field(default_factory=list)
    tokens: dict[str, float] = field(default_factory=dict)
    issued: int = 0


class RedditSandbox(VendorSandbox):
    """Settings: token_seconds."""

    vendor = "reddit"

    def clear(self) -> None:
        self._state = _State()
        self.settings = {"token_seconds": 86_400.0}

    def state(self) -> Json:
        return {"posts": self._state.posts, "tokens_issued": self._state.issued}

    async def answer(self, request: WireRequest) -> Reply:
        if request.path == "/api/v1/access_token":
            return self._limits(self._token(request))
        if not self._is_signed_in(request):
            return self._limits(json_reply({"message": "Unauthorized", "error": 401}, 401))
        name = self.world.accounts.reddit_username
        listing = re.fullmatch(rf"/user/{name}/submitted/?", request.path)
        if request.method == "POST" and request.path == "/api/submit/":
            return self._limits(self._submit(request))
        if request.method == "GET" and listing is not None:
            return self._limits(self._listing(request))
        if request.method == "GET" and request.path == "/api/v1/me":
            return self._limits(json_reply({"id": "u1", "name": name}))
        self.puzzled(request, "no such route")
        return self._limits(json_reply({"message": "Not Found", "error": 404}, 404))

    @staticmethod
    def _limits(reply: Reply) -> Reply:
        """The client paces itself from these three; they never ask for a pause here."""
        headers = {
            "x-ratelimit-remaining": "590.0",
            "x-ratelimit-used": "10",
            "x-ratelimit-reset": "1",
        }
        return replace(reply, headers={**reply.headers, **headers})

    def too_many(self, fault: Fault) -> Reply:
        """Action: retry_after, seconds."""
        seconds = str(int(fault.number("retry_after", 5)))
        body = {"message": "Too Many Requests", "error": 429}
        return self._limits(json_reply(body, 429, {"retry-after": seconds}))

    def _token(self, request: WireRequest) -> Reply:
        accounts = self.world.accounts
        pair = f"{accounts.reddit_client_id}:{accounts.reddit_client_secret}".encode()
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(pair).decode()}":
            return json_reply({"message": "Unauthorized", "error": 401}, 401)
        given = request.form()
        by_password = given.get("grant_type") == "password" and (
            given.get("username"),
            given.get("password"),
        ) == (accounts.reddit_username, accounts.reddit_password)
        by_refresh = (
            given.get("grant_type") == "refresh_token"
            and given.get("refresh_token") == accounts.reddit_refresh_token
        )
        if not (by_password or by_refresh):
            return json_reply({"error": "invalid_grant"})
        self._state.issued += 1
        token = f"sandbox-access-{self.world.seed}-{self._state.issued}"
        seconds = self.settings["token_seconds"]
        self._state.tokens[token] = self.world.clock.vendor() + seconds
        body = {"access_token": token, "token_type": "bearer", "scope": "*"}
        return json_reply({**body, "expires_in": int(seconds)})

    def _is_signed_in(self, request: WireRequest) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        expires = self._state.tokens.get(token, 0.0)
        return scheme.lower() == "bearer" and expires > self.world.clock.vendor()

    def _submit(self, request: WireRequest) -> Reply:
        given = request.form()
        wrong = self._wrong(given)
        if wrong is not None:
            return json_reply(_errors(wrong))
        post_id = _base36(_FIRST_NUMBER + len(self._state.posts))
        content = {
            "subreddit": given["sr"],
            "title": given["title"],
            "text": given.get("text", ""),
            "flair_id": given.get("flair_id", ""),
        }
        self.record("submission", content, channel=given["sr"], remote_id=post_id)
        data = {"url": self._url(given["sr"], post_id), "id": post_id, "name": f"t3_{post_id}"}
        body: Json = {"json": {"errors": [], "data": {**data, "drafts_count": 0}}}
        if request.meets("commit_then_ratelimit"):
            body["json"]["errors"] = [["RATELIMIT", _RATELIMIT_TEXT, "ratelimit"]]
            body["json"]["ratelimit"] = 540.0
        return json_reply(body)

    def _wrong(self, given: dict[str, str]) -> tuple[str, str, str] | None:
        if given.get("sr", "").lower() not in self.world.accounts.reddit_subreddits:
            return "SUBREDDIT_NOEXIST", "Hmm, that community doesn't exist.", "sr"
        if given.get("kind") != "self":
            return "NO_LINKS", "this community only allows text posts", "sr"
        if not given.get("title", "").strip():
            return "NO_TEXT", "we need something here", "title"
        if len(given["title"]) > TITLE_MAX:
            return "TOO_LONG", f"this is too long (max: {TITLE_MAX})", "title"
        if len(given.get("text", "")) > TEXT_MAX:
            return "TOO_LONG", f"this is too long (max: {TEXT_MAX})", "text"
        return None

    @staticmethod
    def _url(subreddit: str, post_id: str) -> str:
        return f"https://www.reddit.com/r/{subreddit}/comments/{post_id}/post/"

    def apply(self, entry: Entry) -> None:
        self._state.posts.append(
            {
                "id": entry.remote_id,
                "name": f"t3_{entry.remote_id}",
                "title": entry.content["title"],
                "selftext": entry.content["text"],
                "created_utc": float(int(entry.vendor_epoch)),
                "subreddit": entry.channel,
                "author": self.world.accounts.reddit_username,
                "url": self._url(entry.channel, entry.remote_id),
                "removed_by_category": None,
            }
        )

    def _listing(self, request: WireRequest) -> Reply:
        size = min(int(request.argument("limit", "25")), 100)
        latest = self.world.clock.vendor()
        if request.fault is not None and request.fault.kind == "stale_timeline":
            latest -= request.fault.number("seconds", 30)
        found = [p for p in reversed(self._state.posts) if p["created_utc"] <= latest]
        if request.meets("list_hidden"):
            found = []
        after = request.argument("after")
        if after:
            names = [post["name"] for post in found]
            found = found[names.index(after) + 1 :] if after in names else []
        page = found[:size]
        next_page = page[-1]["name"] if len(found) > size else None
        children = [{"kind": "t3", "data": post} for post in page]
        listing = {"after": next_page, "before": None, "dist": len(page), "children": children}
        body = json.dumps({"kind": "Listing", "data": listing}, ensure_ascii=False)
        return Reply(200, body.encode(), "application/json; charset=UTF-8")
