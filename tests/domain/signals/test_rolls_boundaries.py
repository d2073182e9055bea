"""The edges of what the roll stage asks: first and last moment, one unit, the oldest quote."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace as changed_body

from domain.event import Body
from domain.events.analytics import ChainEvaluated
from domain.events.feeds import LinesWanted
from domain.events.positions import LegPosition
from domain.events.rolls import RollProposed
from domain.instruments import MULTIPLIER, OptionContract, Right
from domain.parameters import PARAMETERS
from domain.rolling import ROLL_LEGS
from tests.domain.risk.build import CLOSE, OPEN, contract, none, one
from tests.domain.signals.build import metrics
from tests.domain.signals.test_rolls import (
    TESTED_SPOT,
    Rolls,
    held_condor,
    legs_of,
    passed,
    position_changed,
    silent,
)
from tests.domain.signals.weeks import DEAR, EXPIRY

REFRESH = timedelta(seconds=15)
FIRST = OPEN + timedelta(minutes=30)
LAST = CLOSE - timedelta(minutes=15)
TESTED = contract(617, expiry=EXPIRY)


def number(name: str) -> float:
    """Of a parameter as shipped."""
    return float(PARAMETERS[name].default)


def proposed(**given: Any) -> RollProposed:
    found: RollProposed = one(Rolls(**given).evaluate(), RollProposed)
    return found


def new_short() -> int:
    """The strike that the new side's delta asks for."""
    return int(proposed().roll.legs[2].contract.strike)


def with_leg(body: ChainEvaluated, leg: OptionContract, column: str, value: Any) -> ChainEvaluated:
    """The chain with one cell changed."""
    cells = list(getattr(body, column))
    cells[body.con_id.index(leg.con_id)] = value
    return changed_body(body, **{column: cells})


def evaluated_with(stage: Rolls, leg: OptionContract, column: str, value: Any) -> list[Body]:
    stage.when(metrics({**DEAR, "spot_mid": TESTED_SPOT}, stage.at))
    return stage.when(with_leg(stage.chain(), leg, column, value))


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
    emitted = evaluated_with(Rolls(), TESTED, "quote_age_seconds", age_seconds)
    if counts:
        assert one(emitted, RollProposed).tested == TESTED
    else:
        assert passed(emitted) == ("DATA_FRESH", "missing: delta of 617C")


@pytest.mark.parametrize(("after", "counts"), [(0.5, True), (0.501, False)])
def test_a_quote_grows_older_with_the_time_since_the_chain_was_made(
    after: float, counts: bool
) -> None:
    """Else a roll is decided on a market that is gone when the chain comes late."""
    stage = Rolls()
    stage.when(metrics({**DEAR, "spot_mid": TESTED_SPOT}, stage.at))
    late = with_leg(stage.chain(), TESTED, "quote_age_seconds", 1.5)
    emitted = stage.when(late, after=after)
    if counts:
        found: RollProposed = one(emitted, RollProposed)
        assert [leg.quote_age_seconds for leg in found.legs] == pytest.approx([1.0] * ROLL_LEGS)
    else:
        assert passed(emitted) == ("DATA_FRESH", "missing: delta of 617C")


@pytest.mark.parametrize(("delta", "is_tested"), [(0.35, True), (0.3499, False)])
def test_a_short_is_tested_from_its_delta_on_and_not_just_below(
    delta: float, is_tested: bool
) -> None:
    emitted = evaluated_with(Rolls(), TESTED, "delta", delta)
    if is_tested:
        assert one(emitted, RollProposed).tested_delta == delta
    else:
        assert silent(emitted)


def test_a_bought_leg_is_never_tested_and_needs_no_delta() -> None:
    """Else a wing without a quote, or one near its short, keeps the condor from being rolled."""
    wing = contract(623, expiry=EXPIRY)
    for delta in (None, 0.5):
        assert one(evaluated_with(Rolls(), wing, "delta", delta), RollProposed).tested == TESTED


@pytest.mark.parametrize(("later", "is_rolled"), [(0, False), (1, True)])
def test_a_condor_whose_life_ends_with_this_session_is_not_rolled(
    later: int, is_rolled: bool
) -> None:
    """At the close of its options at the latest; a moment after it is another session's."""
    ends = CLOSE + timedelta(minutes=15, microseconds=later)
    stage = Rolls(time_stop_at=ends)
    if is_rolled:
        assert one(stage.evaluate(), RollProposed).units == 2
    else:
        assert passed(stage.evaluate()) == ("WINDOW", f"it is left today, at {ends.isoformat()}")


def test_a_condor_with_more_of_one_leg_than_of_the_others_is_not_rolled() -> None:
    """Else the leg too many stays behind, which belongs to no structure."""
    held = legs_of(held_condor())
    more = LegPosition(con_id=held[3].con_id, quantity=held[3].quantity + 1)
    stage = Rolls()
    stage.when(position_changed((*held[:3], more)))
    assert passed(stage.evaluate())[0] == "POSITION_WHOLE"


def test_a_side_that_would_stay_at_its_strike_is_not_rolled_and_one_strike_nearer_is() -> None:
    """Else costs are paid for the same short."""
    strike = new_short()
    code, reason = passed(Rolls(held_condor(strike - 8, strike)).evaluate())
    assert code == "NO_STRIKE"
    assert reason == f"short {strike} is not nearer to the money than {strike}"
    found = proposed(shape=held_condor(strike - 3, strike - 1))
    assert found.roll.legs[2].contract.strike == strike


def test_a_new_short_may_come_next_to_the_tested_one_and_not_onto_its_strike() -> None:
    strike = new_short()
    code, reason = passed(Rolls(held_condor(577, 583, strike, strike + 6)).evaluate())
    assert code == "NO_STRIKE"
    assert reason == f"short {strike} is beyond the tested {strike}"
    found = proposed(shape=held_condor(577, 583, strike + 1, strike + 7))
    assert found.tested == contract(strike + 1, expiry=EXPIRY)
    assert found.roll.legs[2].contract == contract(strike, Right.PUT, expiry=EXPIRY)


def test_a_roll_must_bring_more_than_it_costs_at_the_worst_price() -> None:
    """Which is the mid and the slippage budget: at the mid alone it would bring more."""
    narrow: dict[str, Any] = {"signals__14d__width": 0.005}
    free = proposed(**narrow)
    assert free.worst_price == free.net_mid + free.mid_against_max < 0
    each = -free.worst_price * MULTIPLIER / ROLL_LEGS
    commission = each - Decimal(repr(number("risk.fees.exchange_usd")))

    def costing(usd: Decimal) -> Rolls:
        return Rolls(**narrow, risk__fees__commission_usd=float(usd))

    code, reason = passed(costing(commission).evaluate())
    assert code == "ROLL_CREDIT"
    brings, costs = (Decimal(text.split()[0]) for text in reason.split(" against "))
    assert brings == costs == 4 * each
    found: RollProposed = one(costing(commission - Decimal("0.0001")).evaluate(), RollProposed)
    assert found.worst_price == free.worst_price


def test_a_proposal_waits_to_its_last_moment_and_then_another_one_is_made() -> None:
    """Nor are its lines given up while its order may still be sent."""
    stage = Rolls()
    first: RollProposed = one(stage.evaluate(), RollProposed)
    assert first.roll_id == "roll-p-1"
    emitted = stage.evaluate(after=(first.valid_until - stage.at).total_seconds())
    assert stage.at == first.valid_until
    assert silent(emitted) and none(emitted, LinesWanted)
    second: RollProposed = one(stage.evaluate(after=0.001), RollProposed)
    assert second.roll_id == "roll-p-2"
    third_at = (second.valid_until - stage.at).total_seconds() + 1
    assert one(stage.evaluate(after=third_at), RollProposed).roll_id == "roll-p-3"


def test_lines_of_a_proposal_that_ran_out_are_given_up_when_nothing_is_tested() -> None:
    stage = Rolls()
    first: RollProposed = one(stage.evaluate(), RollProposed)
    after = (first.valid_until - stage.at).total_seconds() + 0.001
    assert one(stage.evaluate(600.0, after=after), LinesWanted).lines == ()


@pytest.mark.parametrize("rest", [4e-5, 9e-5])
def test_the_price_may_move_by_a_share_of_what_the_rest_of_the_day_moves(rest: float) -> None:
    """By that of the day's rest, and not of the weeks to expiry."""
    found: RollProposed = one(Rolls().evaluate(v_rem=rest), RollProposed)
    share = number("signals.14d.stale.move_sd")
    assert found.underlying_move_max == pytest.approx(share * math.sqrt(rest) * TESTED_SPOT)
