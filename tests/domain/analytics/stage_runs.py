"""The analytics stage run over events, and its reports read."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from operator import is_
from typing import Any

from domain.analytics.stage import AnalyticsStage
from domain.event import Recorded
from domain.events.analytics import Metric, MetricComputed
from domain.stage import Consumer
from tests.domain.analytics.build import (
    EXPIRIES,
    OPEN,
    Tape,
    bar,
    book_ticks,
    snapshot,
)
from tests.domain.analytics.day_build import market, start, started

BUILD = "build-1"


def consumer() -> Consumer[Any]:
    return Consumer("signals", BUILD, [AnalyticsStage()])


@cache
def started_state(history: bool) -> bytes:
    """The state after the start of a day, which emits nothing: read once for all tests."""
    worker = consumer()
    for event in started(history):
        assert worker.step(event) == []
    return pickle.dumps(worker.states)


def run(events: Sequence[Recorded], into: Consumer[Any] | None = None) -> list[Recorded]:
    worker = into or consumer()
    for history in (True, False):
        prefix = started(history)
        if len(events) >= len(prefix) and all(map(is_, events, prefix)):
            worker.states = pickle.loads(started_state(history))  # noqa: S301
            events = events[len(prefix) :]
            break
    return [emitted for event in events for emitted in worker.step(event)]


def reports(emitted: list[Recorded], symbol: str = "SPY") -> list[MetricComputed]:
    return [
        e.body for e in emitted if isinstance(e.body, MetricComputed) and e.body.symbol == symbol
    ]


def metric(report: MetricComputed, name: str) -> Metric:
    return next(m for m in report.metrics if m.name == name)


def value(report: MetricComputed, name: str) -> Any:
    return metric(report, name).value


@cache
def day_tape() -> Tape:
    """Two minutes of three symbols, with history."""
    tape = Tape()
    start(tape)
    market(tape, 2)
    return tape


@cache
def day_emissions() -> tuple[Recorded, ...]:
    return tuple(run(day_tape().events))


def at(seconds: float) -> datetime:
    return OPEN + timedelta(seconds=seconds)


def chain_tape(*extra: tuple[float, Any]) -> Tape:
    """One bar on a fresh chain, with further events before it."""
    tape = Tape()
    start(tape)
    for days in EXPIRIES:
        tape.add(snapshot("SPY", at(3), 660.0, days), at(3))
    tape.add(book_ticks("SPY", at(4), 660.0), at(4))
    for seconds, body in extra:
        tape.add(body, at(seconds))
    tape.add(bar("SPY", OPEN, 660.0), at(5))
    return tape
