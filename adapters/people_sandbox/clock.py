"""The two times of the people sandboxes: the vendors' own, which is real, and market time.

Nonce windows, rate limits and callback windows follow vendor time. Market time is base + elapsed
x speed, as on the log, and only dates ledger entries; with a file it is known again after a
restart. Tests move vendor time with `advance`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path


class SandboxClock:
    """Vendor time in epoch seconds from `real_now` plus what it was advanced by."""

    def __init__(self, real_now: Callable[[], float], file: Path | None = None) -> None:
        self._real_now = real_now
        self._file = file
        self._advanced_seconds = 0.0
        self._base_market: datetime | None = None
        self._base_real = 0.0
        self._speed = 1.0
        self._read()

    def _read(self) -> None:
        if self._file is None or not self._file.exists():
            return
        saved = json.loads(self._file.read_text())
        self._base_market = datetime.fromisoformat(saved["base_market_time"])
        self._base_real, self._speed = saved["base_real_epoch"], saved["speed"]

    def real(self) -> float:
        """Real time, epoch seconds, never advanced: what signatures of requests are dated by."""
        return self._real_now()

    def vendor(self) -> float:
        """The vendors' clock, epoch seconds."""
        return self._real_now() + self._advanced_seconds

    def vendor_time(self) -> datetime:
        return datetime.fromtimestamp(self.vendor(), UTC)

    def market_time(self) -> datetime:
        """Market time, or real time until a base is set."""
        if self._base_market is None:
            return datetime.fromtimestamp(self._real_now(), UTC)
        elapsed = (self._real_now() - self._base_real) * self._speed
        return self._base_market + timedelta(seconds=elapsed)

    def set_market(self, base_market: datetime, base_real_epoch: float, speed: float) -> None:
        self._base_market, self._base_real, self._speed = base_market, base_real_epoch, speed
        if self._file is None:
            return
        saved = {
            "base_market_time": base_market.isoformat(),
            "base_real_epoch": base_real_epoch,
            "speed": speed,
        }
        partial = self._file.with_suffix(".new")
        partial.write_text(json.dumps(saved))
        partial.replace(self._file)

    def advance(self, seconds: float) -> None:
        """Move vendor time forward without waiting."""
        if seconds < 0:
            raise ValueError(f"advance_s must be at least 0, was {seconds}")
        self._advanced_seconds += seconds

    def shown(self) -> dict[str, float | str]:
        return {
            "market_time": self.market_time().isoformat(),
            "vendor_time": self.vendor_time().isoformat(),
            "speed": self._speed,
            "advanced_s": self._advanced_seconds,
        }
