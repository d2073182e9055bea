"""Waits between connections to the vendor, in virtual time."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from adapters.unusual_whales.reconnects import Backoff, Reconnects

MINUTES = 10
CONNECTS_A_MINUTE_MAX = 10


def connects(reconnects: Reconnects, stands_seconds: float, until: float) -> list[float]:
    """When connections are made that each stand for so long."""
    at, made = 0.0, []
    while at < until:
        made.append(at)
        at += stands_seconds + reconnects.seconds(stands_seconds)
    return made


def test_a_vendor_that_accepts_and_drops_each_second_sees_at_most_ten_connects_a_minute() -> None:
    """In every minute of ten, by whatever chance; the joins were all answered each time."""
    for seed in range(500):
        made = connects(Reconnects(Backoff(), Random(seed)), 1.0, MINUTES * 60)
        for first in made:
            within = [at for at in made if first <= at < first + 60]
            assert len(within) <= CONNECTS_A_MINUTE_MAX, (seed, within)
        assert made[-1] - made[-2] <= 91.0 and len(made) >= MINUTES


def test_after_a_connection_that_stood_the_next_one_is_made_at_once() -> None:
    for seed in range(100):
        reconnects = Reconnects(Backoff(), Random(seed))
        connects(reconnects, 1.0, 600)
        assert reconnects.seconds(60.0) <= 1.5
        made = connects(reconnects, 61.0, 600)
        assert all(later - earlier <= 62.5 for earlier, later in pairwise(made))


def test_a_refused_upgrade_is_never_hurried_after() -> None:
    reconnects = Reconnects(Backoff(), Random(1))
    assert {reconnects.seconds(0.1, is_refused=True) for _ in range(5)} == {60.0}
