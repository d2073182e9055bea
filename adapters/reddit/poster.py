"""Submits text posts to Reddit and finds them again by their marker.

Used by run/outbox. praw blocks and sleeps, so it lives in one worker thread. Retries of writes
are off (adapters/reddit/requestor.py); Reddit answers 200 with errors, once even beside a post
that was made, so that answers are read before they are believed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import praw
import prawcore
import requests
from praw.exceptions import PRAWException, RedditAPIException

from adapters.outcome import (
    LOOK_BACK,
    CannotTell,
    FindOutcome,
    Found,
    NotFound,
    NotSent,
    SendOutcome,
    Sent,
    Unknown,
    look_several_times,
)
from adapters.redaction import hide_in_logs, redacted
from adapters.reddit.requestor import Call, SingleWriteRequestor, WriteNotBegun, WriteUncertain

TITLE_MAX = 300
TEXT_MAX = 40_000
LISTING_POSTS_MAX = 100
_NO_SUCH_PLACE = "SUBREDDIT_NOEXIST"
_TRANSIENT_SECONDS = 60.0
_RATELIMIT = "RATELIMIT"
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError)
_FAILURES = (
    PRAWException,
    prawcore.PrawcoreException,
    requests.exceptions.RequestException,
    WriteNotBegun,
    WriteUncertain,
    OSError,
    *_UNREADABLE,
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RedditAccount:
    """The app and the account. With a refresh token no password is needed."""

    client_id: str
    client_secret: str
    username: str
    password: str = ""
    refresh_token: str = ""

    def secrets(self) -> tuple[str, ...]:
        return (self.client_id, self.client_secret, self.password, self.refresh_token)

    def __repr__(self) -> str:
        return f"RedditAccount({self.username}, [hidden])"


def with_marker(text: str, marker: str) -> str:
    """The text with the marker as its last line, small, by which it is found again."""
    return f"{text.rstrip()}\n\n^(ref {marker})"


class RedditPoster:
    """`reddit_url` serves tokens, `oauth_url` everything else.

    `timeout_seconds` is for one request, `patience_seconds` for a call with its log-in and the
    library's pauses; a write begins only when it can still end within that.
    `look_after_seconds`: when `find` looks, since the listing lags behind posting.
    """

    def __init__(
        self,
        reddit_url: str,
        oauth_url: str,
        account: RedditAccount,
        *,
        timeout_seconds: float = 15.0,
        patience_seconds: float = 45.0,
        look_after_seconds: Sequence[float] = (0.0, 20.0, 60.0),
    ) -> None:
        self._account = account
        self._urls = (reddit_url.rstrip("/"), oauth_url.rstrip("/"))
        self._timeout_seconds = timeout_seconds
        self._patience_seconds = patience_seconds
        self._look_after_seconds = tuple(look_after_seconds)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reddit")
        self._reddit: Any = None
        self._call = Call()
        self._session = requests.Session()
        hide_in_logs(("prawcore", "praw", "urllib3.connectionpool"), account.secrets())

    def _api(self) -> Any:
        """The praw client; made and used in the worker thread alone."""
        if self._reddit is None:
            account = self._account
            login: dict[str, Any] = (
                {"refresh_token": account.refresh_token}
                if account.refresh_token
                else {"username": account.username, "password": account.password}
            )
            self._reddit = praw.Reddit(
                client_id=account.client_id,
                client_secret=account.client_secret,
                user_agent=f"server:striketape:1 (by /u/{account.username})",
                reddit_url=self._urls[0],
                oauth_url=self._urls[1],
                short_url=self._urls[0],
                check_for_updates=False,
                requestor_class=SingleWriteRequestor,
                requestor_kwargs={"call": self._call, "session": self._session},
                ratelimit_seconds=0,
                **login,
            )
        return self._reddit

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """Run one call in the worker thread, within the deadline.

        Raises:
            WriteNotBegun: it ran out of time before a write, which then never leaves.
            TimeoutError: the write goes on by itself and its outcome will not be known.
        """
        deadline = time.monotonic() + self._patience_seconds - self._timeout_seconds

        def limited() -> T:
            self._api()
            self._call.begin(deadline, self._timeout_seconds)
            return call()

        work = self._thread.submit(limited)
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await asyncio.shield(asyncio.wrap_future(work))
        except TimeoutError:
            if work.cancel() or not self._call.write_began:
                raise WriteNotBegun("its time was over before it could begin") from None
            raise

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    async def submit(self, subreddit: str, title: str, text_with_marker: str) -> SendOutcome:
        """Submit one text post; see `with_marker`."""
        broken = _limit_broken(title, text_with_marker)
        if broken:
            return NotSent(permanent=True, vendor_code="LIMIT", text=broken)

        def call() -> str:
            made = self._api().subreddit(subreddit)
            post = made.submit(title, selftext=text_with_marker, send_replies=False)
            return str(post.id)

        try:
            return Sent(remote_id=await self._in_thread(call), remote_at=None)
        except TimeoutError:
            return Unknown(f"no answer within {self._patience_seconds:g} s")
        except _FAILURES as error:
            return self._sorted(error)

    def _sorted(self, error: Exception) -> SendOutcome:
        """The bin of a failure."""
        text = self._text(error)
        if isinstance(error, WriteNotBegun):
            return NotSent(False, "connect", text)
        if isinstance(error, RedditAPIException):
            return self._api_refusal(error, text)
        if isinstance(error, prawcore.OAuthException):
            return NotSent(True, str(error.error), "the account was refused")
        if isinstance(error, prawcore.ResponseException):
            refused = self._status_refusal(error, text)
            if refused is not None:
                return refused
        if not self._call.write_began:
            return NotSent(False, "token", f"before the post was sent: {type(error).__name__}")
        return Unknown(f"{type(error).__name__}: {text}")

    def _status_refusal(self, error: Any, text: str) -> NotSent | None:
        """A refusal by status code; None when the status says nothing certain."""
        status = int(error.response.status_code)
        if status == 429:
            stated = error.response.headers.get("retry-after", "")
            return NotSent(False, "429", text, float(stated) if stated.isdigit() else None)
        if 400 <= status < 500 and status != 408:
            return NotSent(True, str(status), text)
        return None

    def _api_refusal(self, error: Any, text: str) -> SendOutcome:
        """Errors in a 200 answer."""
        codes = [str(item.error_type) for item in error.items]
        if post_id := self._post_beside_the_error():
            return Unknown(f"{codes[0]} beside the id {post_id} of a post")
        if "ALREADY_SUB" in codes:
            return Unknown(f"already submitted, perhaps by us: {text}")
        if _RATELIMIT in codes:
            return NotSent(False, _RATELIMIT, text, self._stated_wait())
        if _NO_SUCH_PLACE in codes:
            # Usually a typing error, sometimes passing (gitroomhq/postiz-app#1886).
            return NotSent(False, _NO_SUCH_PLACE, text, _TRANSIENT_SECONDS)
        return NotSent(True, codes[0], text)

    def _answer(self) -> dict[str, Any]:
        try:
            body: Any = json.loads(self._call.last_answer)["json"]
        except _UNREADABLE:
            return {}
        return body if isinstance(body, dict) else {}

    def _post_beside_the_error(self) -> str:
        data = self._answer().get("data")
        return str(data.get("id") or "") if isinstance(data, dict) else ""

    def _stated_wait(self) -> float | None:
        stated = self._answer().get("ratelimit")
        return float(stated) if isinstance(stated, int | float) else None

    def _text(self, error: Exception) -> str:
        return redacted(str(error), self._account.secrets())

    async def find(self, marker: str, since: datetime) -> FindOutcome:
        """Search our own submissions from two minutes before `since` for the marker.

        Looks several times, because the listing lags. Absence is proven only when the listing
        shows a submission of ours.
        """
        start = since - LOOK_BACK
        return await look_several_times(lambda: self._look(marker, start), self._look_after_seconds)

    async def _look(self, marker: str, start: datetime) -> FindOutcome:
        def call() -> list[tuple[str, datetime, str]]:
            listing = self._api().redditor(self._account.username).submissions
            return [
                (str(p.id), datetime.fromtimestamp(p.created_utc, UTC), str(p.selftext))
                for p in listing.new(limit=LISTING_POSTS_MAX)
            ]

        try:
            posts = await self._in_thread(call)
        except TimeoutError:
            return CannotTell("no answer in time")
        except _FAILURES as error:
            return CannotTell(f"{type(error).__name__}: {self._text(error)}")
        if not posts:
            return CannotTell("the listing shows no submission at all: none made, or hidden")
        hits = [p for p in posts if p[1] >= start and f"ref {marker}" in p[2]]
        if hits:
            oldest = hits[-1]
            return Found(oldest[0], oldest[1], duplicates=len(hits) - 1)
        if len(posts) >= LISTING_POSTS_MAX and posts[-1][1] >= start:
            return CannotTell(f"more than {LISTING_POSTS_MAX} submissions since {start}")
        return NotFound(
            f"{len(posts)} submissions back to {posts[-1][0]}, none since {start.isoformat()} "
            f"carries the marker {marker}"
        )


def _limit_broken(title: str, text: str) -> str:
    if not 1 <= len(title.strip()) <= TITLE_MAX:
        return f"a title must have 1 to {TITLE_MAX} characters, was {len(title)}"
    if len(text) > TEXT_MAX:
        return f"a text must have at most {TEXT_MAX} characters, was {len(text)}"
    return ""
