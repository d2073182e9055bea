"""Decisions of the risk stage: every check listed, and what counts while it is open."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.event import derived_id
from domain.events.controls import (
    AlertRaised,
)
from domain.events.orders import (
    EntryRefused,
    OrderState,
    WhatIfAnswered,
)
from domain.events.risk import MarginChecked, RiskDecided, WhatIfWanted
from domain.events.signals import Result, SignalInvalidated
from domain.events.system import ClockStarted
from domain.instruments import Direction, Right, StructureKind
from domain.risk.codes import DenialCode
from domain.risk.decide import GREEK_CODES, LIMIT_CODES, SCENARIO_CODES
from domain.risk.stage import RiskStage
from tests.domain.risk.build import (
    DAY,
    EQUITY,
    HALT,
    NOON,
    Driven,
    account,
    call_vertical,
    changed,
    condor,
    contract,
    desk_events,
    none,
    one,
    signal,
    structure,
)
from tests.domain.risk.desk_story import (
    C,
    decide,
    denied,
    holding,
    intended,
    opened,
    order_changed,
    ready,
)


def test_a_sound_debit_signal_is_approved_at_once_with_every_check_listed() -> None:
    decision = decide(ready())
    assert decision.denials == () and decision.approved
    assert decision.size is not None and decision.units == decision.size.units >= 1
    codes = {check.code for check in decision.checks}
    assert codes >= {code.value for code in (*LIMIT_CODES, *GREEK_CODES, *SCENARIO_CODES)}
    assert all(check.result is Result.PASS for check in decision.checks)
    # Cap price 1.52 a share and 2.80 of fees a unit.
    assert decision.max_loss_usd == decision.units * Decimal("154.80")
    assert decision.scenario is not None and len(decision.scenario.pnl_usd) == 110
    assert decision.equity_usd == EQUITY


def test_decision_joins_the_story_of_its_signal() -> None:
    desk = ready()
    decide(desk)
    emitted = desk.inputs[-1][1]
    assert {event.correlation_id for event in emitted} == {derived_id("signal", "sig-1")}
    assert emitted[0].stream == "decision/dec-sig-1"


@pytest.mark.parametrize(
    ("left_out", "code"),
    [
        (0, C.SESSION_OPEN),
        (1, C.BROKER_READY),
        (2, C.RECONCILED),
        (3, C.EQUITY_FRESH),
    ],
)
def test_entry_fails_closed_when_the_desk_is_not_ready(left_out: int, code: DenialCode) -> None:
    desk = Driven(RiskStage())
    desk.when(changed())
    for index, body in enumerate(desk_events()):
        if min(index, 3) != left_out:
            desk.when(body)
    decision = decide(desk)
    assert denied(decision, code)
    check = next(check for check in decision.checks if check.code == code)
    assert check.result is not Result.PASS and check.input


def test_missing_equity_leaves_every_limit_listed_as_unevaluable() -> None:
    desk = Driven(RiskStage())
    desk.when(changed())
    for body in desk_events()[:3]:
        desk.when(body)
    decision = decide(desk)
    results = {check.code: check.result for check in decision.checks}
    for code in (*LIMIT_CODES, *GREEK_CODES, *SCENARIO_CODES, C.SIZE, C.LOSS_SOFT):
        assert results[code.value] is Result.UNEVALUABLE
    assert decision.size is None


@pytest.mark.parametrize(("seconds", "approved"), [(19.0, True), (20.0, True), (20.1, False)])
def test_signal_older_than_its_limit_is_refused(seconds: float, approved: bool) -> None:
    desk = ready()
    desk.at += timedelta(seconds=seconds)
    desk.when(account())
    decision = decide(desk, signal(at=NOON))
    assert decision.approved is approved
    assert approved or denied(decision, C.SIGNAL_LIVE)


def test_halted_desk_and_closed_clock_refuse_entries() -> None:
    desk = ready()
    desk.when(HALT)
    assert denied(decide(desk), C.KILL_SWITCH_OFF)
    desk = ready()
    closed_clock = ClockStarted(
        base_market_time=NOON, speed=600, session_date=DAY, thinned=True, entries_open=False
    )
    desk.when(closed_clock)
    assert denied(decide(desk), C.CLOCK_NORMAL)


def test_unbounded_loss_is_refused_and_named() -> None:
    naked = structure(
        StructureKind.CREDIT_VERTICAL, (-1, contract(600)), (1, contract(590, Right.PUT))
    )
    decision = decide(ready(), signal(naked, mid="-1.00"))
    assert denied(decision, C.MAX_LOSS_BOUNDED)


def test_size_of_zero_is_refused_with_the_binding_rule() -> None:
    decision = decide(ready(), signal(p_win=0.40))
    assert denied(decision, C.SIZE)
    check = next(check for check in decision.checks if check.code == C.SIZE)
    assert "R2" in check.input


def test_approved_decision_counts_until_its_order_ends() -> None:
    desk = ready()
    first = decide(desk)
    again = decide(desk, signal(signal_id="sig-2", at=desk.at))
    assert denied(again, C.NO_DUPLICATE)
    desk.when(intended(first, quantity=first.units))
    assert desk.state.book.exposures()[0].units == first.units
    desk.when(order_changed(OrderState.UNKNOWN, remaining=first.units))
    assert desk.state.book.exposures()[0].units == first.units
    desk.when(order_changed(OrderState.CANCELLED))
    assert desk.state.book.exposures() == ()


def test_refused_invalidated_and_overdue_decisions_stop_counting() -> None:
    desk = ready()
    decision = decide(desk)
    desk.when(EntryRefused(decision_id=decision.decision_id, signal_id="sig-1", codes=()))
    assert desk.state.book.exposures() == ()
    decide(desk, signal(signal_id="sig-2", at=desk.at))
    desk.when(SignalInvalidated(signal_id="sig-2", condition="age", measured="", threshold=""))
    assert desk.state.book.exposures() == ()
    decide(desk, signal(signal_id="sig-3", at=desk.at))
    desk.tick(after=20)
    assert len(desk.state.book.exposures()) == 1
    desk.tick(after=0.1)
    assert desk.state.book.exposures() == ()


def test_partial_fill_counts_position_and_rest_as_one_position() -> None:
    desk = ready()
    decision = decide(desk)
    desk.when(intended(decision, quantity=5))
    desk.when(opened())
    holding(desk, 2)
    desk.when(order_changed(OrderState.WORKING, filled=2, remaining=3))
    exposures = desk.state.book.exposures()
    assert sum(e.units for e in exposures) == 5
    assert {e.decision_id for e in exposures} == {"dec-sig-1"}


def test_contract_on_the_other_side_is_in_use() -> None:
    desk = ready()
    decision = decide(desk)
    desk.when(intended(decision, quantity=1))
    opposite = signal(
        call_vertical(604, 608), signal_id="sig-2", at=desk.at, direction=Direction.BEARISH
    )
    assert denied(decide(desk, opposite), C.CONTRACT_IN_USE)


def test_position_without_known_volatility_closes_entries_and_is_named() -> None:
    desk = ready()
    desk.when(opened(symbol="QQQ", decision_id="", structure=call_vertical(symbol="QQQ")))
    holding(desk, 1)
    desk.when(account())
    decision = decide(desk)
    assert denied(decision, C.GREEK_DELTA) and denied(decision, C.SCENARIO_NEAR)
    check = next(check for check in decision.checks if check.code == C.GREEK_DELTA)
    assert check.input == "missing: volatility of pos-1"


def test_order_that_ends_before_its_position_opens_leaves_the_volatility_known() -> None:
    """The order's end is told before the position: what it filled must not be forgotten."""
    desk = ready()
    decision = decide(desk)
    desk.when(intended(decision, quantity=decision.units))
    desk.when(order_changed(OrderState.FILLED, filled=decision.units))
    desk.when(opened())
    holding(desk, decision.units)
    other = signal(call_vertical(symbol="QQQ"), signal_id="sig-2", at=desk.at)
    after = decide(desk, other)
    assert not set(after.denials) & {C.GREEK_DELTA, C.SCENARIO_NEAR, C.SCENARIO_FULL}


def test_open_position_weighs_on_greeks_and_scenarios_of_the_next_decision() -> None:
    desk = ready()
    first = decide(desk)
    desk.when(intended(first, quantity=5))
    desk.when(opened())
    holding(desk, 5)
    desk.when(order_changed(OrderState.FILLED, filled=5))
    desk.when(account())
    other = signal(
        call_vertical(symbol="QQQ"), signal_id="sig-2", at=desk.at, direction=Direction.BULLISH
    )
    alone = {c.code: c for c in decide(ready(), other).checks}
    beside = {c.code: c for c in decide(desk, other).checks}
    assert alone[C.GREEK_DELTA].input.startswith("book 0")
    assert not beside[C.GREEK_DELTA].input.startswith("book 0")
    assert alone[C.SCENARIO_NEAR].value != beside[C.SCENARIO_NEAR].value
    assert beside[C.LIMIT_TOTAL].input.startswith("775 open")


def test_credit_structure_waits_for_the_what_if_and_is_decided_once() -> None:
    desk = ready()
    emitted = desk.when(signal(condor(), mid="-1.00", direction=Direction.NEUTRAL))
    wanted = one(emitted, WhatIfWanted)
    assert none(emitted, RiskDecided)
    assert wanted.limit_price == Decimal("-0.98") and wanted.quantity >= 1
    answer = WhatIfAnswered(
        connection="c",
        order_ref=wanted.decision_id,
        order_id=2,
        initial_change=Decimal(302) * wanted.quantity,
        maintenance_change=Decimal(302),
        equity_with_loan_change=Decimal(0),
        commission=Decimal(2),
        warning="",
    )
    answered = desk.when(answer, after=0.5)
    assert one(answered, MarginChecked).accepted
    decision = one(answered, RiskDecided)
    assert decision.approved and decision.units <= wanted.quantity
    assert desk.when(answer) == []


def test_what_if_far_above_the_estimate_is_refused_with_an_alert() -> None:
    desk = ready()
    wanted = one(
        desk.when(signal(condor(), mid="-1.00", direction=Direction.NEUTRAL)), WhatIfWanted
    )
    answer = WhatIfAnswered(
        connection="c",
        order_ref=wanted.decision_id,
        order_id=2,
        initial_change=Decimal(400) * wanted.quantity,
        maintenance_change=None,
        equity_with_loan_change=None,
        commission=None,
        warning="",
    )
    answered = desk.when(answer)
    assert denied(one(answered, RiskDecided), C.MARGIN_MISMATCH)
    assert one(answered, AlertRaised).code == "MARGIN_MISMATCH"
    assert not one(answered, MarginChecked).accepted


def test_what_if_that_does_not_come_in_time_is_a_refusal() -> None:
    desk = ready()
    desk.when(signal(condor(), mid="-1.00", direction=Direction.NEUTRAL))
    assert desk.tick(after=5.0) == []
    late = desk.tick(after=0.1)
    assert denied(one(late, RiskDecided), C.MARGIN)
    assert "within 5 s" in one(late, MarginChecked).reason
    assert desk.tick() == []
