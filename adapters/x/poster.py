"""Posts to X and finds posts again in our own timeline.

Used by run/outbox. tweepy signs for the vendor's own origin, so a session of ours carries the
request elsewhere when `base_url` says so. Reading costs money by the post: the search reads one
page. X has no idempotency key; a refused duplicate says that the text was probably posted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import tweepy
from tweepy.asynchronous import AsyncClient
from yarl import URL

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
from adapters.redaction import drop_details, hide_in_logs, redacted
from adapters.x.text import POST_WEIGHT_MAX, cashtags, normalised, weighted_length

ORIGIN = "https://api.twitter.com"
PAGE_POSTS_MAX = 100
CASHTAGS_MAX = 1
_CONNECT_SECONDS = 5.0
_LOGGERS = (
    "tweepy.asynchronous.client",
    "oauthlib.oauth1.rfc5849",
    "oauthlib.oauth1.rfc5849.signature",
)
_DUPLICATE = "duplicate content"
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)
_FAILURES = (tweepy.TweepyException, aiohttp.ClientError, OSError, *_UNREADABLE)


@dataclass(frozen=True, slots=True)
class XKeys:
    """OAuth 1.0a keys of the app and of the account."""

    consumer_key: str
    consumer_secret: str
    access_token: str
    access_token_secret: str

    def secrets(self) -> tuple[str, ...]:
        return (
            self.consumer_key,
            self.consumer_secret,
            self.access_token,
            self.access_token_secret,
        )

    def __repr__(self) -> str:
        return "XKeys([hidden])"


class _Redirected:
    """The part of an aiohttp session that tweepy uses, sending to another origin."""

    def __init__(self, session: aiohttp.ClientSession, origin: str) -> None:
        self._session = session
        self._origin = origin

    def request(self, method: str, url: URL | str, **options: Any) -> Any:
        moved = str(url).replace(ORIGIN, self._origin, 1)
        return self._session.request(method, URL(moved, encoded=True), **options)


def why_refused(text: str) -> str:
    """Which rule of X a text breaks before it is sent; empty when it breaks none."""
    weight = weighted_length(text)
    if not text.strip() or weight > POST_WEIGHT_MAX:
        return f"a post must weigh 1 to {POST_WEIGHT_MAX} characters, was {weight}"
    found = cashtags(text)
    if len(found) > CASHTAGS_MAX:
        return f"a post must have at most {CASHTAGS_MAX} cashtag, had {', '.join(found)}"
    return ""


class XPoster:
    """`now` is the wall clock, for waits that X states as a time of day.

    `look_after_seconds`: when `find` looks, since the timeline lags behind posting.
    """

    def __init__(
        self,
        base_url: str,
        keys: XKeys,
        now: Callable[[], datetime],
        *,
        timeout_seconds: float = 20.0,
        look_after_seconds: Sequence[float] = (0.0, 15.0, 60.0),
    ) -> None:
        self._origin = base_url.rstrip("/")
        self._keys = keys
        self._now = now
        self._timeout_seconds = timeout_seconds
        self._look_after_seconds = tuple(look_after_seconds)
        self._session: aiohttp.ClientSession | None = None
        self._client: Any = None
        self._user_id = ""
        hide_in_logs(_LOGGERS, keys.secrets())
        drop_details(_LOGGERS)

    def _api(self) -> Any:
        if self._client is None:
            timeout = aiohttp.ClientTimeout(
                total=self._timeout_seconds, sock_connect=_CONNECT_SECONDS
            )
            self._session = aiohttp.ClientSession(timeout=timeout)
            self._client = AsyncClient(
                consumer_key=self._keys.consumer_key,
                consumer_secret=self._keys.consumer_secret,
                access_token=self._keys.access_token,
                access_token_secret=self._keys.access_token_secret,
                wait_on_rate_limit=False,
            )
            self._client.session = _Redirected(self._session, self._origin)
        return self._client

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session, self._client = None, None

    async def post(self, text: str) -> SendOutcome:
        """Publish a text once."""
        broken = why_refused(text)
        if broken:
            return NotSent(permanent=True, vendor_code="LIMIT", text=broken)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._api().create_tweet(text=text, user_auth=True)
            return Sent(remote_id=str(answer.data["id"]), remote_at=None)
        except aiohttp.ConnectionTimeoutError as error:
            return NotSent(False, "connect", self._text(error))
        except TimeoutError:
            return Unknown(f"no answer within {self._timeout_seconds:g} s")
        except _FAILURES as error:
            return self._sorted(error)

    def _sorted(self, error: Exception) -> SendOutcome:
        """The bin of a failure."""
        text = self._text(error)
        if isinstance(error, tweepy.TooManyRequests):
            return NotSent(False, "429", text, self._wait_until(error.reset_time))
        if isinstance(error, tweepy.Forbidden) and _DUPLICATE in text.lower():
            return Unknown(f"refused as a duplicate, so it was probably posted: {text}")
        if isinstance(error, tweepy.TwitterServerError):
            return Unknown(f"answered {error.response.status}: {text}")
        if isinstance(error, tweepy.HTTPException) and 400 <= error.response.status < 500:
            return NotSent(True, str(error.response.status), text)
        if isinstance(error, aiohttp.ClientConnectorError):
            return NotSent(False, "connect", text)
        if isinstance(error, aiohttp.ContentTypeError) and 400 <= error.status < 500:
            # A page of the edge in front of the API: the API has not seen the request.
            return NotSent(False, str(error.status), "refused with a page that is not JSON")
        return Unknown(f"{type(error).__name__}: {text}")

    def _wait_until(self, reset_epoch: int | None) -> float | None:
        if reset_epoch is None:
            return None
        wait = datetime.fromtimestamp(reset_epoch, UTC) - self._now()
        return max(0.0, wait.total_seconds()) + 1.0

    def _text(self, error: Exception) -> str:
        return redacted(str(error), self._keys.secrets())

    async def find(self, text: str, since: datetime) -> FindOutcome:
        """Search our timeline for a post of this text from two minutes before `since`.

        Looks several times, because the timeline lags. Absence is proven only when the listing
        can show posts of ours at all.
        """
        start = since - LOOK_BACK
        return await look_several_times(lambda: self._look(text, start), self._look_after_seconds)

    async def _look(self, text: str, start: datetime) -> FindOutcome:
        try:
            async with asyncio.timeout(2 * self._timeout_seconds):
                posts = await self._timeline(start, PAGE_POSTS_MAX)
                if not posts and not await self._timeline(None, 5):
                    return CannotTell("the timeline lists no post at all: empty, or hidden")
        except TimeoutError:
            return CannotTell(f"no answer within {2 * self._timeout_seconds:g} s")
        except _FAILURES as error:
            return CannotTell(f"{type(error).__name__}: {self._text(error)}")
        wanted = normalised(text)
        hits = [post for post in posts if normalised(post.text, _expanded(post)) == wanted]
        if hits:
            oldest = min(hits, key=lambda post: int(post.id))
            return Found(str(oldest.id), oldest.created_at, duplicates=len(hits) - 1)
        if len(posts) >= PAGE_POSTS_MAX:
            return CannotTell(f"more than {PAGE_POSTS_MAX} posts since {start.isoformat()}")
        return NotFound(f"{len(posts)} posts since {start.isoformat()}, none has this text")

    async def _timeline(self, start: datetime | None, count: int) -> list[Any]:
        if not self._user_id:
            me = await self._api().get_me(user_auth=True)
            self._user_id = str(me.data["id"])
        answer = await self._api().get_users_tweets(
            self._user_id,
            start_time=start,
            max_results=count,
            tweet_fields=["created_at", "entities"],
            exclude=["retweets"],
            user_auth=True,
        )
        return list(answer.data or ())


def _expanded(post: Any) -> dict[str, str]:
    """The t.co links of a post with what they stand for."""
    urls = (post.entities or {}).get("urls", [])
    return {url["url"]: url.get("expanded_url", url["url"]) for url in urls}
