"""The operator changes where a position is left: recorded with who and why, and never looser."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import ControlRefused
from domain.events.positions import (
    ExitDecided,
    ExitPlanChanged,
    ExitPlanChangeRequested,
    ExitReason,
    PositionOpened,
    StopMoved,
)
from tests.domain.execution.execution_build import Bench
from tests.domain.execution.test_exit_harms import holding, only, quotes

D = Decimal


def change(bench: Bench, **given: Any) -> list[Any]:
    wanted: dict[str, Any] = {
        "position_id": bench.all(PositionOpened)[-1].position_id,
        "stop_price": None,
        "target_price": None,
        "time_stop_at": None,
        "who": "ann",
        "route": "api",
        "reason": "news in an hour",
    }
    return bench.give(ExitPlanChangeRequested(**{**wanted, **given}))


def left(bench: Bench) -> list[ExitReason]:
    return [body.reason for body in bench.all(ExitDecided)]


def test_a_raised_stop_closes_where_the_old_one_would_have_held() -> None:
    bench, _, _ = holding()
    bench.wait(1, quotes(bench, 1.98, 2.02))
    emitted = change(bench, stop_price=D("1.90"))
    (changed,) = only(emitted, ExitPlanChanged)
    assert (changed.who, changed.reason) == ("ann", "news in an hour")
    assert changed.exit_plan.stop_price == D("1.90")
    (moved,) = only(emitted, StopMoved)
    assert (moved.stop_price, moved.kind) == (D("1.90"), "operator")
    for _ in range(4):
        bench.wait(1, quotes(bench, 1.80, 1.84))
    assert left(bench) == [ExitReason.STOP]


def test_a_lowered_target_is_taken() -> None:
    bench, _, _ = holding()
    bench.wait(1, quotes(bench, 1.98, 2.02))
    (changed,) = only(change(bench, target_price=D("2.10")), ExitPlanChanged)
    assert changed.exit_plan.target_price == D("2.10")
    bench.wait(1, quotes(bench, 2.13, 2.15))
    assert left(bench) == [ExitReason.TARGET]


def test_an_earlier_time_stop_acts() -> None:
    bench, _, _ = holding()
    bench.wait(1, quotes(bench, 1.98, 2.02))
    change(bench, time_stop_at=bench.now + timedelta(seconds=3))
    for _ in range(4):
        bench.wait(1, quotes(bench, 1.98, 2.02))
    assert left(bench) == [ExitReason.TIME]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"stop_price": D("0.01")}, "stop must be at least"),
        ({"stop_price": D("9.00")}, "stop must be below the target"),
        ({"target_price": D("2.105")}, "target must be in whole ticks"),
        ({"time_stop_at": datetime.fromisoformat("2001-01-01T00:00:00Z")}, "time stop must be"),
        ({"time_stop_at": datetime.fromisoformat("2099-01-01T00:00:00Z")}, "time stop must be"),
        ({"target_price": D("2.10"), "reason": " "}, "must have a reason"),
        ({}, "must be given, was none"),
        ({"target_price": D("2.10"), "position_id": "P0"}, "must be held, was not"),
    ],
)
def test_a_change_that_would_loosen_or_confuse_is_refused_with_its_reason(
    given: dict[str, Any], told: str
) -> None:
    """The size was decided with the stop: a lower one would pass the limit on risk."""
    bench, _, _ = holding()
    bench.wait(1, quotes(bench, 1.98, 2.02))
    emitted = change(bench, **given)
    (refused,) = only(emitted, ControlRefused)
    assert told in refused.reason and refused.who == "ann"
    assert not only(emitted, ExitPlanChanged)
