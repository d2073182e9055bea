"""What CalibrationUpdated says of a record, when it is published, and the gate it tells of."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.event import Body
from domain.events.analytics import PredictionMade, PredictionResolved, PredictionVoided
from domain.events.forecasts import CalibrationUpdated
from domain.forecasts.calibration import ALL
from domain.forecasts.intervals import wilson
from domain.forecasts.record import Outcome, Record
from tests.domain.forecasts.build import Forecasts
from tests.domain.risk.build import NOON, parameters


def predicted(name: str, p: float, at: datetime, **changes: object) -> PredictionMade:
    body = PredictionMade(
        prediction_id=name,
        model="P2",
        model_version="1",
        symbol="SPY",
        bucket="0DTE",
        made_at=at,
        horizon_end=at + timedelta(minutes=30),
        kind="prob",
        values={"p": p, "s": 1.0, "mid": 600.0, "slot": 0.0},
        scheduled=True,
    )
    return body.model_copy(update=changes)


def resolved(name: str, y: float, model: str = "P2") -> PredictionResolved:
    return PredictionResolved(prediction_id=name, model=model, symbol="SPY", outcome=y)


def published(desk: Forecasts) -> dict[tuple[str, str, bool], CalibrationUpdated]:
    """What the next whole five minutes bring, by model, symbol and scheduled."""
    found: list[Body] = desk.tick(after=300)
    return {(b.model, b.symbol, b.scheduled): b for b in found if isinstance(b, CalibrationUpdated)}


def test_scores_of_two_outcomes_by_symbol_and_pooled() -> None:
    desk = Forecasts(NOON)
    for name, p, y in (("a", 0.7, 1.0), ("b", 0.6, 0.0)):
        desk.when(predicted(name, p, desk.at))
        desk.when(resolved(name, y), after=1800)
    found = published(desk)
    assert set(found) == {("P2", "SPY", True), ("P2", ALL, True)}
    body = found["P2", ALL, True]
    assert (body.count, body.n_eff, body.kind) == (2, 2.0, "prob")
    assert body.ever.brier == pytest.approx((0.09 + 0.36) / 2)
    assert body.ever.skill == pytest.approx(1 - 0.225 / 0.25)
    weight = 2 ** (-1 / 200)
    assert body.recent.brier == pytest.approx((0.09 * weight + 0.36) / (1 + weight))
    assert [(one.p, one.rate, one.count) for one in body.bins] == [(0.6, 0.0, 1), (0.7, 1.0, 1)]
    assert (body.bins[1].low, body.bins[1].high) == pytest.approx(wilson(1.0, 1.0))


def test_intervals_of_bins_use_what_overlapping_outcomes_are_worth() -> None:
    """Two outcomes 300 s apart that looked 1800 s ahead are worth a third of one."""
    desk = Forecasts(NOON)
    for name in ("a", "b"):
        desk.when(predicted(name, 0.7, desk.at))
        desk.at += timedelta(seconds=300)
    for name in ("a", "b"):
        desk.when(resolved(name, 1.0))
    body = published(desk)["P2", ALL, True]
    assert body.n_eff == pytest.approx(2 / 6)
    assert (body.bins[0].low, body.bins[0].high) == pytest.approx(wilson(1.0, 2 / 6))


def test_published_once_after_a_change_and_not_before_its_time() -> None:
    desk = Forecasts(NOON)
    desk.tick()
    desk.when(predicted("a", 0.7, desk.at))
    desk.when(resolved("a", 1.0), after=1)
    assert desk.tick(after=1) == []
    assert published(desk) and not published(desk)


def test_void_predictions_are_counted_and_score_nothing() -> None:
    desk = Forecasts(NOON)
    desk.when(predicted("a", 0.7, desk.at))
    voided = PredictionVoided(prediction_id="a", model="P2", symbol="SPY", reason="no data")
    desk.when(voided, after=1)
    body = published(desk)["P2", ALL, True]
    assert (body.count, body.voided, body.ever.brier, body.bins) == (0, 1, None, ())


def test_predictions_at_decisions_are_pooled_apart_and_judge_no_gate() -> None:
    desk = Forecasts(NOON)
    desk.when(predicted("a", 0.7, desk.at, scheduled=False))
    desk.when(resolved("a", 1.0), after=1800)
    body = published(desk)["P2", ALL, False]
    assert (body.gate, body.trust, body.a) == ("", None, None)


def test_a_sold_structure_counts_as_p5_and_in_the_record_of_the_neutral_score() -> None:
    desk = Forecasts(NOON)
    values = {"p": 0.7, "s": 0.4, "offset": 0.2, "neutral": 1.0}
    made = predicted("a", 0.7, desk.at, model="P5", values=values, scheduled=False)
    desk.when(made)
    desk.when(resolved("a", 1.0, "P5"), after=600)
    found = published(desk)
    assert found["P5", ALL, False].gate == ""
    neutral = found["P5_NEUTRAL", ALL, False]
    assert neutral.gate == "pass" and neutral.trust == 0.5
    assert neutral.b is not None and neutral.b > 0.5


def test_gate_fails_and_returns_as_the_record_that_the_strategies_keep() -> None:
    """Sixty wrong calls, then right ones: the same outcomes through Record alone."""
    desk, record, rules = Forecasts(NOON), Record(), parameters()
    gates = []
    for n in range(150):
        y = float(n % 2)
        p = 0.9 if (y == 0) is (n < 60) else 0.1
        name, at = f"n{n}", desk.at
        desk.when(predicted(name, p, at))
        desk.when(resolved(name, y), after=1800)
        seconds = (at - desk.state.session_time.open_at).total_seconds()  # type: ignore[operator]
        record.add(Outcome("SPY", p, y, seconds, 1800.0), rules)
        body = published(desk)["P2", ALL, True]
        gates.append(body.gate)
        assert body.gate == ("fail" if record.failed else "pass")
        assert body.trust == record.trust(rules)
    assert gates[10] == "pass" and gates[59] == "fail" and gates[-1] == "pass"
    assert desk.folded().states == desk.consumer.states
