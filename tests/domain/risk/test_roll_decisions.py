"""Risk on a roll: every check is listed, no risk is added, and what cannot be told refuses it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Body
from domain.events.orders import (
    BrokerDisconnected,
    OrderChanged,
    OrderState,
    Purpose,
    ReconciliationCompleted,
)
from domain.events.positions import ExitDecided, ExitReason, LegPosition
from domain.events.risk import MarginChecked, WhatIfWanted
from domain.events.rolls import PositionRolled, RollDecided
from domain.events.system import ParametersChanged
from domain.instruments import Right, Strategy
from domain.risk.codes import DENIALS, DenialCode, Part
from domain.risk.max_loss import payoff
from domain.risk.parameters import ASK
from domain.rolling import after_roll, fault_of, roll_of
from tests.domain.risk.build import HALT, Driven, condor, contract, exit_plan, none, one, put_credit
from tests.domain.risk.desk_story import opened
from tests.domain.risk.roll_story import (
    HELD,
    LOSS_USD,
    NEW_LONG,
    NEW_SHORT,
    ROLL,
    UNITS,
    answered,
    ask,
    holding,
    order,
    position_changed,
    proposed,
)

C = DenialCode
WHOLE = after_roll(HELD, ROLL)


def roll_changed(state: OrderState, filled: int = 0) -> OrderChanged:
    return OrderChanged(
        order_ref="pos-1-R1",
        order_id=1,
        perm_id=1,
        state=state,
        filled=filled,
        remaining=0 if state.is_final else UNITS - filled,
        reason="",
    )


def rolling(desk: Driven) -> None:
    desk.when(order(Purpose.ROLL, "pos-1-R1", ROLL, "roll-pos-1-1"))


def rolled() -> PositionRolled:
    return PositionRolled(
        position_id="pos-1",
        roll_id="roll-pos-1-1",
        signal_id="sig-1",
        strategy=Strategy.FOURTEEN_DTE,
        symbol="SPY",
        structure_before=HELD,
        structure=WHOLE,
        units=UNITS,
        fill_ids=(),
        net_price=Decimal("-0.25"),
        basis_price=Decimal("-1.25"),
        exit_plan=exit_plan(),
        max_loss_per_unit_before_usd=LOSS_USD,
        max_loss_per_unit_usd=Decimal("283.40"),
        legs=(),
        rolled_at=HOLDING_AT,
    )


HOLDING_AT = holding().at


def test_a_roll_is_approved_on_the_brokers_answer_with_every_check_listed() -> None:
    desk = holding()
    (wanted,) = desk.when(proposed(desk))
    assert isinstance(wanted, WhatIfWanted)
    assert (wanted.structure, wanted.quantity) == (ROLL, UNITS)
    emitted = desk.when(answered(wanted))
    assert one(emitted, MarginChecked).accepted
    found = one(emitted, RollDecided)
    assert (found.approved, found.denials, found.units) == (True, (), UNITS)
    # Four dollars less 1.00 and eight executions of 0.70; then less 1.20 and twelve.
    assert (found.max_loss_before_usd, found.max_loss_after_usd) == (
        Decimal("305.60"),
        Decimal("288.40"),
    )
    listed = {check.code for check in found.checks}
    assert listed >= {code.value for code, d in DENIALS.items() if d.part is Part.ROLL}
    assert {"KILL_SWITCH_OFF", "BROKER_READY", "RECONCILED", "EQUITY_FRESH", "MARGIN"} <= listed
    assert {"GREEK_GAMMA", "SCENARIO_FULL", "CONTRACT_IN_USE", "TRADE_APPROVED"} <= listed
    assert found.send_before <= desk.at + (proposed(desk).valid_until - desk.at)


@pytest.mark.parametrize(
    ("mid", "wing"),
    [
        ("-0.25", 590),  # three dollars wider for twenty cents
        ("-0.07", 593),  # what it brings is less than its fees
        ("0.10", 593),  # a debit
    ],
)
def test_a_roll_that_would_raise_the_maximum_loss_is_refused(mid: str, wing: int) -> None:
    desk = holding()
    roll = roll_of(HELD, NEW_SHORT, contract(wing, Right.PUT))
    found = ask(desk, proposed(desk, mid=mid, roll=roll))
    assert not found.approved and found.units == 0
    assert C.MAX_LOSS_NOT_HIGHER.value in found.denials
    assert found.max_loss_after_usd is not None and found.max_loss_before_usd is not None
    assert found.max_loss_after_usd > found.max_loss_before_usd


def test_the_loss_before_is_what_the_position_really_cost_and_not_the_worst_that_it_might() -> None:
    """Entered a nickel dearer than at best, the book counts more: that is no room for a roll."""
    desk = holding()
    roll = roll_of(HELD, NEW_SHORT, contract(Decimal("592.77"), Right.PUT))
    found = ask(desk, proposed(desk, mid="-0.25", roll=roll))
    assert found.max_loss_before_usd == Decimal("305.60") < LOSS_USD
    assert found.max_loss_after_usd == Decimal("311.40")
    assert C.MAX_LOSS_NOT_HIGHER.value in found.denials


Story = Callable[[Driven], object]


def disconnected(desk: Driven) -> None:
    desk.when(BrokerDisconnected(connection="c", reason="x"))


def differs(desk: Driven) -> None:
    desk.when(ReconciliationCompleted(connection="c", clean=False, differences=("x",)))


def leaving(desk: Driven) -> None:
    desk.when(
        ExitDecided(
            position_id="pos-1",
            reason=ExitReason.TARGET,
            profile="patient",
            mark=None,
            threshold="",
            evidence=(),
        )
    )


def uneven(desk: Driven) -> None:
    legs = tuple(
        LegPosition(con_id=leg.contract.con_id, quantity=leg.ratio * (UNITS - (place == 2)))
        for place, leg in enumerate(HELD.legs)
    )
    desk.when(position_changed(legs=legs))


def fewer(desk: Driven) -> None:
    desk.when(position_changed(UNITS - 1))


def filled_in_part(desk: Driven) -> None:
    rolling(desk)
    desk.when(roll_changed(OrderState.CANCELLED, 1))


def never_found(desk: Driven) -> None:
    rolling(desk)
    desk.when(roll_changed(OrderState.UNKNOWN))
    desk.when(roll_changed(OrderState.ABANDONED))


def three_tries(desk: Driven) -> None:
    for _ in range(3):
        rolling(desk)
        desk.when(roll_changed(OrderState.CANCELLED))


def on_the_other_side(desk: Driven) -> None:
    desk.when(opened("pos-2", decision_id="d2", structure=put_credit(593, 585)))
    desk.when(position_changed(1, put_credit(593, 585), position_id="pos-2"))


def asked_for(desk: Driven) -> None:
    values = {"risk.approval.14D+": ASK}
    desk.when(ParametersChanged(values=values, version=2, who="x", why="y"))


@pytest.mark.parametrize(
    ("story", "code"),
    [
        (lambda desk: desk.when(HALT), C.KILL_SWITCH_OFF),
        (disconnected, C.BROKER_READY),
        (differs, C.RECONCILED),
        (lambda desk: desk.tick(after=400), C.EQUITY_FRESH),
        (leaving, C.POSITION_WHOLE),
        (uneven, C.POSITION_WHOLE),
        (fewer, C.POSITION_WHOLE),
        (rolling, C.ROLL_ONCE),
        (filled_in_part, C.ROLL_ONCE),
        (never_found, C.ROLL_ONCE),
        (three_tries, C.ROLL_ONCE),
        (lambda desk: desk.when(rolled()), C.ROLL_ONCE),
        (on_the_other_side, C.CONTRACT_IN_USE),
        (asked_for, C.TRADE_APPROVED),
    ],
)
def test_a_roll_is_refused_by_name_while_something_speaks_against_it(
    story: Story, code: DenialCode
) -> None:
    desk = holding()
    story(desk)
    found = ask(desk)
    assert not found.approved and code.value in found.denials, found.denials


def test_a_roll_of_what_nobody_knows_is_refused_and_names_it() -> None:
    desk = holding()
    found = ask(desk, proposed(desk, position_id="pos-9"))
    checks = {check.code: check.input for check in found.checks}
    assert "pos-9" in checks[C.POSITION_WHOLE.value]
    assert found.max_loss_after_usd is None and C.MAX_LOSS_BOUNDED.value in found.denials


def test_a_roll_of_another_shape_than_one_side_for_another_is_refused() -> None:
    desk = holding()
    mixed = ROLL.model_copy(update={"legs": (*ROLL.legs[:3], HELD.legs[3])})
    assert fault_of(HELD, mixed) != "" and fault_of(HELD, ROLL) == ""
    found = ask(desk, proposed(desk, roll=mixed))
    assert C.POSITION_WHOLE.value in found.denials


def test_a_roll_whose_margin_the_broker_does_not_tell_is_refused_in_time() -> None:
    desk = holding()
    desk.when(proposed(desk))
    emitted: list[Body] = []
    for _ in range(8):
        emitted += desk.tick()
    found = one(emitted, RollDecided)
    assert not found.approved and C.MARGIN.value in found.denials
    assert not one(emitted, MarginChecked).accepted


def test_a_roll_that_the_broker_wants_much_margin_for_is_refused() -> None:
    desk = holding()
    assert C.MARGIN_MISMATCH.value in ask(desk, change="5000").denials


def test_a_proposal_is_decided_once() -> None:
    desk = holding()
    ask(desk)
    emitted: list[Body] = []
    for _ in range(10):
        emitted += desk.tick()
    assert none(emitted, RollDecided)


def test_the_book_counts_the_loss_before_a_roll_until_it_is_over() -> None:
    desk = holding()
    rolling(desk)
    desk.when(roll_changed(OrderState.WORKING))
    (exposure,) = desk.state.book.exposures()
    assert (exposure.structure, exposure.max_loss_usd) == (HELD, LOSS_USD * UNITS)
    desk.when(roll_changed(OrderState.FILLED, UNITS))
    desk.when(rolled())
    (exposure,) = desk.state.book.exposures()
    assert (exposure.structure, exposure.max_loss_usd) == (WHOLE, Decimal("283.40") * UNITS)


def test_no_entry_stands_against_the_side_that_a_roll_opens() -> None:
    """Neither while it works nor once it is held."""
    wanted = put_credit(590, 597)  # buys the contract that the roll sells
    desk = holding()
    assert desk.state.book.opposite_of(wanted) == ()
    rolling(desk)
    assert "pos-1-R1" in desk.state.book.opposite_of(wanted)
    desk.when(roll_changed(OrderState.CANCELLED, 1))
    assert desk.state.book.opposite_of(wanted) == ("pos-1",)


def test_a_short_of_the_new_side_without_its_cover_is_a_breach() -> None:
    desk = holding()
    rolling(desk)
    legs = [LegPosition(con_id=leg.contract.con_id, quantity=leg.ratio * 3) for leg in HELD.legs]
    bare = (*legs, LegPosition(con_id=NEW_SHORT.con_id, quantity=-1))
    desk.when(position_changed(legs=bare))
    for _ in range(8):
        desk.tick()
    assert C.MAX_LOSS_BOUNDED.value in desk.state.trading[1]
    covered = (*bare, LegPosition(con_id=NEW_LONG.con_id, quantity=1))
    desk.when(position_changed(legs=covered))
    assert desk.state.book.uncovered_positions(1e12) == ()


def test_a_second_run_decides_on_a_roll_as_the_first() -> None:
    desk = holding()
    ask(desk)
    again = desk.repeated()
    assert [[e.body for e in emitted] for _, emitted in desk.inputs] == [
        [e.body for e in emitted] for emitted in again
    ]


@settings(max_examples=120, deadline=None)
@given(
    short=st.integers(593, 606),
    width=st.integers(1, 9),
    mid=st.integers(-250, 40),
    entry=st.integers(-350, -20),
)
def test_no_approved_roll_ever_raises_what_may_be_lost(
    short: int, width: int, mid: int, entry: int
) -> None:
    """By brute force over every price at the end, with the worst price of the roll."""
    new_long = contract(short - width, Right.PUT)
    roll = roll_of(HELD, contract(short, Right.PUT), new_long)
    if fault_of(HELD, roll):
        return
    desk = holding()
    paid = Decimal(entry) / 100
    desk.when(position_changed(average_entry_price=paid))
    body = proposed(desk, mid=str(Decimal(mid) / 100), roll=roll)
    if not ask(desk, body).approved:
        return
    ends = [Decimal(price) for price in range(570, 630)]
    before = min(payoff(HELD, end) - paid for end in ends)
    after = min(payoff(after_roll(HELD, roll), end) - paid - body.worst_price for end in ends)
    assert after > before


def test_a_condor_of_the_other_direction_is_rolled_on_its_call_side() -> None:
    calls = roll_of(HELD, contract(603), contract(607))
    desk = holding()
    assert ask(desk, proposed(desk, roll=calls)).approved
    assert after_roll(HELD, calls) == condor(588, 592, 603, 607)
