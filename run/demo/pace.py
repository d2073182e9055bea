"""The pace that this machine can keep: slower when the desk falls behind, faster again when not.

Used by the director. A decision made on a backlog would rest on old numbers and be refused for
its age; a day that takes longer shows the desk as it is.
"""

from __future__ import annotations

from collections import deque

LAG_SECONDS_MAX = 0.8
"""Real seconds; a signal of the 0DTE strategy lives 20 s of market time, 2 real ones at 10 x."""
LAG_SECONDS_MAX_CLOSED = 4.0
"""While the clock is closed to entries a backlog only delays."""
CALM_SHARE = 0.4
HOLD_SECONDS = 1.5
CALM_SECONDS = 5.0
SLOWEST_SHARE = 1 / 16
SLOWEST = 1.0
"""Slower than the real market would help nobody."""
SAMPLES_MAX = 1_000


class Lag:
    """How long ago, in real seconds, the log was where the slowest worker is now."""

    def __init__(self) -> None:
        self._heads: deque[tuple[float, int]] = deque(maxlen=SAMPLES_MAX)

    def seconds(self, at: float, head: int, slowest: int) -> float:
        """`head` of the log and position of the slowest worker, both read at `at`."""
        if not self._heads or head > self._heads[-1][1]:
            self._heads.append((at, head))
        while self._heads and self._heads[0][1] <= slowest:
            self._heads.popleft()
        return at - self._heads[0][0] if self._heads else 0.0


class Pace:
    """The speed of a stretch: `nominal` is wanted, a sixteenth of it or 1 the least."""

    def __init__(self, nominal: float, *, entries_open: bool, at: float) -> None:
        self.speed = nominal
        self._nominal = nominal
        self._slowest = min(nominal, max(SLOWEST, nominal * SLOWEST_SHARE))
        self._lag_max = LAG_SECONDS_MAX if entries_open else LAG_SECONDS_MAX_CLOSED
        self._changed_at = at
        self._calm_since = at

    def speed_for(self, lag_seconds: float, at: float) -> float:
        """The speed to run at from now on."""
        if lag_seconds > self._lag_max * CALM_SHARE:
            self._calm_since = at
        held = at - self._changed_at
        if lag_seconds > self._lag_max and held >= HOLD_SECONDS:
            self._change(max(self.speed / 2, self._slowest), at)
        elif self.speed < self._nominal and at - self._calm_since >= CALM_SECONDS:
            self._change(min(self.speed * 2, self._nominal), at)
        return self.speed

    def _change(self, speed: float, at: float) -> None:
        if speed != self.speed:
            self.speed, self._changed_at, self._calm_since = speed, at, at
