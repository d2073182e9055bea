"""Thirty-six minutes of SPY through the analytics stage: the inputs, and what it said of them.

The tests beside this file say it again by plain code that shares nothing with the stage.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from domain.event import Recorded
from domain.events.analytics import Metric, Quality
from domain.events.feeds import HistoryImported, IbBarReceived
from tests.domain.analytics.build import OPEN, Tape, parameters
from tests.domain.analytics.day_build import market, start
from tests.domain.analytics.stage_runs import reports, run

MINUTES = 36
MISSING = range(100, 140)
"""Bars that never came: longer than what is carried."""


def index_of(body: IbBarReceived) -> int:
    return int((body.start - OPEN).total_seconds() // 5)


@cache
def morning() -> tuple[tuple[Recorded, ...], dict[int, dict[str, Metric]]]:
    """The inputs, and by the bars that have ended what the stage said."""
    tape, kept = Tape(), Tape()
    start(tape)
    tape.add(parameters(gex_dte_max=3.0), OPEN)
    market(tape, MINUTES, symbols=("SPY",))
    for event in tape.events:
        if not (isinstance(event.body, IbBarReceived) and index_of(event.body) in MISSING):
            kept.add(event.body, event.market_time)
    said = {}
    for report in reports(run(kept.events)):
        ended = int((report.evaluated_at - OPEN).total_seconds() // 5)
        said[ended] = {metric.name: metric for metric in report.metrics}
    return tuple(kept.events), said


def same(name: str, ended: int, mine: float | str | None) -> None:
    """What the stage said at that bar is this number, unless it is warming up."""
    said = morning()[1][ended][name]
    if said.quality is not Quality.WARMUP:
        expected = pytest.approx(mine, rel=1e-9, abs=1e-11) if isinstance(mine, float) else mine
        assert said.value == expected, (name, ended, said)


def events_of(kind: str) -> list[Recorded]:
    return [event for event in morning()[0] if event.type == kind]


def history(request: str, symbol: str = "SPY") -> dict[date, Any]:
    found = {}
    for event in events_of("HistoryImported"):
        body = event.body
        assert isinstance(body, HistoryImported)
        if (body.request, body.symbol) == (request, symbol):
            found[body.session_date] = json.loads(body.payload)
    return found


@cache
def bars() -> dict[int, IbBarReceived]:
    found = [e.body for e in events_of("IbBarReceived") if isinstance(e.body, IbBarReceived)]
    return {index_of(body): body for body in found}


ENDS = [index + 1 for index in range(12 * MINUTES) if index not in MISSING]
"""Of the bars that came, counted from the open."""


def moment(ended: int) -> datetime:
    return OPEN + timedelta(seconds=5 * ended)
