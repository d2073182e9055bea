"""The edges of what the roll stage asks: first and last moment, one unit, the oldest quote."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace as changed_body

from domain.events.rolls import RollProposed
from tests.domain.risk.build import CLOSE, OPEN, contract, one
from tests.domain.signals.build import metrics
from tests.domain.signals.test_rolls import (
    TESTED_SPOT,
    Rolls,
    held_condor,
    legs_of,
    passed,
    position_changed,
)
from tests.domain.signals.weeks import DEAR, EXPIRY

REFRESH = timedelta(seconds=15)
FIRST = OPEN + timedelta(minutes=30)
LAST = CLOSE - timedelta(minutes=15)


@pytest.mark.parametrize("at", [FIRST, LAST - timedelta(microseconds=1)])
def test_a_roll_is_proposed_from_the_first_moment_of_the_window(at: datetime) -> None:
    assert one(Rolls(at=at - REFRESH).evaluate(), RollProposed).units == 2


@pytest.mark.parametrize("at", [FIRST - timedelta(microseconds=1), LAST])
def test_none_is_proposed_before_it_or_at_its_end(at: datetime) -> None:
    assert passed(Rolls(at=at - REFRESH).evaluate())[0] == "WINDOW"


def test_a_condor_of_one_unit_is_rolled_and_one_of_no_unit_is_not() -> None:
    stage = Rolls()
    stage.when(position_changed(legs_of(held_condor(), 1)))
    assert one(stage.evaluate(), RollProposed).units == 1
    stage = Rolls()
    stage.when(position_changed(legs_of(held_condor(), 0)))
    assert passed(stage.evaluate())[0] == "POSITION_WHOLE"


@pytest.mark.parametrize(("age_seconds", "counts"), [(2.0, True), (2.001, False)])
def test_a_delta_counts_on_a_quote_that_is_just_young_enough(
    age_seconds: float, counts: bool
) -> None:
    stage = Rolls()
    stage.when(metrics({**DEAR, "spot_mid": TESTED_SPOT}, stage.at))
    body = stage.chain()
    ages: list[float | None] = list(body.quote_age_seconds)
    ages[body.con_id.index(contract(617, expiry=EXPIRY).con_id)] = age_seconds
    emitted = stage.when(changed_body(body, quote_age_seconds=ages))
    if counts:
        assert one(emitted, RollProposed).tested == contract(617, expiry=EXPIRY)
    else:
        assert passed(emitted) == ("DATA_FRESH", "missing: delta of 617C")
