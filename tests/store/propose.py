"""Builders of events for the tests of the store."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from domain.event import Body, Proposed, derived_id
from domain.events.controls import HaltRequested
from domain.events.feeds import UwPriceReceived
from domain.events.system import ClockStarted

AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)


def propose(
    body: Body,
    stream: str = "control",
    key: object = 0,
    *,
    event_id: UUID | None = None,
    expected_version: int | None = None,
    market_time: datetime | None = None,
    correlation_id: UUID | None = None,
    causation_id: UUID | None = None,
    worker: str = "test",
    input_position: int | None = None,
    ordinal: int = 0,
) -> Proposed:
    """An event whose id is derived from stream and key."""
    identity = event_id or derived_id(stream, key)
    return Proposed(
        stream=stream,
        event_id=identity,
        occurred_at=AT,
        correlation_id=correlation_id or identity,
        worker=worker,
        build="build",
        body=body,
        causation_id=causation_id,
        expected_version=expected_version,
        market_time=market_time,
        input_position=input_position,
        ordinal=ordinal,
    )


def halt(
    key: object, stream: str = "control", reason: str = "", **given: int | UUID | str | None
) -> Proposed:
    """A small desk event."""
    body = HaltRequested(who="operator", route="cli", reason=reason or str(key))
    return propose(body, stream, key, **given)  # type: ignore[arg-type]


def price(
    key: object,
    stream: str = "uw/price:SPY",
    payload: bytes = b'{"close":"671.25"}',
    *,
    connection: str = "1",
    sequence: int = 1,
) -> Proposed:
    """A market frame."""
    body = UwPriceReceived(
        channel="price:SPY",
        connection=connection,
        sequence=sequence,
        received_at=AT,
        payload=msgspec.Raw(payload),
    )
    return propose(body, stream, key)


def clock_started(base: datetime, speed: float, key: object = "clock") -> Proposed:
    body = ClockStarted(base_market_time=base, speed=speed, session_date=base.date())
    return propose(body, "clock", key)
