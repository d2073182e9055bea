"""The operator changes how a position is left: tighter at will, looser never."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import ControlRefused, TradeCancelRequested
from domain.events.positions import (
    ExitDecided,
    ExitPlanChanged,
    ExitPlanChangeRequested,
    ExitReason,
    PositionOpened,
    StopMoved,
)
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import CLOSE, START
from tests.domain.execution.stories import holding, only, quotes
from tests.domain.execution.test_watermarks import restarted, watched


def ask(bench: Bench, **given: Any) -> list[Any]:
    wanted: dict[str, Any] = {
        "position_id": bench.all(PositionOpened)[-1].position_id,
        "stop_price": None,
        "target_price": None,
        "time_stop_at": None,
        "who": "o",
        "route": "api",
        "reason": "the day turned",
    }
    return bench.give(ExitPlanChangeRequested(**wanted | given))


def marked() -> Bench:
    """Calls bought at 2.00, marked at 2.00, with a stop at 1.00 and a target of 3.20."""
    bench, _, _ = holding()
    bench.wait(2, quotes(bench, 1.98, 2.02))
    return bench


def test_a_raised_stop_acts_and_holds_after_a_restart() -> None:
    bench = marked()
    emitted = ask(bench, stop_price=Decimal("1.60"))
    (moved,) = only(emitted, StopMoved)
    assert (moved.stop_price, moved.previous_stop_price, moved.kind) == (
        Decimal("1.60"),
        Decimal("1.00"),
        "operator",
    )
    assert watched(restarted(bench)).stop == Decimal("1.60")
    bench.wait(1, quotes(bench, 1.53, 1.57))
    bench.wait(1.5, quotes(bench, 1.53, 1.57))
    assert [d.reason for d in bench.all(ExitDecided)] == [ExitReason.STOP]


def test_a_nearer_target_is_taken_and_kept_after_a_restart() -> None:
    bench = marked()
    (changed,) = only(ask(bench, target_price=Decimal("2.30")), ExitPlanChanged)
    assert (changed.exit_plan.target_price, changed.exit_plan.stop_price) == (
        Decimal("2.30"),
        Decimal("1.00"),
    )
    assert watched(restarted(bench)).opened.exit_plan == changed.exit_plan
    bench.wait(1, quotes(bench, 2.30, 2.34))
    assert [d.reason for d in bench.all(ExitDecided)] == [ExitReason.TARGET]


def test_an_earlier_time_stop_acts_by_the_clock() -> None:
    bench = marked()
    ask(bench, time_stop_at=START + timedelta(minutes=2))
    bench.now = START + timedelta(minutes=2)
    assert [d.reason for d in only(bench.wait(0), ExitDecided)] == [ExitReason.TIME]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"stop_price": Decimal("0.90")}, "a stop must rise"),
        ({"stop_price": Decimal("1.00")}, "a stop must rise"),
        ({"stop_price": Decimal("2.00")}, "below the mark"),
        ({"stop_price": Decimal("1.505")}, "multiples"),
        ({"target_price": Decimal("1.00")}, "above the stop"),
        ({"stop_price": Decimal("1.50"), "target_price": Decimal("1.40")}, "above the stop"),
        ({"time_stop_at": CLOSE}, "forced flat"),
        ({}, "named none"),
        ({"stop_price": Decimal("1.50"), "reason": " "}, "must have a reason"),
        ({"stop_price": Decimal("1.50"), "position_id": "P0"}, "must be held"),
    ],
)
def test_what_would_loosen_a_plan_or_makes_no_sense_is_refused_with_its_reason(
    given: dict[str, Any], why: str
) -> None:
    bench = marked()
    emitted = ask(bench, **given)
    (refused,) = only(emitted, ControlRefused)
    assert why in refused.reason
    assert refused.request_id == str(bench.log[-2].event_id)
    assert only(emitted, ExitPlanChanged) == only(emitted, StopMoved) == []


def test_the_trail_goes_on_above_the_operators_stop() -> None:
    bench = marked()
    ask(bench, stop_price=Decimal("1.60"))
    bench.wait(2, quotes(bench, 3.00, 3.04))
    assert watched(bench).stop == Decimal("2.26")


def test_closing_what_the_desk_does_not_know_is_refused_with_what_to_do() -> None:
    """Silence would look like a close under way."""
    bench = marked()
    close = TradeCancelRequested(
        position_id="P00000000000000ff", signal_id="", who="o", route="telegram", reason="r"
    )
    (refused,) = only(bench.give(close), ControlRefused)
    assert (
        "P00000000000000ff must be" in refused.reason and "see those on the page" in refused.reason
    )
    assert bench.all(ExitDecided) == []
