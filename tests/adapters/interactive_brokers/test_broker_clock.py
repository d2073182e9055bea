"""How far the broker's clock is from ours, measured with answers of whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from adapters.interactive_brokers.broker_clock import BrokerClock
from domain.events.feed_health import FeedClockMeasured

START = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)


def measurements(
    offset: float, seconds: int, seed: int = 1
) -> tuple[BrokerClock, list[FeedClockMeasured]]:
    """Heartbeats each two seconds to a broker that is `offset` seconds ahead."""
    clock, random, found = BrokerClock("ib.data"), Random(seed), []
    at = START + timedelta(seconds=random.random())
    for _ in range(seconds // 2):
        trip = 0.005 + 0.05 * random.random()
        answered = at + timedelta(seconds=trip * random.random() + offset)
        received = at + timedelta(seconds=trip)
        measured = clock.take(int(answered.timestamp()), at, received)
        if measured is not None:
            found.append(measured)
        at += timedelta(seconds=2.0 + 0.1 * random.random())
    return clock, found


@pytest.mark.parametrize("offset", [-7.3, -0.4, 0.0, 0.25, 1.9, 60.0])
def test_a_minute_of_whole_seconds_gives_the_offset_to_a_tenth(offset: float) -> None:
    for seed in range(20):
        clock, found = measurements(offset, 190, seed)
        assert len(found) == 3
        assert all(abs(one.offset_seconds - offset) < 0.15 for one in found)
        assert clock.is_off is (abs(offset) > 2)


def test_a_clock_that_steps_begins_a_new_measurement() -> None:
    clock = BrokerClock("ib.data")
    base = int(START.timestamp())
    for second in range(0, 30, 2):
        at = START + timedelta(seconds=second)
        assert clock.take(base + second, at, at + timedelta(milliseconds=10)) is None
    measured = None
    for second in range(30, 100, 2):
        at = START + timedelta(seconds=second)
        measured = measured or clock.take(
            base + second + 3_600, at, at + timedelta(milliseconds=10)
        )
    assert measured is not None and abs(measured.offset_seconds - 3_600.5) < 0.6
