"""Single comparisons and connectives of gates, strikes and staleness that no other test tells
apart (`make mutation` names them)."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from domain.events.signals import Result
from domain.forecasts.record import Record
from domain.instruments import Direction, Right
from domain.risk.codes import DenialCode as C
from domain.signals.case import Case
from domain.signals.gates import evaluate
from domain.signals.life import Now, Stale, stale
from domain.signals.reading import Reading
from domain.signals.structure import Choice, NoStructure, nearest_delta, spread_is_tight
from domain.signals.zero_dte import ZERO_DTE, choose_range
from tests.domain.risk.build import NOON, contract, parameters
from tests.domain.signals.build import CHEAP_RANGE, TREND, chain, filtered, metrics, with_row
from tests.domain.signals.day import valid
from tests.domain.signals.test_gates import PARAMETERS, QUIET, case, gate_of, range_case
from tests.domain.signals.test_structure import row

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
    rows = (msgspec.structs.replace(found.rows[0], delta=0.05, broker_delta=0.0), found.rows[1])
    gate = gate_of(case(chosen=replace(found, rows=rows)), C.GREEKS_AGREE)
    assert gate.measured == "0.0500" and gate.result is Result.PASS


def test_what_a_gate_measured_is_told_where_it_is_known() -> None:
    assert gate_of(case(), C.NO_SHOCK).measured == "NONE"
    assert gate_of(case(), C.BLACKOUT).measured == "CLEAR"
    assert gate_of(case({"news_state": None}), C.NO_SHOCK).measured == "-"
    unknown = gate_of(case(facts={"equity_age_seconds": None}), C.BROKER_READY)
    assert unknown.reason == "missing: net liquidation"
    assert gate_of(case(), C.BROKER_READY).reason == ""


def test_gates_tell_what_stands_in_the_way() -> None:
    """A halt, a closed clock, an open position, a distrusted model, a missing chain."""
    found = case()
    assert gate_of(found, C.SESSION_OPEN).measured == NOON.isoformat()
    halted = gate_of(case(facts={"market_halt": "halted"}), C.SESSION_OPEN)
    assert halted.measured == f"{NOON.isoformat()}, halted"
    for facts, code, measured in (
        ({}, C.CLOCK_NORMAL, "open"),
        ({"entries_open": False}, C.CLOCK_NORMAL, "closed"),
        ({}, C.NO_DUPLICATE, "none"),
        ({"has_position": True}, C.NO_DUPLICATE, "open"),
        ({}, C.KILL_SWITCH_OFF, "none"),
        ({"halted": True}, C.KILL_SWITCH_OFF, "halted"),
    ):
        assert gate_of(case(facts=facts), code).measured == measured
    assert gate_of(found, C.MODEL_TRUST).reason == ""
    distrusted = gate_of(case(record=Record(failed=True)), C.MODEL_TRUST)
    assert distrusted.reason == "distrusted until the latest outcomes show skill"
    assert gate_of(found, C.NO_EXPIRY).reason == ""
    absent = gate_of(case(chain=None, chosen=None, odds=None), C.NO_EXPIRY)
    assert absent.reason.startswith("no chain of ")


def test_a_delta_off_by_just_the_tolerance_is_near_enough() -> None:
    edge = row(600, 1e-12)
    assert nearest_delta([edge], 0.0, 600.0, 0.0) is edge
    assert nearest_delta([msgspec.structs.replace(edge, delta=1.1e-12)], 0.0, 600.0, 0.0) is None


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
    ("p_win", "is_stale"), [(LEAST, False), (LEAST - 1e-9, True), (None, True)]
)
def test_sold_premium_is_stale_by_the_chance_of_its_target_and_where_that_is_unknown(
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
    assert not spread_is_tight(msgspec.structs.replace(row(600, 0.5), bid=None), PARAMETERS)


@pytest.mark.parametrize(("less", "result"), [(0.0, Result.PASS), (1e-9, Result.FAIL)])
def test_a_trend_of_just_the_least_probability_may_go_against_positive_gamma(
    less: float, result: Result
) -> None:
    found = case({"gex_regime": "POS"})
    least = PARAMETERS.number("signals.0dte.trend.p_min_positive_gamma")
    found = replace(found, score=replace(found.score, probability_up=least - less))
    assert gate_of(found, C.REGIME).result is result


@pytest.mark.parametrize(
    ("noise", "broken", "result"),
    [(1.0, 0.0, Result.FAIL), (1.0001, 0.0, Result.PASS), (1.0, 0.0001, Result.PASS)],
)
def test_a_price_at_the_edge_of_the_noise_area_is_not_out_of_it(
    noise: float, broken: float, result: Result
) -> None:
    found = case({"noise_x": noise, "or_break": broken})
    found = replace(found, score=replace(found.score, probability_up=0.7))
    assert gate_of(found, C.ENTRY_SCORE).result is result
    in_gamma = replace(found, reading=case({"noise_x": noise, "gex_regime": "POS"}).reading)
    assert (gate_of(in_gamma, C.REGIME).result is Result.PASS) is (noise > 1.0)


@pytest.mark.parametrize("direction", [Direction.BULLISH, Direction.BEARISH])
def test_a_price_at_its_average_is_on_neither_side_of_it(direction: Direction) -> None:
    sign = 1 if direction is Direction.BULLISH else -1
    for off, holds in ((0.0, False), (0.01, True), (-0.01, False)):
        values = {"vwap": 600.0 - sign * off}
        found = ZERO_DTE.rules.conditions(case(values, direction=direction), PARAMETERS)
        assert next(c for c in found if c.name == "vwap").holds is holds


@pytest.mark.parametrize("missing", ["spot_mid", "vwap"])
def test_the_side_of_the_average_is_unknown_without_either_price(missing: str) -> None:
    found = ZERO_DTE.rules.conditions(case({missing: None}), PARAMETERS)
    assert next(c for c in found if c.name == "vwap").holds is None


def test_the_entry_row_tells_the_thresholds_of_its_variant() -> None:
    assert "beyond the noise area" in gate_of(case(), C.ENTRY_SCORE).threshold
    assert "p_win >= 0.62" in gate_of(range_case(), C.ENTRY_SCORE).threshold


@pytest.mark.parametrize("missing", ["spot_mid", "put_wall", "call_wall"])
def test_a_range_is_between_walls_only_where_all_of_them_are_known(missing: str) -> None:
    found = gate_of(range_case({missing: None}), C.REGIME)
    assert (found.result, found.reason) == (Result.UNEVALUABLE, "missing: walls")


@pytest.mark.parametrize("at_spot", ["put_wall", "call_wall"])
def test_a_price_at_a_wall_is_not_between_the_walls(at_spot: str) -> None:
    assert gate_of(range_case({at_spot: 600.0}), C.REGIME).result is Result.FAIL
    assert gate_of(range_case(), C.REGIME).result is Result.PASS


@pytest.mark.parametrize(
    ("raw", "holds"), [(0.5, True), (-0.5, True), (0.51, False), (-0.51, False)]
)
def test_a_range_has_no_direction_of_either_side(raw: float, holds: bool) -> None:
    found = range_case()
    found = replace(found, score=replace(found.score, raw=raw))
    score = next(c for c in ZERO_DTE.rules.conditions(found, PARAMETERS) if c.name == "score")
    assert score.holds is holds


@pytest.mark.parametrize(
    ("noise", "p", "result"),
    [(-1.4, 0.3, Result.PASS), (-1.4, 0.41, Result.FAIL), (-0.9, 0.3, Result.FAIL)],
)
def test_a_fall_out_of_the_noise_area_may_go_against_positive_gamma(
    noise: float, p: float, result: Result
) -> None:
    found = case({"gex_regime": "POS", "noise_x": noise}, direction=Direction.BEARISH)
    found = replace(found, score=replace(found.score, probability_up=p))
    assert gate_of(found, C.REGIME).result is result


@pytest.mark.parametrize("missing", ["expected_move", "call_wall", "put_wall"])
def test_a_condor_is_not_chosen_without_any_one_of_what_bounds_it(missing: str) -> None:
    found = choose_range(chain(volatility=0.23), replace(QUIET, **{missing: None}), PARAMETERS)
    assert isinstance(found, NoStructure) and "must be known" in found.reason


@pytest.mark.parametrize("right", list(Right))
def test_a_condor_without_a_short_on_one_side_names_the_side(right: Right) -> None:
    near = filtered(
        chain(volatility=0.23), lambda r: r.right is not right or abs(r.strike - 600) < 2
    )
    found = choose_range(near, replace(QUIET, call_wall=604.0, put_wall=596.5), PARAMETERS)
    side = "call" if right is Right.CALL else "put"
    bound = "604.00" if right is Right.CALL else "596.50"
    assert isinstance(found, NoStructure)
    assert f"no liquid {side} short beyond {bound}" in found.reason


def shorts(found: Choice | NoStructure) -> list[int]:
    assert isinstance(found, Choice), found
    return [int(leg.contract.strike) for leg in found.structure.legs if leg.ratio < 0]


@pytest.mark.parametrize("right", list(Right))
def test_a_short_may_lie_at_its_wall_and_have_just_the_greatest_delta(right: Right) -> None:
    """Beyond the expected move on either side; one a little more likely is passed over."""
    sign, near = (1, 603) if right is Right.CALL else (-1, 597)
    loose = parameters(**CHEAP_RANGE, signals__0dte__range__credit_min=0.05)
    for delta, strike in ((0.16, near), (0.1601, near + sign)):
        found = chain(volatility=0.23)
        for beyond in (near, near + sign):
            given = delta if beyond == near else 0.1
            found = with_row(found, contract(beyond, right).con_id, delta=sign * given)
        assert strike in shorts(choose_range(found, QUIET, loose))
    assert QUIET.call_wall == 603.0 and QUIET.put_wall == 597.0
