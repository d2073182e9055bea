"""Checks of the operator's password, and the delays between tries.

An unknown name costs the same work as a known one. Delays grow with failures, for the account and
for the address, and never lock for good; an address from which somebody has logged in before is
not held up by what others try on the account.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

FREE_TRIES = 3
DELAY_SECONDS_MAX = 30.0
FORGET_SECONDS = 15 * 60.0
REMEMBERED_MAX = 10_000
WAITING_MAX = 8
PASSWORD_CHARACTERS_MAX = 256


class Passwords:
    """Verifies one at a time, off the event loop: argon2id takes 64 MiB and about 90 ms."""

    def __init__(self, name: str, password_hash: str, random_bytes: Callable[[int], bytes]) -> None:
        self._name = name
        self._hash = password_hash or PasswordHasher().hash(random_bytes(32).hex())
        self._unmatchable = _unmatchable(self._hash, random_bytes)
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def is_busy(self) -> bool:
        """Too many tries wait already."""
        return self._waiting >= WAITING_MAX

    async def verify(self, name: str, password: str) -> bool:
        known = name == self._name
        self._waiting += 1
        try:
            async with self._turn:
                wanted = self._hash if known else self._unmatchable
                right = await asyncio.to_thread(_matches, wanted, password)
        finally:
            self._waiting -= 1
        return right and known

    def known_name(self, name: str) -> str:
        """The name as the log may show it: people type passwords into the name field."""
        return name if name == self._name else "unknown"


def _matches(password_hash: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _unmatchable(password_hash: str, random_bytes: Callable[[int], bytes]) -> str:
    """A hash of the same cost that no password has."""
    head, _, digest = password_hash.rpartition("$")
    size = len(digest) * 3 // 4
    return f"{head}${b64encode(random_bytes(size)).decode().rstrip('=')}"


@dataclass(slots=True)
class _Tries:
    failures: int = 0
    last_at: float = 0.0

    def delay(self, now: float) -> float:
        if self.failures < FREE_TRIES or now - self.last_at > FORGET_SECONDS:
            return 0.0
        wait = min(2.0 ** (self.failures - FREE_TRIES), DELAY_SECONDS_MAX)
        return max(0.0, self.last_at + wait - now)


class Throttle:
    """How long the next try has to wait."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._account = _Tries()
        self._addresses: dict[str, _Tries] = {}
        self._trusted: set[str] = set()

    def wait_seconds(self, address: str) -> float:
        now = self._monotonic()
        own = self._addresses.get(address, _Tries()).delay(now)
        return own if address in self._trusted else max(own, self._account.delay(now))

    def failed(self, address: str) -> None:
        now = self._monotonic()
        while len(self._addresses) >= REMEMBERED_MAX and address not in self._addresses:
            del self._addresses[next(iter(self._addresses))]
        for tries in (self._account, self._addresses.setdefault(address, _Tries())):
            if now - tries.last_at > FORGET_SECONDS:
                tries.failures = 0
            tries.failures += 1
            tries.last_at = now

    def succeeded(self, address: str) -> None:
        self._account = _Tries()
        self._addresses.pop(address, None)
        if len(self._trusted) < REMEMBERED_MAX:
            self._trusted.add(address)
