"""Made market events: the ticks that every benchmark appends, reads and weighs.

A tick is one price frame of about 240 bytes, the size of a real one. Ids are derived, so that a
generator with a name of its own never makes an id twice.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from domain.event import Proposed, derived_id
from domain.events.feeds import UwPriceReceived

STREAMS = 50


class Ticks:
    """Endless ticks over a number of streams, in turn."""

    def __init__(self, name: str, streams: int = STREAMS) -> None:
        self._name = name
        self._streams = streams
        self.made = 0

    def take(self, count: int) -> list[Proposed]:
        """The next `count` ticks."""
        return [self._tick() for _ in range(count)]

    def _tick(self) -> Proposed:
        self.made += 1
        number = self.made
        now = datetime.now(UTC)
        event_id = derived_id("benchmark", self._name, number)
        symbol = f"T{number % self._streams:03d}"
        cents = 67_000 + number % 997
        payload = (
            f'{{"ticker":"{symbol}","close":"{cents / 100:.4f}","open":"{(cents - 15) / 100:.4f}",'
            f'"high":"{(cents + 5) / 100:.4f}","low":"{(cents - 20) / 100:.4f}",'
            f'"volume":{10_000 + number % 8_342},"total_volume":{41_234_567 + number},'
            f'"vwap":"{(cents - 3) / 100:.4f}","timestamp":{1_791_295_200_123 + number}}}'
        )
        body = UwPriceReceived(
            channel=f"price:{symbol}",
            connection="1",
            sequence=number,
            received_at=now,
            payload=msgspec.Raw(payload.encode()),
        )
        stream = f"uw/{self._name}/price:{symbol}"
        return Proposed(stream, event_id, now, event_id, "feeds", "benchmark", body)
