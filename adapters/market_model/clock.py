"""Market time of the sandboxes: market = base + real seconds since the base x speed.

run/sandbox_market sets it from the control plane; the launcher gives it the values of the log's
newest ClockStarted, so that sandboxes and desk agree on the time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta


class SandboxClock:
    """Implements contract.SimClock. Stands still at its base until it is set."""

    def __init__(self, base_market_time: datetime, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self._base_market_time = base_market_time
        self._base_real_epoch = real()
        self._speed = 0.0
        self._thinned = False

    def set(
        self, base_market_time: datetime, base_real_epoch: float, speed: float, thinned: bool
    ) -> None:
        """Take a new base. `base_real_epoch` is the Unix time at which it held.

        Raises:
            ValueError: a negative speed, or a market time without zone.
        """
        if speed < 0 or not math.isfinite(speed):
            raise ValueError(f"speed must be 0 or more, was {speed}")
        if base_market_time.tzinfo is None:
            raise ValueError(f"base_market_time must carry a zone, was {base_market_time}")
        self._base_market_time = base_market_time
        self._base_real_epoch = base_real_epoch
        self._speed = speed
        self._thinned = thinned

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def thinned(self) -> bool:
        return self._thinned

    def now(self) -> datetime:
        elapsed = max(0.0, self._real() - self._base_real_epoch)
        return self._base_market_time + timedelta(seconds=elapsed * self._speed)
