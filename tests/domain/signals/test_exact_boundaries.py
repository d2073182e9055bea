"""Single comparisons and connectives of gates, strikes and staleness that no other test tells
apart (`make mutation` names them)."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from domain.events.signals import Result
from domain.instruments import Right
from domain.risk.codes import DenialCode as C
from domain.signals.case import Case
from domain.signals.gates import evaluate
from domain.signals.life import Now, Stale, stale
from domain.signals.reading import Reading
from domain.signals.structure import Choice, NoStructure, nearest_delta, spread_is_tight
from domain.signals.zero_dte import ZERO_DTE, choose_range
from tests.domain.risk.build import NOON, parameters
from tests.domain.signals.build import TREND, chain, filtered, metrics
from tests.domain.signals.test_gates import PARAMETERS, QUIET, case, gate_of, range_case
from tests.domain.signals.test_structure import row
from tests.domain.signals.test_zero_dte import valid

RANGE_LEAST = parameters().number("signals.0dte.range.p_min")
SLACK = parameters().number("signals.0dte.stale.p_slack")
LEAST = round(RANGE_LEAST - SLACK, 12)


def test_a_structure_whose_chance_is_unknown_has_no_expected_value() -> None:
    gate = gate_of(replace(case(), p_win=None), C.EV_POSITIVE)
    assert gate.result is Result.UNEVALUABLE and gate.reason == "missing: p_win"


@pytest.mark.parametrize(("p_win", "result"), [(0.515, Result.PASS), (0.514999, Result.FAIL)])
def test_an_expected_value_of_just_the_least_is_enough(p_win: float, result: Result) -> None:
    """Of a hundred dollars either way and no cost, the least is three."""
    found = case().odds
    assert found is not None
    even = replace(found, target_usd=100.0, stop_usd=100.0, cost_usd=0.0)
    assert gate_of(case(odds=even, p_win=p_win), C.EV_POSITIVE).result is result


def test_coverage_of_just_the_least_is_enough() -> None:
    found = case({"fi_s": None})
    used = parameters(signals__coverage_min=found.score.coverage)
    gate = next(g for g in evaluate(found, used) if g.code == C.FEATURE_COVERAGE)
    assert found.score.coverage < 1.0 and gate.result is Result.PASS


@pytest.mark.parametrize(("word", "result"), [("ok", Result.PASS), ("NO", Result.FAIL)])
def test_a_forward_may_be_said_to_agree_by_a_word(word: str, result: Result) -> None:
    gate = gate_of(case({"forward_ok_0dte": word}), C.FORWARD_OK)
    assert gate.result is result and gate.measured == word
    assert gate_of(case(), C.FORWARD_OK).measured == "1.0"


def test_a_delta_apart_from_the_brokers_by_just_the_limit_agrees() -> None:
    found = case().chosen
    assert isinstance(found, Choice)
    rows = (replace(found.rows[0], delta=0.05, broker_delta=0.0), found.rows[1])
    gate = gate_of(case(chosen=replace(found, rows=rows)), C.GREEKS_AGREE)
    assert gate.measured == "0.0500" and gate.result is Result.PASS


def test_what_a_gate_measured_is_told_where_it_is_known() -> None:
    assert gate_of(case(), C.NO_SHOCK).measured == "NONE"
    assert gate_of(case(), C.BLACKOUT).measured == "CLEAR"
    assert gate_of(case({"news_state": None}), C.NO_SHOCK).measured == "-"
    unknown = gate_of(case(facts={"equity_age_seconds": None}), C.BROKER_READY)
    assert unknown.reason == "missing: net liquidation"
    assert gate_of(case(), C.BROKER_READY).reason == ""


def test_a_delta_off_by_just_the_tolerance_is_near_enough() -> None:
    edge = row(600, 1e-12)
    assert nearest_delta([edge], 0.0, 600.0, 0.0) is edge
    assert nearest_delta([replace(edge, delta=1.1e-12)], 0.0, 600.0, 0.0) is None


def staleness(found: Case, move_max: float = 1e9) -> Stale | None:
    """Of a valid signal whose case is now another."""
    strategy, validated = valid()
    live = next(iter(strategy.state.lives.values()))
    live.validated = validated.model_copy(update={"underlying_move_max": move_max})
    live.variant = found.variant
    now = Now(NOON, found.reading, None, found, halted=False, entries_open=True)
    return stale(live, now, ZERO_DTE, PARAMETERS)


def test_a_move_of_just_the_most_is_not_stale() -> None:
    moved = case({"spot_mid": 602.0})
    assert staleness(moved, move_max=2.0) is None
    found = staleness(moved, move_max=1.999)
    assert found is not None and found.condition == "underlying"


@pytest.mark.parametrize(
    ("p_win", "is_stale"), [(LEAST, False), (LEAST - 1e-9, True), (None, False)]
)
def test_sold_premium_is_stale_by_the_chance_of_its_target_where_that_is_known(
    p_win: float | None, is_stale: bool
) -> None:
    same = {name: TREND[name] for name in ("gex_regime", "flip_side")}
    found = staleness(range_case(same, p_win=p_win))
    assert (found is not None and found.condition == "probability") is is_stale


def test_a_direction_is_stale_by_its_own_chance_whatever_the_structures() -> None:
    weak = case({"fi_s": -0.9, "delta_flow_z": -4.0, "sweep_z": -4.0, "noise_x": -3.0})
    for p_win in (None, 0.9):
        found = staleness(replace(weak, p_win=p_win))
        assert found is not None and found.condition == "probability"


@pytest.mark.parametrize(("coverage", "is_stale"), [(0.70, False), (0.6999, True)])
def test_coverage_of_just_the_least_is_not_stale(coverage: float, is_stale: bool) -> None:
    found = case({"fi_s": None})
    assert found.score.impaired
    thinned = staleness(replace(found, score=replace(found.score, coverage=coverage)))
    assert (thinned is not None and thinned.condition == "coverage") is is_stale


def test_a_blackout_is_told_by_its_reason() -> None:
    body = metrics({**TREND, "calendar_state": "BLACKOUT"})
    given = {m.name: m for m in body.metrics}
    found = staleness(case(reading=Reading("SPY", NOON, given)))
    assert found is not None and found.measured == "BLACKOUT"
    given["calendar_state"] = msgspec.structs.replace(given["calendar_state"], reason="FOMC")
    found = staleness(case(reading=Reading("SPY", NOON, given)))
    assert found is not None and found.measured == "FOMC"


@pytest.mark.parametrize("known", ["noise_x", "or_break"])
def test_one_of_noise_area_and_break_is_enough_to_tell_that_a_trend_is_out(known: str) -> None:
    values: dict[str, float | None] = {"noise_x": None, "or_break": None}
    inside = case({**values, known: 0.0})
    assert gate_of(inside, C.ENTRY_SCORE).result is Result.FAIL
    assert gate_of(case(values), C.ENTRY_SCORE).result is Result.UNEVALUABLE


def test_a_quote_of_one_side_has_no_tight_spread() -> None:
    assert spread_is_tight(row(600, 0.5), PARAMETERS)
    assert not spread_is_tight(replace(row(600, 0.5), bid=None), PARAMETERS)


@pytest.mark.parametrize("right", list(Right))
def test_a_condor_without_a_short_on_one_side_names_the_side(right: Right) -> None:
    near = filtered(
        chain(volatility=0.23), lambda r: r.right is not right or abs(r.strike - 600) < 2
    )
    found = choose_range(near, QUIET, PARAMETERS)
    side = "call" if right is Right.CALL else "put"
    assert isinstance(found, NoStructure) and f"no liquid {side} short" in found.reason
