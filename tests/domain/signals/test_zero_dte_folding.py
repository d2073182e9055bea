"""The 0DTE stage over a day: recorded events alone give its state and its decisions again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from domain.event import decode_body, encode_body
from domain.events.feeds import LineOpened
from domain.events.orders import OrderState
from domain.events.signals import SignalValidated
from domain.signals.zero_dte import ZeroDteStage
from domain.stage import Consumer
from tests.domain.risk.build import HALT, NOON, one
from tests.domain.signals.build import RANGE, Strategy, contracts
from tests.domain.signals.day import opened, order_changed, ordered


def story() -> Strategy:
    strategy = Strategy(lines=False)
    strategy.evaluate()
    strategy.tick()
    for listed in contracts():
        strategy.when(LineOpened(contract=listed))
    signal = one(strategy.evaluate(), SignalValidated)
    strategy.when(ordered(signal))
    strategy.when(opened(signal))
    strategy.when(order_changed(OrderState.FILLED, filled=5))
    for minute in range(40):
        strategy.at = NOON + timedelta(minutes=minute + 1)
        strategy.evaluate(spot_mid=600.0 + minute / 10, after=1.0)
        strategy.tick()
    strategy.when(HALT)
    strategy.evaluate(RANGE)
    return strategy


def test_folding_the_recorded_log_gives_the_live_state() -> None:
    strategy = story()
    assert strategy.folded().states == strategy.consumer.states


def test_two_runs_decide_the_same() -> None:
    strategy = story()
    assert strategy.repeated() == [emitted for _, emitted in strategy.inputs]


def test_what_is_read_back_from_the_log_folds_to_the_same_state() -> None:
    strategy = story()
    stored = [event for _, emitted in strategy.inputs for event in emitted]
    assert len(stored) >= 25
    again: Consumer[Any] = Consumer("signals", "test", [ZeroDteStage()])
    for source, emitted in strategy.inputs:
        read = [
            replace(event, body=decode_body(event.type, event.schema, encode_body(event.body)))
            for event in emitted
        ]
        assert [event.body for event in read] == [event.body for event in emitted]
        again.fold(source, read)
    assert again.states == strategy.consumer.states
