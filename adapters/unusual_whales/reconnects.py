"""How long the socket waits before it connects again.

A connection that did not stand is a failure, also when all its joins were answered: a vendor that
accepts and drops must not be asked each second. Pure but for the jitter.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

DOUBLINGS_MAX = 16


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between connections: doubled from first to last, half to one and a half of it."""

    first_seconds: float = 1.0
    last_seconds: float = 60.0
    refused_seconds: float = 60.0
    """Refused upgrades may count against the day quota: never hurry after one."""
    stable_seconds: float = 60.0
    """A connection that stood for so long was a good one."""


class Reconnects:
    """Asked once after the end of each connection."""

    def __init__(self, backoff: Backoff, chance: random.Random | None = None) -> None:
        self._backoff = backoff
        self._chance = chance or random.Random()  # noqa: S311  jitter, no secret
        self._failures = 0

    def seconds(self, stood_seconds: float, *, is_refused: bool = False) -> float:
        """The wait after a connection that ended, or an attempt that failed, after so long."""
        known = self._backoff
        if is_refused:
            self._failures += 1
            return known.refused_seconds
        self._failures = 0 if stood_seconds >= known.stable_seconds else self._failures + 1
        wait = min(
            known.last_seconds, known.first_seconds * 2 ** min(self._failures, DOUBLINGS_MAX)
        )
        return float(wait * (0.5 + self._chance.random()))
