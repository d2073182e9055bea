"""Recorded events for tests that need no log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.event import Recorded, derived_id
from domain.events.controls import HaltRequested

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def halt_request(position: int) -> Recorded:
    at = START + timedelta(seconds=position)
    return Recorded(
        position=position,
        stream="control/api",
        version=position,
        type="HaltRequested",
        schema=1,
        event_id=derived_id("halt", position),
        occurred_at=at,
        recorded_at=at,
        market_time=at,
        causation_id=None,
        correlation_id=derived_id("halt", position),
        worker="api",
        build="build-1",
        input_position=None,
        ordinal=0,
        body=HaltRequested(who="w", route="api", reason="r"),
    )
