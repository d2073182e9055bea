"""A predicted structure is marked as the desk marks what it holds, legs without a bid too."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from domain.event import Body
from domain.events.analytics import ChainEvaluated, PredictionResolved
from domain.forecasts.prediction import P5
from domain.instruments import Right
from tests.domain.risk.build import contract
from tests.domain.signals.build import CHEAP_RANGE, RANGE, Strategy, chain_body

SHORTS = {contract(597, Right.PUT).con_id, contract(603, Right.CALL).con_id}
WINGS = {contract(595, Right.PUT).con_id, contract(605, Right.CALL).con_id}


def outcome(found: list[Body]) -> float | None:
    resolved = [b for b in found if isinstance(b, PredictionResolved) and b.model == P5]
    return resolved[0].outcome if resolved else None


def quoted(body: ChainEvaluated, ids: set[int], bid: float | None, ask: float | None) -> Any:
    """The chain with some contracts quoted otherwise."""
    at = [k for k, con_id in enumerate(body.con_id) if con_id in ids]
    bids, asks = list(body.bid), list(body.ask)
    for k in at:
        bids[k], asks[k] = bid, ask
    return replace(body, bid=bids, ask=asks)


def condor() -> Strategy:
    """Sold at 597 and 603, predicted, with its wings at 595 and 605."""
    strategy = Strategy(**CHEAP_RANGE)
    strategy.evaluate(RANGE)
    (followed,) = strategy.state.tracked.values()
    assert {con_id for con_id, ratio in followed.legs if ratio < 0} == SHORTS
    assert {con_id for con_id, ratio in followed.legs if ratio > 0} == WINGS
    return strategy


@pytest.mark.parametrize("bid", [None, 0.0])
def test_a_condor_reaches_its_target_though_nobody_bids_for_its_wings(bid: float | None) -> None:
    """What closing costs is known by the asks of what was sold."""
    strategy = condor()
    body = chain_body(strategy.at, volatility=0.23)
    won = quoted(quoted(body, SHORTS, 0.01, 0.02), WINGS, bid, 0.01)
    assert outcome(strategy.evaluate(RANGE, body=won)) == 1.0


@pytest.mark.parametrize(("bid", "ask"), [(None, None), (0.03, 0.02), (0.02, 0.02)])
def test_a_leg_without_an_ask_locked_or_crossed_marks_nothing(
    bid: float | None, ask: float | None
) -> None:
    strategy = condor()
    body = chain_body(strategy.at, volatility=0.23)
    won = quoted(quoted(body, SHORTS, 0.01, 0.02), WINGS, bid, ask)
    assert outcome(strategy.evaluate(RANGE, body=won)) is None
    (followed,) = strategy.state.tracked.values()
    assert followed.marked_at is not None and followed.marked_at < strategy.at


@pytest.mark.parametrize(("age", "expected"), [(15.0, 1.0), (15.1, None)])
def test_a_quote_too_old_for_metrics_marks_nothing(age: float, expected: float | None) -> None:
    """A chain whose feed is dead goes on being told: its prices are no outcome."""
    strategy = condor()
    body = quoted(chain_body(strategy.at, volatility=0.23), SHORTS, 0.01, 0.02)
    won = quoted(body, WINGS, 0.01, 0.02)
    ages = [age if con_id in WINGS else 0.5 for con_id in won.con_id]
    assert outcome(strategy.evaluate(RANGE, body=replace(won, quote_age_seconds=ages))) == expected


def test_a_debit_whose_long_leg_has_no_bid_is_worth_nothing() -> None:
    """And so at its stop, on the second refresh that says so."""
    strategy = Strategy()
    strategy.evaluate()
    (followed,) = strategy.state.tracked.values()
    (long,) = (con_id for con_id, ratio in followed.legs if ratio > 0)
    for expected in (None, 0.0):
        dead = quoted(chain_body(strategy.at), {long}, None, 0.05)
        assert outcome(strategy.evaluate(body=dead)) == expected


@pytest.mark.parametrize(("close", "ends"), [(598.0, True), (598.01, False)])
def test_a_close_on_the_edge_of_the_noise_area_is_inside_it(close: float, ends: bool) -> None:
    """Outside is beyond the edge: two closes on it, below VWAP, are back inside."""
    strategy = Strategy()
    strategy.evaluate()
    back: dict[str, Any] = {
        "minute_close": close, "noise_upper": 598.0, "vwap": 600.0, "noise_x": 0.0, "or_break": 0.0,
    }  # fmt: skip
    strategy.tick_forward(60)
    assert outcome(strategy.evaluate(after=60, **back)) is None
    assert (outcome(strategy.evaluate(**back)) is not None) is ends
