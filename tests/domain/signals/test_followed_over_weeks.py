"""The outcome of a 14D+ structure, followed on its marks over sessions, traded or not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from domain.event import Body
from domain.events.analytics import PredictionMade, PredictionResolved, PredictionVoided
from domain.forecasts.prediction import P5
from tests.domain.risk.build import CLOSE, DAY, NOON, session_planned
from tests.domain.signals.build import Strategy, chain_body
from tests.domain.signals.weeks import CHEAP, EXPIRY, FALLING, RISING, noon

DUE = NOON + timedelta(days=21) - timedelta(hours=2)
"""Half an hour after the open of the day on which time is up."""


def followed() -> Strategy:
    """A debit vertical that was predicted, on the morning of its time stop."""
    strategy = noon(CHEAP)
    found = strategy.evaluate()
    (made,) = [b for b in found if isinstance(b, PredictionMade) and b.model == P5]
    assert made.horizon_end.date() == EXPIRY
    strategy.when(session_planned(DAY + timedelta(days=21)))
    strategy.at = DUE - timedelta(seconds=5)
    return strategy


def settled(found: list[Body]) -> list[PredictionResolved | PredictionVoided]:
    kinds = PredictionResolved | PredictionVoided
    return [b for b in found if isinstance(b, kinds) and b.model == P5]


def test_when_time_is_up_its_outcome_is_what_it_is_worth() -> None:
    """Bought for 4.93 and worth 4.44 three weeks on: 0.49 are lost of the 2.47 to the stop."""
    strategy = followed()
    body = chain_body(strategy.at, volatility=0.10, expiry=EXPIRY)
    assert settled(strategy.evaluate(body=body)) == []
    (outcome,) = settled(strategy.evaluate(body=chain_body(DUE, volatility=0.10, expiry=EXPIRY)))
    assert isinstance(outcome, PredictionResolved)
    assert outcome.outcome == pytest.approx(0.2945, abs=1e-3), "(2.47 - 0.49) / (4.24 + 2.47)"


@pytest.mark.parametrize(("minutes", "voided"), [(3, False), (3.1, True)])
def test_an_exit_without_a_mark_of_late_is_no_outcome(minutes: float, voided: bool) -> None:
    """Another expiry is the one of the strategy by then, and its chain tells nothing of this."""
    strategy = followed()
    strategy.at = DUE - timedelta(minutes=minutes)
    strategy.evaluate(body=chain_body(strategy.at, volatility=0.10, expiry=EXPIRY))
    strategy.at = DUE
    other = chain_body(DUE, volatility=0.10, expiry=EXPIRY + timedelta(days=7))
    (outcome,) = settled(strategy.evaluate(body=other))
    assert isinstance(outcome, PredictionVoided) is voided
    assert (strategy.state.structure_record.hit_rate is None) is voided


def test_a_chain_published_for_what_is_held_is_followed_and_not_entered() -> None:
    """Its structures have their outcome on it; the chain of the strategy stays the other one."""
    strategy = followed()
    other = chain_body(strategy.at, volatility=0.10, expiry=EXPIRY + timedelta(days=7))
    strategy.evaluate(body=other)
    strategy.at = DUE
    held = replace(chain_body(DUE, volatility=0.10, expiry=EXPIRY), is_traded=False)
    (outcome,) = settled(strategy.evaluate(body=held))
    assert isinstance(outcome, PredictionResolved)
    assert strategy.state.chains["SPY"] is other


@pytest.mark.parametrize(
    ("changes", "early", "price", "ended"),
    [
        ({}, 0, 588.99, True),
        ({}, 0, 589.0, False),
        ({}, 5, 580.0, False),
        (FALLING, 0, 612.01, True),
        (FALLING, 0, 612.0, False),
    ],
)
def test_a_close_beyond_the_short_strike_ends_what_sells_premium(
    changes: dict[str, float | str | None], early: int, price: float, ended: bool
) -> None:
    """The puts are sold at 589, the calls at 612; what it is worth then is its outcome."""
    strategy = noon(RISING)
    strategy.evaluate(**changes)
    strategy.at = CLOSE - timedelta(seconds=early)
    body = chain_body(strategy.at, volatility=0.10, expiry=EXPIRY)
    found = settled(strategy.evaluate(body=body, last_close=price, **changes))
    assert len(found) == ended
