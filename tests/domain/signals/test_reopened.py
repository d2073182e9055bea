"""A late fill opens a closed position again: the strategy must not trade over it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.events.orders import OrderState
from domain.events.positions import ExitReason, PositionClosed, PositionReopened
from domain.events.signals import Result, SignalRaised, SignalValidated
from domain.instruments import Strategy as Bucket
from tests.domain.risk.build import NOON, one
from tests.domain.signals.build import Strategy
from tests.domain.signals.day import opened, order_changed, ordered, valid


def closed(strategy: Strategy, signal: SignalValidated, pnl: int, reason: ExitReason) -> None:
    strategy.when(
        PositionClosed(
            position_id="p",
            signal_id=signal.signal_id,
            strategy=Bucket.ZERO_DTE,
            symbol="SPY",
            reason=reason,
            units=5,
            entry_price=Decimal("0.75"),
            exit_price=Decimal("0.38"),
            realised_pnl=Decimal(pnl),
            fees=Decimal(7),
            pnl_over_max_loss=Decimal("-0.5"),
            opened_at=NOON,
            closed_at=strategy.at,
        )
    )


def reopened(strategy: Strategy) -> None:
    strategy.when(
        PositionReopened(
            position_id="p",
            strategy=Bucket.ZERO_DTE,
            fill_id="late",
            legs=(),
            units=1,
            reopened_at=strategy.at,
            closed_pnl=Decimal(-190),
        )
    )


def traded() -> tuple[Strategy, SignalValidated]:
    strategy, signal = valid()
    strategy.when(ordered(signal))
    strategy.when(opened(signal))
    strategy.when(order_changed(OrderState.FILLED, filled=5))
    return strategy, signal


def test_no_second_position_is_opened_over_one_that_a_late_fill_opened_again() -> None:
    strategy, signal = traded()
    closed(strategy, signal, 50, ExitReason.TIME)
    reopened(strategy)
    raised = one(strategy.evaluate(), SignalRaised)
    gates = {gate.code: gate.result for gate in raised.gates}
    assert gates["NO_DUPLICATE"] is Result.FAIL
    closed(strategy, signal, 50, ExitReason.TIME)
    one(strategy.evaluate(), SignalValidated)


def test_the_waiting_time_begins_anew_with_the_second_close() -> None:
    """The late fill was stopped out later than the rest: its loss is as fresh as any."""
    strategy, signal = traded()
    closed(strategy, signal, -190, ExitReason.STOP)
    strategy.tick(after=600)
    reopened(strategy)
    closed(strategy, signal, -200, ExitReason.STOP)
    cooldowns, key = strategy.state.cooldowns, ("SPY", signal.direction)
    until = cooldowns.key_until(Bucket.ZERO_DTE, *key, strategy.state.parameters)
    assert until == strategy.at + timedelta(minutes=15)
    assert cooldowns.streak == {Bucket.ZERO_DTE: 1}, "one bad trade is one loss"


def test_a_late_profit_takes_the_streak_back() -> None:
    strategy, signal = traded()
    closed(strategy, signal, -190, ExitReason.STOP)
    reopened(strategy)
    closed(strategy, signal, 10, ExitReason.STOP)
    assert strategy.state.cooldowns.streak == {Bucket.ZERO_DTE: 0}


def test_a_close_that_is_told_twice_is_one_exit() -> None:
    strategy, signal = traded()
    closed(strategy, signal, -190, ExitReason.STOP)
    at = strategy.at
    strategy.tick(after=600)
    closed(strategy, signal, -190, ExitReason.STOP)
    assert strategy.state.cooldowns.stopped_at == {(Bucket.ZERO_DTE, "SPY"): at}


def test_a_restart_knows_what_was_opened_again() -> None:
    strategy, signal = traded()
    closed(strategy, signal, 50, ExitReason.TIME)
    reopened(strategy)
    assert strategy.folded().states == strategy.consumer.states
