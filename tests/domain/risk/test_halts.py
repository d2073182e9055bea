"""Halt, release and flatten, asked for or by rule; the same decisions again from the log."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.event import Body
from domain.events.controls import (
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
    OrderState,
    ReconciliationCompleted,
)
from domain.events.positions import (
    ExitReason,
)
from domain.instruments import Direction, Strategy
from tests.domain.risk.build import (
    DAY,
    Driven,
    condor,
    none,
    one,
    session_planned,
    signal,
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
    clean = ReconciliationCompleted(connection="c2", clean=True, differences=())
    emitted = desk.when(clean)
    connected = BrokerReady(connection="c2", run_id="r", block_first=10, block_last=19)
    emitted += desk.when(connected)
    assert (not none(emitted, FlattenStarted)) is halts
    assert none(desk.when(clean), FlattenStarted)


def test_expiring_positions_are_closed_once_what_differed_at_the_reconnection_is_explained() -> (
    None
):
    desk = ready()
    desk.when(opened())
    holding(desk, 5)
    desk.when(BrokerDisconnected(connection="c", reason="lost"))
    desk.tick(after=61)
    dirty = ReconciliationCompleted(connection="c2", clean=False, differences=("SPY 600C: 1 or 2",))
    emitted = desk.when(dirty)
    emitted += desk.when(BrokerReady(connection="c2", run_id="r", block_first=10, block_last=19))
    assert none(emitted, FlattenStarted), "nothing is flattened on facts in doubt"
    emitted = desk.when(ReconciliationCompleted(connection="c2", clean=True, differences=()))
    assert not none(emitted, FlattenStarted)


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


def test_cash_that_alone_differs_closes_entries_and_does_not_halt() -> None:
    """A fee of a few dollars is no position in doubt: nothing needs a fresh log-in for it."""
    desk = ready()
    fee = Decimal("-12.50")
    dirty = ReconciliationCompleted(
        connection="c", clean=False, differences=("cash",), cash_difference=fee
    )
    desk.when(dirty)
    assert codes_of(desk.tick(after=300)) == []
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
