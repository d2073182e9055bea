"""What ended and comes back: late fills, corrections and orders that turn up count again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.events.orders import OrderState
from domain.events.positions import (
    ExitReason,
    LegPosition,
    PositionChanged,
    PositionReopened,
)
from domain.events.risk import RiskDecided
from domain.instruments import Direction, Strategy
from domain.risk.stage import RiskStage
from tests.domain.risk.build import DAY, Driven, account, call_vertical, session_planned, signal
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
)


def held_and_closed(pnl: str = "-100") -> tuple[Driven, RiskDecided]:
    desk = ready()
    decision = decide(desk)
    desk.when(intended(decision, quantity=5))
    desk.when(opened())
    holding(desk, 5)
    desk.when(order_changed(OrderState.FILLED, filled=5))
    holding(desk, 0)
    closed(desk, pnl, ExitReason.TIME)
    return desk, decision


def result(desk: Driven) -> Decimal:
    found: Decimal = desk.state.book.bucket_pnl(Strategy.ZERO_DTE)
    return found


def revalued(desk: Driven, units: int, pnl: str, *, legs: tuple[int, ...] = ()) -> None:
    con_ids = [leg.contract.con_id for leg in call_vertical().legs]
    pairs = zip(con_ids, legs, strict=False)
    desk.when(
        PositionChanged(
            position_id="pos-1",
            fill_id="late",
            legs=tuple(LegPosition(con_id=con_id, quantity=n) for con_id, n in pairs),
            units=units,
            average_entry_price=Decimal("1.5"),
            average_exit_price=None,
            realised_pnl=Decimal(pnl),
            fees=Decimal(0),
        )
    )


def test_a_late_fill_of_a_closed_position_counts_in_every_limit() -> None:
    """A position that fills after it was closed must not be outside all limits."""
    desk, _ = held_and_closed()
    assert desk.state.book.exposures() == ()
    revalued(desk, 1, "-100", legs=(1, -1))
    (exposure,) = desk.state.book.exposures()
    assert exposure.units == 1
    desk.when(account())
    rows = {check.code: check for check in decide(desk, signal(signal_id="sig-2")).checks}
    assert rows[C.LIMIT_TOTAL].input.startswith("155 open")
    assert rows[C.POSITIONS_TOTAL].input.startswith("1 open")
    assert rows[C.GREEK_DELTA].input != "missing: volatility of pos-1"


def test_a_leg_held_alone_counts_with_its_own_quantity() -> None:
    """A late fill of one leg leaves no whole unit: it would vanish from every limit."""
    desk, _ = held_and_closed()
    revalued(desk, 0, "-100", legs=(2, 0))
    assert [exposure.units for exposure in desk.state.book.exposures()] == [2]


@pytest.mark.parametrize("told", ["-6", "-2"])
def test_a_second_closing_adds_only_what_is_new_to_the_day_result(told: str) -> None:
    """Adding the whole position's result twice halts on a loss that nobody made.

    Right whether the second closing tells the result of the whole or of the late fill.
    """
    desk, _ = held_and_closed("-4")
    assert result(desk) == Decimal(-4)
    revalued(desk, 1, "-4", legs=(1, -1))
    revalued(desk, 0, "-6")
    closed(desk, told, ExitReason.TIME)
    assert result(desk) == Decimal(-6)
    assert desk.state.book.round_trips == (DAY,)


def test_a_correction_after_the_closing_reaches_the_day_result() -> None:
    desk, _ = held_and_closed("-4")
    revalued(desk, 0, "-9")
    assert result(desk) == Decimal(-9)
    assert desk.state.book.exposures() == ()


def test_a_correction_on_the_next_day_counts_its_difference_alone() -> None:
    desk, _ = held_and_closed("-4")
    desk.when(session_planned(DAY + timedelta(days=1)), after=70_000)
    assert result(desk) == 0
    revalued(desk, 0, "-5")
    assert result(desk) == Decimal(-1)


def test_a_position_closed_two_sessions_ago_is_forgotten() -> None:
    desk, _ = held_and_closed()
    for _ in range(2):
        desk.when(session_planned(desk.state.session_date + timedelta(days=1)), after=86_400)
    assert desk.state.book.ended_positions == {}
    assert desk.state.book.ended_orders == {} and desk.state.book.ended_entries == {}


def test_a_late_fill_closed_again_is_no_further_stopped_out_loss() -> None:
    """One bad trade must not pause its bucket by being closed three times."""
    desk = ready()
    desk.when(opened())
    for _ in range(3):
        closed(desk, "-10", ExitReason.STOP)
    assert desk.state.cooldowns.streak == {Strategy.ZERO_DTE: 1}


def test_the_waiting_time_of_risk_begins_anew_when_a_late_fill_is_stopped_out() -> None:
    """The check must not let an entry through that the strategy's own gate holds back."""
    desk = ready()
    desk.when(opened())
    closed(desk, "-10", ExitReason.STOP)
    desk.tick(after=600)
    reopened = PositionReopened(
        position_id="pos-1",
        strategy=Strategy.ZERO_DTE,
        fill_id="late",
        legs=(),
        units=1,
        reopened_at=desk.at,
        closed_pnl=Decimal(-10),
    )
    desk.when(reopened)
    closed(desk, "-14", ExitReason.STOP)
    assert desk.state.cooldowns.stopped_at == {(Strategy.ZERO_DTE, "SPY"): desk.at}
    assert desk.state.cooldowns.streak == {Strategy.ZERO_DTE: 1}


def test_an_order_that_turns_up_after_its_end_counts_as_working_again() -> None:
    """A cancelled order that the broker still works may fill: the limits must know it."""
    desk = ready()
    decision = decide(desk)
    desk.when(intended(decision, quantity=decision.units))
    desk.when(order_changed(OrderState.CANCELLED))
    assert desk.state.book.exposures() == ()
    desk.when(order_changed(OrderState.WORKING, remaining=3))
    assert [exposure.units for exposure in desk.state.book.exposures()] == [3]
    opposite = signal(
        call_vertical(604, 608), signal_id="sig-2", at=desk.at, direction=Direction.BEARISH
    )
    assert denied(decide(desk, opposite), C.CONTRACT_IN_USE)
    desk.when(order_changed(OrderState.CANCELLED))
    assert desk.state.book.exposures() == ()


def test_an_entry_that_nobody_knows_counts_in_every_limit_until_it_is_known_to_have_ended() -> None:
    """Taken for a rejection, it would leave room for a second one that the account cannot bear."""
    desk = ready()
    decision = decide(desk)
    desk.when(intended(decision, quantity=decision.units))
    desk.when(order_changed(OrderState.UNKNOWN, remaining=decision.units))
    assert [exposure.units for exposure in desk.state.book.exposures()] == [decision.units]
    desk.when(order_changed(OrderState.ABANDONED))
    assert desk.state.book.exposures() == ()


def test_late_facts_fold_to_the_same_state() -> None:
    desk, _ = held_and_closed()
    revalued(desk, 1, "-100", legs=(1, -1))
    closed(desk, "-110", ExitReason.TIME)
    assert desk.folded().states == desk.consumer.states
    assert isinstance(desk.stages[0], RiskStage)
