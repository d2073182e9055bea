"""The risk stage: decisions with every check, what-if, trading state, automatic halts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.event import Body, derived_id
from domain.events.controls import (
    AlertRaised,
    ControlRefused,
    FlattenRequested,
    FlattenStarted,
    HaltRequested,
    ReleaseRequested,
    TradingHalted,
    TradingReleased,
)
from domain.events.orders import (
    BrokerDisconnected,
    BrokerReady,
    BrokerTimeSeen,
    EntryRefused,
    OrderState,
    ReconciliationCompleted,
    WhatIfAnswered,
)
from domain.events.positions import (
    ExitReason,
    PositionMarked,
)
from domain.events.risk import MarginChecked, RiskDecided, WhatIfWanted
from domain.events.signals import Result, SignalInvalidated
from domain.events.system import ClockStarted
from domain.instruments import Direction, Right, Strategy, StructureKind
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
    session_planned,
    signal,
    structure,
)
from tests.domain.risk.desk_story import (
    C,
    closed,
    decide,
    denied,
    holding,
    intended,
    opened,
    order_changed,
    ready,
    worth,
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


def with_position(desk: Driven, equity_age: float, stream_age: float) -> None:
    desk.when(opened(symbol="QQQ", structure=call_vertical(symbol="QQQ"), decision_id="d"))
    holding(desk, 0)
    desk.when(account())
    desk.at += timedelta(seconds=equity_age - stream_age)
    desk.when(account().model_copy(update={"values": {}}))
    desk.at += timedelta(seconds=stream_age)


@pytest.mark.parametrize(
    ("value", "stream", "fresh"),
    [(239, 29, True), (240, 30, True), (240.1, 30, False), (240, 30.1, False)],
)
def test_equity_age_at_its_limits_while_a_position_is_open(
    value: float, stream: float, fresh: bool
) -> None:
    desk = ready()
    with_position(desk, value, stream)
    decision = decide(desk)
    check = next(check for check in decision.checks if check.code == C.EQUITY_FRESH)
    assert (check.result is Result.PASS) is fresh


def test_quiet_account_stays_fresh_on_the_heartbeat_alone_and_ages_without_it() -> None:
    desk = ready()
    desk.at += timedelta(seconds=1_000)
    desk.when(BrokerTimeSeen(connection="c", broker_time=desk.at, round_trip_seconds=0.01))
    assert decide(desk).approved
    desk.at += timedelta(seconds=241)
    assert denied(decide(desk, signal(signal_id="sig-2", at=desk.at)), C.EQUITY_FRESH)


def test_equity_age_counts_in_real_seconds_at_speed() -> None:
    desk = ready()
    desk.when(ClockStarted(base_market_time=NOON, speed=10, session_date=DAY))
    desk.at += timedelta(seconds=2_000)
    assert decide(desk).approved


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


def test_account_value_heard_before_the_session_is_planned_is_its_reference() -> None:
    """A quiet account says its value once, at the connection, and never again."""
    desk = Driven(RiskStage())
    desk.when(changed())
    planned, *others = desk_events()
    for body in (*others, planned):
        desk.when(body)
    assert decide(desk).approved


def test_old_account_value_is_no_reference_for_a_new_session() -> None:
    desk = Driven(RiskStage())
    desk.when(changed())
    planned, *others = desk_events()
    for body in others:
        desk.when(body)
    desk.when(planned, after=3_600)
    decision = decide(desk)
    assert denied(decision, C.LOSS_SOFT) and denied(decision, C.DRAWDOWN)


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


def test_stopped_out_loss_cools_the_key_down_and_a_streak_pauses_the_bucket() -> None:
    desk = ready()
    for n in range(3):
        desk.when(opened(f"pos-{n}", decision_id=f"d{n}"))
        closed(desk, "-10", ExitReason.STOP, f"pos-{n}")
    desk.at = NOON + timedelta(minutes=15)
    desk.when(account())
    decision = decide(desk)
    assert denied(decision, C.LOSS_STREAK) and C.COOLDOWN.value not in decision.denials
    desk.at = NOON + timedelta(minutes=14, seconds=59)
    fresh = ready()
    fresh.when(opened())
    closed(fresh, "-10", ExitReason.INVALIDATED)
    fresh.at = desk.at
    fresh.when(account())
    assert denied(decide(fresh), C.COOLDOWN)
    fresh.at += timedelta(seconds=1)
    assert decide(fresh, signal(signal_id="sig-2", at=fresh.at)).approved


def test_a_gain_sets_the_streak_to_zero_and_a_target_waits_five_minutes() -> None:
    desk = ready()
    for n, (pnl, reason) in enumerate(
        [
            ("-1", ExitReason.STOP),
            ("-1", ExitReason.STOP),
            ("5", ExitReason.TARGET),
            ("-1", ExitReason.STOP),
        ]
    ):
        desk.when(opened(f"pos-{n}", decision_id=f"d{n}"))
        closed(desk, pnl, reason, f"pos-{n}")
    desk.at = NOON + timedelta(minutes=20)
    desk.when(account())
    assert decide(desk).approved
    target = ready()
    target.when(opened())
    closed(target, "5", ExitReason.TARGET)
    target.at += timedelta(seconds=299)
    target.when(account())
    assert denied(decide(target), C.COOLDOWN)


def test_bucket_over_its_daily_loss_is_off() -> None:
    desk = ready()
    desk.when(opened())
    holding(desk, 5)
    mark = PositionMarked(
        position_id="pos-1",
        symbol="SPY",
        mark="1.0",
        bid="1",
        ask="1",
        unrealised_pnl="-10000",
        underlying_price=600.0,
        quote_age_seconds=0,
        quality="OK",
    )
    desk.when(mark)
    other = signal(at=desk.at, direction=Direction.BEARISH)
    assert denied(decide(desk, other), C.LOSS_BUCKET)


def test_soft_loss_refuses_losing_buckets_and_halves_the_others() -> None:
    desk = ready()
    whole = decide(desk)
    desk = ready()
    worth(desk, 980_000)
    decision = decide(desk)
    check = next(check for check in decision.checks if check.code == C.SIZE)
    assert decision.approved and "soft daily loss" in check.input
    assert decision.size is not None and whole.size is not None
    assert decision.size.r1_bucket == pytest.approx(whole.size.r1_bucket * 0.5 * 0.98)
    desk = ready()
    desk.when(opened())
    closed(desk, "-10", ExitReason.TIME)
    worth(desk, 980_000)
    assert denied(decide(desk), C.LOSS_SOFT)


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


def test_every_halt_request_is_confirmed() -> None:
    desk = ready()
    request = HaltRequested(who="watchdog", route="watchdog", reason="no heartbeat")
    assert one(desk.when(request), TradingHalted).reason == "no heartbeat"
    assert one(desk.when(request), TradingHalted).who == "watchdog"


@pytest.mark.parametrize(
    ("halted", "reason", "again", "released"),
    [
        (True, "checked", True, True),
        (True, " ", True, False),
        (True, "checked", False, False),
        (False, "checked", True, False),
    ],
)
def test_release_needs_a_halt_a_reason_and_a_fresh_login(
    halted: bool, reason: str, again: bool, released: bool
) -> None:
    desk = ready()
    if halted:
        desk.when(HaltRequested(who="op", route="api", reason="pause"))
    emitted = desk.when(
        ReleaseRequested(who="op", route="api", reason=reason, reauthenticated=again)
    )
    one(emitted, TradingReleased if released else ControlRefused)
    assert desk.state.halted is (halted and not released)


def test_flatten_halts_and_names_every_open_position() -> None:
    desk = ready()
    desk.when(opened("pos-1"))
    desk.when(opened("pos-2", strategy=Strategy.FOURTEEN_DTE))
    emitted = desk.when(FlattenRequested(who="op", route="api", reason="out"))
    assert one(emitted, FlattenStarted).positions == ("pos-1", "pos-2")
    assert one(emitted, TradingHalted).reason == "flatten: out"


def codes_of(emitted: list[Body]) -> list[str]:
    return [b.reason.partition(":")[0] for b in emitted if isinstance(b, TradingHalted)]


@pytest.mark.parametrize(("seconds", "halts"), [(59, False), (60, False), (61, True)])
def test_long_disconnection_with_expiring_positions_halts_and_closes_them_after_reconciling(
    seconds: float, halts: bool
) -> None:
    desk = ready()
    desk.when(opened())
    holding(desk, 5)
    desk.when(BrokerDisconnected(connection="c", reason="lost"))
    assert codes_of(desk.tick(after=seconds)) == (["BROKER_DISCONNECTED"] if halts else [])
    assert desk.tick(after=0) == []
    desk.when(BrokerReady(connection="c2", run_id="r", block_first=10, block_last=19))
    clean = ReconciliationCompleted(connection="c2", clean=True, differences=())
    emitted = desk.when(clean)
    assert (not none(emitted, FlattenStarted)) is halts
    assert none(desk.when(clean), FlattenStarted)


def test_disconnection_without_expiring_positions_does_not_halt() -> None:
    desk = ready()
    desk.when(BrokerDisconnected(connection="c", reason="lost"))
    assert desk.tick(after=300) == []


@pytest.mark.parametrize(("seconds", "halts"), [(30, False), (30.5, True)])
def test_unexplained_mismatch_halts(seconds: float, halts: bool) -> None:
    desk = ready()
    dirty = ReconciliationCompleted(connection="c", clean=False, differences=("SPY 600C: 1 or 2",))
    desk.when(dirty)
    desk.when(dirty, after=5)
    assert codes_of(desk.tick(after=seconds - 5)) == (["POSITION_MISMATCH"] if halts else [])
    assert denied(decide(desk), C.RECONCILED)


def test_clock_skew_halts_when_two_answers_in_a_row_say_so() -> None:
    desk = ready()
    desk.at += timedelta(seconds=10)
    for apart, halts in ((3.5, False), (0.0, False), (3.5, False), (3.5, True)):
        late = desk.at - timedelta(seconds=apart)
        desk.when(BrokerTimeSeen(connection="c", broker_time=late, round_trip_seconds=0.0))
        assert (codes_of(desk.tick(after=0)) == ["CLOCK_SKEW"]) is halts


def test_hard_daily_loss_halts_closes_short_dated_positions_and_blocks_the_day() -> None:
    desk = ready()
    desk.when(opened("near"))
    desk.when(opened("far", strategy=Strategy.FOURTEEN_DTE))
    emitted = worth(desk, 970_000)
    assert codes_of(emitted) == ["LOSS_HARD"]
    assert one(emitted, FlattenStarted).positions == ("near",)
    assert desk.tick() == []
    desk.when(ReleaseRequested(who="op", route="api", reason="ok", reauthenticated=True))
    assert desk.tick() == []
    worth(desk, 990_000)
    assert denied(decide(desk), C.LOSS_HARD)


def test_drawdown_is_the_kill_switch() -> None:
    desk = ready(risk__loss__hard_day=0.15, risk__loss__soft_day=0.10)
    desk.when(opened("far", strategy=Strategy.FOURTEEN_DTE))
    emitted = worth(desk, 920_000)
    assert codes_of(emitted) == ["DRAWDOWN"]
    assert one(emitted, FlattenStarted).positions == ("far",)
    desk.when(ReleaseRequested(who="op", route="api", reason="ok", reauthenticated=True))
    assert desk.tick() == []


def story() -> Driven:
    """A day with approvals, a what-if, fills, losses, halts and a release."""
    desk = ready()
    decision = decide(desk)
    desk.when(intended(decision, quantity=decision.units))
    desk.when(opened())
    holding(desk, decision.units)
    desk.when(order_changed(OrderState.FILLED, filled=decision.units))
    desk.when(signal(condor(), signal_id="sig-2", mid="-1.00", direction=Direction.NEUTRAL))
    desk.tick(after=3)
    desk.tick(after=3)
    desk.when(BrokerDisconnected(connection="c", reason="lost"))
    desk.tick(after=61)
    desk.when(BrokerReady(connection="c2", run_id="r", block_first=10, block_last=19))
    desk.when(ReconciliationCompleted(connection="c2", clean=True, differences=()))
    closed(desk, "-100", ExitReason.STOP)
    desk.when(ReleaseRequested(who="op", route="api", reason="ok", reauthenticated=True))
    worth(desk, 969_000)
    desk.when(session_planned(DAY + timedelta(days=1)), after=70_000)
    return desk


def test_folding_the_recorded_log_gives_the_live_state() -> None:
    desk = story()
    assert desk.folded().states == desk.consumer.states


def test_two_runs_decide_the_same() -> None:
    desk = story()
    assert desk.repeated() == [emitted for _, emitted in desk.inputs]
