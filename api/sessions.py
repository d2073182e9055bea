"""Sessions of the page: opaque tokens of which only the digest is kept, in this process alone.

A restart of the API logs everybody out; nothing about a session is on the log or in Redis, so
that halting works without Redis. The anti-forgery token is derived from the session token and
need not be kept either.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

TOKEN_BYTES = 32
SESSIONS_MAX = 32


@dataclass(slots=True)
class Session:
    """Who is logged in. Times are of the monotonic clock."""

    who: str
    csrf: str
    opened_at: float
    used_at: float


class Sessions:
    """Open sessions by the digest of their token."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        random_bytes: Callable[[int], bytes],
        idle_seconds_max: float,
        seconds_max: float,
    ) -> None:
        self._monotonic = monotonic
        self._random_bytes = random_bytes
        self._idle_seconds_max = idle_seconds_max
        self._seconds_max = seconds_max
        self._open: dict[str, Session] = {}

    def open(self, who: str) -> tuple[str, Session]:
        """A new token, always: a token from before the log-in is never taken over."""
        token = urlsafe_b64encode(self._random_bytes(TOKEN_BYTES)).decode().rstrip("=")
        now = self._monotonic()
        session = Session(who, _csrf(token), now, now)
        self._open[_digest(token)] = session
        while len(self._open) > SESSIONS_MAX:
            del self._open[min(self._open, key=lambda key: self._open[key].used_at)]
        return token, session

    def find(self, token: str, *, is_use: bool) -> Session | None:
        """The live session of a token. `is_use` false looks without putting off the idle limit."""
        if not token:
            return None
        key = _digest(token)
        session = self._open.get(key)
        if session is None:
            return None
        now = self._monotonic()
        if (
            now - session.opened_at > self._seconds_max
            or now - session.used_at > self._idle_seconds_max
        ):
            del self._open[key]
            return None
        if is_use:
            session.used_at = now
        return session

    def close(self, token: str) -> None:
        self._open.pop(_digest(token), None)

    def seconds_left(self, session: Session) -> float:
        """Until the session ends if nobody does anything."""
        now = self._monotonic()
        idle = self._idle_seconds_max - (now - session.used_at)
        return max(0.0, min(idle, self._seconds_max - (now - session.opened_at)))


def csrf_is_right(session: Session, given: str) -> bool:
    return hmac.compare_digest(session.csrf.encode(), given.encode())


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _csrf(token: str) -> str:
    return hmac.new(token.encode(), b"csrf", sha256).hexdigest()
