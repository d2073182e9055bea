"""How old the desk's equity is to a strategy: by its last value and by the stream since then."""

from __future__ import annotations

from domain.events.signals import SignalValidated
from domain.instruments import Direction
from domain.signals.case import DeskFacts
from tests.domain.risk.build import account, one
from tests.domain.signals.build import Strategy
from tests.domain.signals.day import opened


def facts(strategy: Strategy) -> DeskFacts:
    found: DeskFacts = strategy.state.facts(("SPY", Direction.BEARISH), strategy.at)
    return found


def holding() -> Strategy:
    """A strategy with a position, just after a reading of the account."""
    strategy = Strategy()
    strategy.when(opened(one(strategy.evaluate(after=0.0), SignalValidated)))
    strategy.when(account())
    return strategy


def test_the_stream_ages_while_something_is_held_and_is_young_with_each_reading() -> None:
    strategy = holding()
    strategy.tick(after=31.0)
    assert facts(strategy).stream_age_seconds == 31.0
    strategy.when(account(pnl=None))
    assert facts(strategy).stream_age_seconds == 31.0
    assert facts(strategy).equity_age_seconds == 0.0
    strategy.when(account())
    assert facts(strategy).stream_age_seconds == 0.0


def test_without_a_position_there_is_no_stream_to_wait_for() -> None:
    strategy = Strategy()
    strategy.tick(after=31.0)
    assert facts(strategy).stream_age_seconds == 0.0
