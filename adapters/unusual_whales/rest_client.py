"""Calls of the Unusual Whales REST interface, inside its limits, answers as they came.

    UwRestError
     +-- UwUnavailable    no readable answer after all tries
     +-- UwQuotaSpent     the day's quota has no room for the call; nothing was asked

What the vendor answers is returned whatever its status; the caller keeps it. Only what may change
by itself is asked again: 5xx, time-outs, bodies that are no JSON, and 429 that name a wait. A
redirect is an answer like any other: it is never followed with our token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp

from adapters.unusual_whales.frame import redact
from adapters.unusual_whales.limiter import CallLimiter, Rank
from adapters.unusual_whales.quota import DayQuota
from domain.payloads.json_text import json_fault

TRIES_MAX = 3
CALL_SECONDS_MAX = 20.0
"""From the call to the last byte of its answer, however slowly they drip."""
BODY_BYTES_MAX = 16_000_000
"""Unpacked; the largest body seen, every strike of a day by the minute, has about four million."""
BACKOFF_SECONDS = 0.5
CONCURRENCY_WAIT_SECONDS = 1.0
MINUTE_WAIT_SECONDS = 60.0
KEPT_HEADERS = (
    "content-type",
    "location",
    "retry-after",
    "x-request-id",
    "x-uw-daily-req-count",
    "x-uw-minute-req-counter",
    "x-uw-req-per-minute-remaining",
    "x-uw-req-per-minute-reset",
    "x-uw-token-req-limit",
)
Query = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class UwAnswer:
    """One answer. `endpoint` is the template, `path` and `query` what was asked; `headers` those
    the vendor sends about limits."""

    endpoint: str
    path: str
    query: str
    status: int
    headers: dict[str, str]
    body_bytes: bytes
    received_at: datetime
    tries: int
    fault: str
    """Why the body is no JSON text that may be kept as data, empty when it is."""

    @property
    def is_edge_page(self) -> bool:
        """Not of the vendor itself: the edge before it answers with pages, of status 200 and 403
        too. A token that is unknown may be refused in plain text."""
        return bool(self.fault) and self.status != 401 and not 300 <= self.status < 400


class UwRestError(Exception):
    """A call that ended without an answer worth keeping as one."""


class UwUnavailable(UwRestError):
    """No readable answer after all tries; `answer` is the last unreadable one, if any came."""

    def __init__(self, reason: str, answer: UwAnswer | None = None) -> None:
        super().__init__(reason)
        self.answer = answer


class UwQuotaSpent(UwRestError):
    """The day's quota has no room for a call of that rank."""


@dataclass(frozen=True, slots=True)
class _Retry:
    seconds: float
    reason: str


def _utc_now() -> datetime:
    return datetime.now(UTC)


class UwRest:
    """`async with UwRest(base_url, token) as rest: answer = await rest.get(endpoint, path, {})`"""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        limit_factor: float = 1.0,
        now: Callable[[], datetime] = _utc_now,
        backoff_seconds: float = BACKOFF_SECONDS,
        call_seconds_max: float = CALL_SECONDS_MAX,
        heard: Callable[[UwAnswer], None] | None = None,
    ) -> None:
        """`heard` is told every answer, those that are asked for again too."""
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._now = now
        self._backoff_seconds = backoff_seconds
        self._call_seconds_max = call_seconds_max
        self._heard = heard
        self.limiter = CallLimiter(limit_factor, time.monotonic)
        self.quota = DayQuota()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._call_seconds_max),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/json, text/plain",
                "User-Agent": "striketape/0.1",
                "UW-CLIENT-API-ID": "100001",
            },
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def quota_share(self) -> float:
        """Used part of the day's calls; 0 while nothing is known of them."""
        return self.quota.share(self._now())

    @property
    def calls_left(self) -> int | None:
        """Calls left of the day; None before the first answer."""
        return self.quota.left(self._now())

    async def get(
        self,
        endpoint: str,
        path: str,
        query: Query | None = None,
        *,
        rank: Rank = Rank.NEEDED,
        tries_max: int = TRIES_MAX,
    ) -> UwAnswer:
        """Ask once, and again where that makes sense, at most `tries_max` times.

        Raises:
            UwUnavailable: no readable answer.
            UwQuotaSpent: the day's quota has no room for calls of that rank.
        """
        pairs = [
            (name, item)
            for name, value in (query or {}).items()
            for item in ([value] if isinstance(value, str) else value)
        ]
        reason, last = "", None
        for tries in range(1, tries_max + 1):
            if not self.quota.allows(rank, self._now()):
                raise UwQuotaSpent(f"{path}: {self.quota_share:.0%} of the day's calls are used")
            answer = await self._ask(endpoint, path, pairs, rank, tries)
            retry = answer if isinstance(answer, _Retry) else self._judge(answer)
            if isinstance(answer, UwAnswer):
                last = answer
                if retry is None or (tries == tries_max and not answer.is_edge_page):
                    return answer
            assert retry is not None
            reason = retry.reason
            if tries < tries_max:
                await asyncio.sleep(retry.seconds)
        raise UwUnavailable(f"{path}: no answer after {tries_max} tries: {reason}", last)

    async def _ask(
        self, endpoint: str, path: str, pairs: list[tuple[str, str]], rank: Rank, tries: int
    ) -> UwAnswer | _Retry:
        assert self._session is not None, "UwRest must be entered before it is used"
        async with self.limiter.call(rank, is_retry=tries > 1):
            self.quota.count(self._now())
            try:
                async with self._session.get(
                    self._base_url + path, params=pairs, allow_redirects=False
                ) as response:
                    body = await _read(response)
            except (aiohttp.ClientError, OSError, TimeoutError, _TooLarge) as error:
                # Not the error's own text: it may show the request with its headers.
                return _Retry(self._wait(tries), type(error).__name__.lstrip("_"))
        self.limiter.window.observe(response.headers)
        self.quota.observe(response.headers, self._now())
        body = body.replace(self._token.encode(), b"***") if self._token else body
        answer = UwAnswer(
            endpoint=endpoint,
            path=path,
            query=response.url.query_string,
            status=response.status,
            headers={k: response.headers[k] for k in KEPT_HEADERS if k in response.headers},
            body_bytes=body,
            received_at=self._now(),
            tries=tries,
            fault=json_fault(body),
        )
        if self._heard is not None:
            self._heard(answer)
        return answer

    def _wait(self, tries: int) -> float:
        return self._backoff_seconds * 2.0 ** (tries - 1)

    def _judge(self, answer: UwAnswer) -> _Retry | None:
        """Whether to ask again, and after how long."""
        if answer.status == 429:
            return self._judge_refusal(answer)
        if answer.status >= 500:
            return _Retry(self._wait(answer.tries), f"status {answer.status}")
        if answer.is_edge_page:
            shown = redact(answer.body_bytes[:80].decode(errors="replace"), self._token)
            reason = f"status {answer.status}, body must be JSON, was {shown!r}"
            return _Retry(self._wait(answer.tries), reason)
        return None

    def _judge_refusal(self, answer: UwAnswer) -> _Retry | None:
        text = answer.body_bytes.decode(errors="replace")
        if "daily_request_limit_hit" in text:
            self.quota.spend(answer.received_at)
            return None
        if "concurrent" in text:
            self.limiter.crowded()
            after = answer.headers.get("retry-after", "")
            seconds = float(after) if after.isdecimal() else CONCURRENCY_WAIT_SECONDS
            return _Retry(seconds, "too many calls in flight")
        reset = answer.headers.get("x-uw-req-per-minute-reset", "")
        seconds = int(reset) / 1000 if reset.isdecimal() else MINUTE_WAIT_SECONDS
        self.limiter.window.exhaust(seconds)
        return _Retry(0.0, "calls of the minute used up")


class _TooLarge(Exception):
    """A body beyond BODY_BYTES_MAX; the rest of it is not read."""


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, unpacked, as far as it is one that may be kept."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise _TooLarge
        parts.append(part)
    return b"".join(parts)
