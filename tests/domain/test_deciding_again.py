"""Deciding again on another processor: numbers may differ in the last digits, decisions are listed.

The stage computes a number from a bar and halts trading when it is at a limit or above.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.event import Recorded
from domain.events.analytics import Metric, MetricComputed, Quality
from domain.events.controls import TradingHalted
from domain.events.system import ClockTicked
from domain.stage import Consumer, Emission

AT = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)
MEASURED = math.exp(-1.0)
TOLERANCE = 1e-9


class Measuring:
    """`error` is what this processor's exp is off by, relative."""

    name = "measuring"
    types = frozenset({"ClockTicked"})

    def __init__(self, error: float, limit: float) -> None:
        self._error = error
        self._limit = limit

    def initial(self) -> None:
        return None

    def evolve(self, state: None, event: Recorded) -> None:
        return state

    def react(self, state: None, event: Recorded) -> Sequence[Emission]:
        value = MEASURED * (1 + self._error)
        metric = Metric("m", value, "$", AT, Quality.OK)
        body = MetricComputed(symbol="SPY", evaluated_at=AT, params_version=1, metrics=[metric])
        halted = TradingHalted(who="risk", reason=f"{value} is at the limit")
        made = [Emission("metrics/SPY", body)]
        return [*made, Emission("risk", halted)] if value >= self._limit else made


def differences(error: float, limit: float) -> list[str]:
    """What differs on a processor with that error; the log was written by one without."""
    source = Recorded(
        position=1, stream="clock/w", version=1, type="ClockTicked", schema=1, event_id=UUID(int=1),
        occurred_at=AT, recorded_at=AT, market_time=AT, causation_id=None,
        correlation_id=UUID(int=1), worker="w", build="b", input_position=None, ordinal=0,
        body=ClockTicked(worker="w"),
    )  # fmt: skip
    recorded = Consumer[None]("w", "b", [Measuring(0.0, limit)]).step(source)
    return Consumer[None]("w", "b", [Measuring(error, limit)]).verify(source, recorded, TOLERANCE)


@pytest.mark.parametrize("limit", [MEASURED / 2, MEASURED * 2], ids=["halted", "goes on"])
def test_numbers_that_are_off_by_1e_12_are_the_same_also_in_the_texts_of_decisions(
    limit: float,
) -> None:
    assert differences(1e-12, limit) == []


def test_numbers_that_are_off_by_1e_6_are_listed() -> None:
    assert differences(1e-6, MEASURED * 2) == [
        f"emission 0 MetricComputed: metrics[0].value was {MEASURED!r}, "
        f"is now {MEASURED * (1 + 1e-6)!r}"
    ]


def test_a_decision_that_comes_out_otherwise_is_listed_however_close_its_numbers_are() -> None:
    assert differences(-1e-12, MEASURED) == [
        "emission 1 TradingHalted on the log is not decided again"
    ]
    assert differences(1e-12, MEASURED * (1 + 5e-13)) == [
        "emission 1 TradingHalted is not on the log"
    ]
