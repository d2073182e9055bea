"""Calls of the Unusual Whales REST interface, inside its limits, answers as they came.

    UwRestError
     +-- UwUnavailable    no answer after all tries
     +-- UwQuotaSpent     the day's quota is used up; nothing is asked until it turns over

What the vendor answers is returned whatever its status; the caller keeps it. Only what may change
by itself is asked again: 5xx, time-outs, bodies that are no JSON, and 429 that name a wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import aiohttp

from adapters.unusual_whales.frame import redact
from adapters.unusual_whales.limiter import CallLimiter
from domain.payloads.json_text import json_fault
from domain.session import new_york

TRIES_MAX = 3
CALL_SECONDS_MAX = 20.0
BACKOFF_SECONDS = 0.5
CONCURRENCY_WAIT_SECONDS = 1.0
MINUTE_WAIT_SECONDS = 60.0
QUOTA_TURNS_OVER_HOUR = 20
"""New York hour at which the vendor's quota day begins."""
KEPT_HEADERS = (
    "content-type",
    "retry-after",
    "x-request-id",
    "x-uw-daily-req-count",
    "x-uw-minute-req-counter",
    "x-uw-req-per-minute-remaining",
    "x-uw-req-per-minute-reset",
    "x-uw-token-req-limit",
)


class UwRestError(Exception):
    """A call that ended without an answer worth keeping."""


class UwUnavailable(UwRestError):
    """No readable answer after all tries."""


class UwQuotaSpent(UwRestError):
    """The day's calls are used up."""


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


@dataclass(frozen=True, slots=True)
class _Retry:
    seconds: float
    reason: str


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _next_quota_day(now: datetime) -> datetime:
    local = new_york(now)
    turn = local.replace(hour=QUOTA_TURNS_OVER_HOUR, minute=0, second=0, microsecond=0)
    return turn if local < turn else turn + timedelta(days=1)


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
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._now = now
        self._backoff_seconds = backoff_seconds
        self.limiter = CallLimiter(limit_factor, time.monotonic)
        self._session: aiohttp.ClientSession | None = None
        self._spent_until: datetime | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS_MAX),
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

    async def get(
        self, endpoint: str, path: str, query: Mapping[str, str | list[str]] | None = None
    ) -> UwAnswer:
        """Ask once, and again where that makes sense, at most TRIES_MAX times.

        Raises:
            UwUnavailable: no readable answer.
            UwQuotaSpent: the day's quota is used up.
        """
        if self._spent_until is not None and self._now() < self._spent_until:
            raise UwQuotaSpent(f"{path}: day quota is spent until {self._spent_until:%H:%M %Z}")
        pairs = [
            (name, item)
            for name, value in (query or {}).items()
            for item in ([value] if isinstance(value, str) else value)
        ]
        reason = ""
        for tries in range(1, TRIES_MAX + 1):
            answer = await self._ask(endpoint, path, pairs, tries)
            retry = answer if isinstance(answer, _Retry) else self._judge(answer)
            if isinstance(answer, UwAnswer) and (retry is None or tries == TRIES_MAX):
                if answer.status == 200 and json_fault(answer.body_bytes):
                    break
                return answer
            assert retry is not None
            reason = retry.reason
            if tries < TRIES_MAX:
                await asyncio.sleep(retry.seconds)
        raise UwUnavailable(f"{path}: no answer after {TRIES_MAX} tries: {reason}")

    async def _ask(
        self, endpoint: str, path: str, pairs: list[tuple[str, str]], tries: int
    ) -> UwAnswer | _Retry:
        assert self._session is not None, "UwRest must be entered before it is used"
        async with self.limiter.call():
            try:
                async with self._session.get(self._base_url + path, params=pairs) as response:
                    body = await response.read()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                # Not the error's own text: it may show the request with its headers.
                return _Retry(self._wait(tries), type(error).__name__)
        self.limiter.window.observe(response.headers)
        return UwAnswer(
            endpoint=endpoint,
            path=path,
            query=response.url.query_string,
            status=response.status,
            headers={k: response.headers[k] for k in KEPT_HEADERS if k in response.headers},
            body_bytes=body.replace(self._token.encode(), b"***") if self._token else body,
            received_at=self._now(),
            tries=tries,
        )

    def _wait(self, tries: int) -> float:
        return self._backoff_seconds * 2.0 ** (tries - 1)

    def _judge(self, answer: UwAnswer) -> _Retry | None:
        """Whether to ask again, and after how long."""
        if answer.status == 429:
            return self._judge_refusal(answer)
        if answer.status >= 500:
            return _Retry(self._wait(answer.tries), f"status {answer.status}")
        if answer.status == 200 and json_fault(answer.body_bytes):
            shown = redact(answer.body_bytes[:80].decode(errors="replace"), self._token)
            return _Retry(self._wait(answer.tries), f"body must be JSON, was {shown!r}")
        return None

    def _judge_refusal(self, answer: UwAnswer) -> _Retry | None:
        text = answer.body_bytes.decode(errors="replace")
        if "daily_request_limit_hit" in text:
            self._spent_until = _next_quota_day(answer.received_at)
            return None
        if "concurrent" in text:
            after = answer.headers.get("retry-after", "")
            seconds = float(after) if after.isdecimal() else CONCURRENCY_WAIT_SECONDS
            return _Retry(seconds, "too many calls in flight")
        reset = answer.headers.get("x-uw-req-per-minute-reset", "")
        seconds = int(reset) / 1000 if reset.isdecimal() else MINUTE_WAIT_SECONDS
        self.limiter.window.exhaust(seconds)
        return _Retry(0.0, "calls of the minute used up")
