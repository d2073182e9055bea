"""What a request to a distribution vendor can end in, and how a delivery is found again.

The outbox branches on these values; no vendor exception leaves an adapter. The rule behind them:
a request of which any byte may have left and whose answer was not read is Unknown, is never sent
again blindly, and is read back first. Also here: the marker of a delivery.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

LOOK_BACK = timedelta(seconds=120)
"""How far before an attempt a message of it may stand by the vendor's clock."""
MARKER_CHARACTERS = 10
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Sent:
    """The vendor answered and named what it made. `remote_at` is the vendor's time, UTC."""

    remote_id: str
    remote_at: datetime | None


@dataclass(frozen=True, slots=True)
class NotSent:
    """The vendor cannot have acted: it refused, or was never reached.

    `permanent`: the same request will be refused again. Otherwise it may be repeated, after
    `retry_after_seconds` (real seconds) when the vendor stated a wait.
    """

    permanent: bool
    vendor_code: str
    text: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The vendor may have acted: read back before anything else."""

    reason: str


SendOutcome: TypeAlias = Sent | NotSent | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """Reading back shows the message. `duplicates` counts further copies; the oldest is named."""

    remote_id: str
    remote_at: datetime | None
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class NotFound:
    """Reading back proved the absence: `evidence` is the listing that proves it, in words."""

    evidence: str


@dataclass(frozen=True, slots=True)
class CannotTell:
    """Reading back failed, or saw nothing without proof that it could have seen something."""

    reason: str


FindOutcome: TypeAlias = Found | NotFound | CannotTell


def delivery_marker(secret: bytes, delivery_id: str) -> str:
    """Ten characters of Crockford base32 of HMAC-SHA256(secret, delivery id), put in the content.

    Opaque to readers, different for every delivery, so that tiers cannot be linked by it.
    """
    digest = hmac.new(secret, delivery_id.encode(), hashlib.sha256).digest()
    number = int.from_bytes(digest[:8], "big") >> (64 - 5 * MARKER_CHARACTERS)
    return "".join(
        _CROCKFORD[(number >> shift) & 31] for shift in range(5 * (MARKER_CHARACTERS - 1), -1, -5)
    )


async def look_several_times(
    look: Callable[[], Awaitable[FindOutcome]], after_seconds: Sequence[float]
) -> FindOutcome:
    """The last look's outcome; looks end with the first that finds it.

    A vendor's listing lags behind what was posted, so one look proves no absence. `after_seconds`
    are counted from now.
    """
    begun = asyncio.get_running_loop().time()
    outcome: FindOutcome = CannotTell("never looked")
    for seconds in after_seconds:
        passed = asyncio.get_running_loop().time() - begun
        await asyncio.sleep(max(0.0, seconds - passed))
        outcome = await look()
        if isinstance(outcome, Found):
            break
    return outcome


class VendorUnavailable(Exception):
    """A call that sends nothing (log-in, polling) failed; safe to repeat unless `permanent`.

    `vendor_code` is the vendor's or the HTTP code; the text holds no secret.
    """

    def __init__(
        self,
        vendor_code: str,
        text: str,
        *,
        permanent: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(f"{vendor_code}: {text}")
        self.vendor_code = vendor_code
        self.text = text
        self.permanent = permanent
        self.retry_after_seconds = retry_after_seconds

    def as_not_sent(self) -> NotSent:
        """What a send ends in whose log-in failed."""
        return NotSent(self.permanent, self.vendor_code, self.text, self.retry_after_seconds)
