"""Every gate of a 0DTE signal at its boundary, with missing and with stale inputs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from domain.events.analytics import Quality
from domain.events.signals import Gate, Result
from domain.forecasts.record import Record
from domain.instruments import Direction
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.signals.bucket import Variant
from domain.signals.case import Case, DeskFacts
from domain.signals.entry import conditions_hold
from domain.signals.gates import all_pass, evaluate
from domain.signals.plan import Odds, odds
from domain.signals.reading import Chain, Reading
from domain.signals.slippage import Slippage
from domain.signals.structure import Choice, Market, NoStructure
from domain.signals.zero_dte import ZERO_DTE, choose_range, choose_trend
from tests.domain.risk.build import CLOSE, NOON, OPEN, contract, parameters, session
from tests.domain.signals.build import (
    CHEAP_RANGE,
    RANGE,
    TREND,
    chain,
    contracts,
    metrics,
    reading,
    scored,
    with_row,
)

C = DenialCode
PARAMETERS = parameters()
MARKET = Market(spot=600.0, deviation=0.0047, vrp=1.09)
QUIET = Market(
    spot=600.0, deviation=0.00366, vrp=1.4, expected_move=2.6, call_wall=603.0, put_wall=597.0
)
FACTS = DeskFacts(
    halted=False,
    entries_open=True,
    broker_ready=True,
    reconciled=True,
    equity_age_seconds=1.0,
    stream_age_seconds=1.0,
    has_position=False,
    cooldown_until=None,
    range_blocked_until=None,
    open_lines=frozenset(c.con_id for c in contracts()),
)


def odds_of(chosen: Choice, variant: Variant, used: ParameterState = PARAMETERS) -> Odds:
    return odds(chosen, ZERO_DTE, variant, used, Slippage())


def case(
    values: dict[str, Any] | None = None,
    *,
    now: datetime = NOON,
    facts: dict[str, Any] | None = None,
    found_chain: Chain | None = None,
    p_win: float = 0.62,
    direction: Direction = Direction.BULLISH,
    half: bool = False,
    **changes: Any,
) -> Case:
    given = reading(**(values or {}))
    used = chain() if found_chain is None else found_chain
    chosen = choose_trend(used, direction, MARKET, PARAMETERS)
    bare = Case(
        bucket=ZERO_DTE,
        variant=Variant.TREND,
        direction=direction,
        session=session(half=half),
        now=now,
        reading=given,
        score=scored(given, PARAMETERS),
        record=Record(),
        chain=used,
        chosen=chosen,
        odds=odds_of(chosen, Variant.TREND) if isinstance(chosen, Choice) else None,
        p_win=p_win,
        facts=replace(FACTS, **(facts or {})),
    )
    return replace(bare, **changes)


def range_case(values: dict[str, Any] | None = None, **changes: Any) -> Case:
    used = parameters(**CHEAP_RANGE)
    body = metrics({**RANGE, **(values or {})})
    given = Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})
    rows = chain(volatility=0.23)
    chosen = choose_range(rows, QUIET, used)
    assert isinstance(chosen, Choice)
    return case(
        variant=Variant.RANGE,
        **{
            "direction": Direction.NEUTRAL,
            "reading": given,
            "score": scored(given, PARAMETERS),
            "chain": rows,
            "chosen": chosen,
            "odds": odds_of(chosen, Variant.RANGE, used),
            "p_win": 0.80,
            **changes,
        },
    )


def gate_of(found: Case, code: DenialCode) -> Gate:
    gates = evaluate(found, PARAMETERS)
    assert len({g.code for g in gates}) == len(gates)
    return next(g for g in gates if g.code == code)


def test_every_gate_passes_at_noon_of_a_trend_day_and_all_are_listed() -> None:
    gates = evaluate(case(), PARAMETERS)
    assert all_pass(gates), [g for g in gates if g.result is not Result.PASS]
    assert {g.code for g in gates} == {
        C.SESSION_OPEN, C.WINDOW, C.CLOCK_NORMAL, C.BLACKOUT, C.NO_SHOCK, C.DATA_FRESH,
        C.FEATURE_COVERAGE, C.MODEL_TRUST, C.FORWARD_OK, C.REGIME, C.ENTRY_SCORE, C.NO_EXPIRY,
        C.NO_STRIKE, C.LIQUIDITY, C.GREEKS_AGREE, C.EV_POSITIVE, C.NO_DUPLICATE, C.COOLDOWN,
        C.BROKER_READY, C.KILL_SWITCH_OFF,
    }  # fmt: skip
    assert all(g.measured and g.threshold for g in gates)


@pytest.mark.parametrize(
    ("code", "good", "bad"),
    [
        (C.DATA_FRESH, {"quote_age_s": 2.0}, {"quote_age_s": 2.001}),
        (C.DATA_FRESH, {"bar_age_s": 12.0}, {"bar_age_s": 12.001}),
        (C.DATA_FRESH, {"surface_valid_strikes_0dte": 5.0}, {"surface_valid_strikes_0dte": 4.0}),
        (C.FORWARD_OK, {"forward_ok_0dte": 1.0}, {"forward_ok_0dte": 0.0}),
        (C.NO_SHOCK, {"news_state": "NEWS_CAUTION"}, {"news_state": "SHOCK"}),
        (C.BLACKOUT, {"calendar_state": "CALENDAR_MISSING"}, {"calendar_state": "BLACKOUT"}),
        (C.REGIME, {"gex_regime": "NEUTRAL"}, {"gex_regime": "POS", "noise_x": 1.0}),
        (C.ENTRY_SCORE, {"vrp_0dte": 1.30}, {"vrp_0dte": 1.301}),
        (C.ENTRY_SCORE, {"vwap": 599.99}, {"vwap": 600.0}),
        (C.ENTRY_SCORE, {"noise_x": 1.001, "or_break": 0.0}, {"noise_x": 1.0, "or_break": 0.0}),
        (C.ENTRY_SCORE, {"noise_x": 1.0, "or_break": 1.0}, {"noise_x": 1.0, "or_break": -1.0}),
    ],
)
def test_market_gate_at_its_boundary(
    code: DenialCode, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    assert gate_of(case(good), code).result is Result.PASS
    assert gate_of(case(bad), code).result is Result.FAIL


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("quote_age_s", C.DATA_FRESH),
        ("bar_age_s", C.DATA_FRESH),
        ("spot_mid", C.DATA_FRESH),
        ("atm_iv_0dte", C.DATA_FRESH),
        ("forward_ok_0dte", C.FORWARD_OK),
        ("gex_regime", C.REGIME),
        ("news_state", C.NO_SHOCK),
        ("calendar_state", C.BLACKOUT),
        ("vrp_0dte", C.ENTRY_SCORE),
        ("vwap", C.ENTRY_SCORE),
    ],
)
@pytest.mark.parametrize("quality", [Quality.MISSING, Quality.STALE])
def test_missing_or_stale_input_makes_its_gate_unevaluable_and_is_named(
    name: str, code: DenialCode, quality: Quality
) -> None:
    body = metrics(dict(TREND), qualities={name: quality})
    found = Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})
    gate = gate_of(case(reading=found), code)
    assert gate.result is Result.UNEVALUABLE and "missing" in gate.reason


def test_degraded_underlying_or_surface_is_not_fresh() -> None:
    for name in ("spot_mid", "atm_iv_0dte"):
        body = metrics(dict(TREND), qualities={name: Quality.DEGRADED})
        found = Reading("SPY", NOON, {metric.name: metric for metric in body.metrics})
        assert gate_of(case(reading=found), C.DATA_FRESH).result is Result.FAIL


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        (OPEN + timedelta(minutes=30), True),
        (OPEN + timedelta(minutes=30, microseconds=-1), False),
        (CLOSE - timedelta(minutes=60, microseconds=1), True),
        (CLOSE - timedelta(minutes=60), False),
    ],
)
def test_trend_window_includes_its_start_and_excludes_its_end(at: datetime, inside: bool) -> None:
    assert (gate_of(case(now=at), C.WINDOW).result is Result.PASS) is inside


def test_range_window_is_disabled_on_a_half_day_and_the_trend_window_moves() -> None:
    at = OPEN + timedelta(minutes=50)
    half = session(half=True)
    shut = gate_of(range_case(session=half, now=at), C.WINDOW)
    assert shut.result is Result.FAIL and "short day" in shut.reason
    assert gate_of(range_case(now=at), C.WINDOW).result is Result.PASS
    last = half.close_at - timedelta(minutes=60)
    assert gate_of(case(half=True, now=last), C.WINDOW).result is Result.FAIL
    assert gate_of(case(half=True, now=last - timedelta(seconds=1)), C.WINDOW).result is Result.PASS


@pytest.mark.parametrize(
    ("above", "result"), [(0.0, Result.PASS), (-1e-9, Result.PASS), (1e-9, Result.FAIL)]
)
def test_probability_at_its_threshold(above: float, result: Result) -> None:
    found = case()
    used = parameters(signals__0dte__trend__p_min=found.p_side + above)
    gate = next(g for g in evaluate(found, used) if g.code == C.ENTRY_SCORE)
    assert gate.result is result


def test_positive_gamma_needs_a_higher_probability_outside_the_noise_area() -> None:
    assert gate_of(case({"gex_regime": "POS"}), C.REGIME).result is Result.PASS
    used = parameters(signals__0dte__trend__p_min_positive_gamma=0.66)
    gates = evaluate(case({"gex_regime": "POS"}), used)
    assert next(g for g in gates if g.code == C.REGIME).result is Result.FAIL


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ({}, True),
        ({"vrp_0dte": 1.10}, True),
        ({"vrp_0dte": 1.099}, False),
        ({"term_slope": 0.05}, True),
        ({"term_slope": 0.051}, False),
        ({"term_slope": None}, False),
        ({"fi_s": 1.0, "ofi_5m_z": 9.0, "delta_flow_z": 9.0, "sweep_z": 9.0}, False),
    ],
)
def test_range_entry_row_at_its_boundaries(values: dict[str, Any], holds: bool) -> None:
    assert conditions_hold(range_case(values), PARAMETERS) is holds


@pytest.mark.parametrize(("p_win", "holds"), [(0.62, True), (0.6199, False), (None, False)])
def test_range_needs_its_probability_of_the_target(p_win: float | None, holds: bool) -> None:
    assert conditions_hold(range_case(p_win=p_win), PARAMETERS) is holds


@pytest.mark.parametrize(
    ("values", "result"),
    [
        ({}, Result.PASS),
        ({"gex_regime": "NEUTRAL"}, Result.FAIL),
        ({"call_wall": 600.0}, Result.FAIL),
        ({"put_wall": None}, Result.UNEVALUABLE),
    ],
)
def test_range_needs_positive_gamma_between_the_walls(
    values: dict[str, Any], result: Result
) -> None:
    gate = gate_of(range_case(values), C.REGIME)
    assert gate.result is result
    assert result is Result.UNEVALUABLE or gate.reason == "assumed dealer gamma"


def test_fomc_day_blocks_range_until_three_and_not_trend() -> None:
    until = NOON + timedelta(hours=3)
    blocked: dict[str, Any] = {"facts": {"range_blocked_until": until}}
    assert gate_of(range_case(**blocked), C.BLACKOUT).result is Result.FAIL
    assert gate_of(range_case(**blocked, now=until), C.BLACKOUT).result is Result.PASS
    assert gate_of(case(**blocked), C.BLACKOUT).result is Result.PASS


LONG, SHORT = 0, 1


@pytest.mark.parametrize(
    ("leg", "change", "result"),
    [
        (LONG, {"age_seconds": 2.0}, Result.PASS),
        (LONG, {"age_seconds": 2.001}, Result.UNEVALUABLE),
        (LONG, {"age_seconds": None}, Result.UNEVALUABLE),
        (LONG, {"on_line": False}, Result.UNEVALUABLE),
        (LONG, {"ask_size": None}, Result.UNEVALUABLE),
        (LONG, {"ask_size": 2}, Result.PASS),
        (LONG, {"ask_size": 1}, Result.FAIL),
        (LONG, {"bid_size": 1}, Result.PASS),
        (SHORT, {"bid_size": 1}, Result.FAIL),
        (SHORT, {"ask_size": 1}, Result.PASS),
        (SHORT, {"ask_size": 0}, Result.UNEVALUABLE),
    ],
)
def test_liquidity_of_a_leg_on_the_side_we_hit(
    leg: int, change: dict[str, Any], result: Result
) -> None:
    found = case()
    assert isinstance(found.chosen, Choice)
    rows = list(found.chosen.rows)
    rows[leg] = structs.replace(rows[leg], **change)
    chosen = replace(found.chosen, rows=tuple(rows))
    assert gate_of(replace(found, chosen=chosen), C.LIQUIDITY).result is result


def test_liquidity_limits_of_spread_bid_and_interest() -> None:
    def liquidity(**change: Any) -> Result:
        found = case()
        assert isinstance(found.chosen, Choice)
        rows = (structs.replace(found.chosen.rows[0], **change), found.chosen.rows[1])
        return gate_of(replace(found, chosen=replace(found.chosen, rows=rows)), C.LIQUIDITY).result

    # 8 % of a mid of 1.25 is 0.10.
    assert liquidity(bid=Decimal("1.20"), ask=Decimal("1.30")) is Result.PASS
    assert liquidity(bid=Decimal("1.20"), ask=Decimal("1.31")) is Result.FAIL
    assert liquidity(bid=Decimal("0.02"), ask=Decimal("0.05")) is Result.PASS
    assert liquidity(bid=Decimal("0.01"), ask=Decimal("0.04")) is Result.FAIL
    assert liquidity(open_interest=500, volume=0) is Result.PASS
    assert liquidity(open_interest=0, volume=500) is Result.PASS
    assert liquidity(open_interest=499, volume=499) is Result.FAIL


def test_leg_without_an_open_line_waits() -> None:
    gate = gate_of(case(facts={"open_lines": frozenset({contract(600).con_id})}), C.LIQUIDITY)
    assert gate.result is Result.UNEVALUABLE and "602C: awaiting a broker line" in gate.measured


@pytest.mark.parametrize(("off", "result"), [(0.0499, Result.PASS), (0.0501, Result.FAIL)])
def test_greeks_must_agree_with_the_brokers_where_it_has_them(off: float, result: Result) -> None:
    con_id = contract(600).con_id
    row = chain().row(con_id)
    assert row is not None and row.delta is not None
    found = case(found_chain=with_row(chain(), con_id, broker_delta=row.delta - off))
    assert gate_of(found, C.GREEKS_AGREE).result is result
    assert gate_of(case(), C.GREEKS_AGREE).reason == "NOT_COMPARED"


def test_expected_value_must_reach_its_minimum() -> None:
    found = case().odds
    assert found is not None
    least = max(2.0, 0.03 * found.stop_usd)
    p = (least + found.stop_usd + found.cost_usd) / (found.target_usd + found.stop_usd)
    assert found.expected_value(p) == pytest.approx(least)
    assert gate_of(case(p_win=p + 1e-9), C.EV_POSITIVE).result is Result.PASS
    assert gate_of(case(p_win=p - 1e-4), C.EV_POSITIVE).result is Result.FAIL


def test_a_fair_game_has_no_edge_and_its_expected_value_is_minus_cost() -> None:
    found = case().odds
    assert found is not None
    assert found.expected_value(found.p_win(0.0)) == pytest.approx(-found.cost_usd)


@pytest.mark.parametrize(
    ("facts", "code", "result"),
    [
        ({"halted": True}, C.KILL_SWITCH_OFF, Result.FAIL),
        ({"market_halt": "halted"}, C.SESSION_OPEN, Result.FAIL),
        ({"entries_open": False}, C.CLOCK_NORMAL, Result.FAIL),
        ({"broker_ready": False}, C.BROKER_READY, Result.FAIL),
        ({"reconciled": False}, C.BROKER_READY, Result.FAIL),
        ({"equity_age_seconds": 240.0}, C.BROKER_READY, Result.PASS),
        ({"equity_age_seconds": 240.1}, C.BROKER_READY, Result.FAIL),
        ({"equity_age_seconds": None}, C.BROKER_READY, Result.UNEVALUABLE),
        ({"stream_age_seconds": 30.0}, C.BROKER_READY, Result.PASS),
        ({"stream_age_seconds": 30.1}, C.BROKER_READY, Result.FAIL),
        ({"stream_age_seconds": None}, C.BROKER_READY, Result.UNEVALUABLE),
        ({"stream_age_seconds": None, "equity_age_seconds": 241.0}, C.BROKER_READY, Result.FAIL),
        ({"has_position": True}, C.NO_DUPLICATE, Result.FAIL),
        ({"cooldown_until": NOON}, C.COOLDOWN, Result.PASS),
        ({"cooldown_until": NOON + timedelta(seconds=1)}, C.COOLDOWN, Result.FAIL),
    ],
)
def test_desk_gate(facts: dict[str, Any], code: DenialCode, result: Result) -> None:
    assert gate_of(case(facts=facts), code).result is result


def test_failed_model_is_not_trusted_and_low_coverage_fails() -> None:
    record = Record(failed=True)
    assert gate_of(case(record=record), C.MODEL_TRUST).result is Result.FAIL
    flow = {"fi_s": None, "delta_flow_z": None, "sweep_z": None, "tide_slope_z": None}
    assert gate_of(case(flow), C.FEATURE_COVERAGE).result is Result.PASS
    flow = {**flow, "ofi_5m_z": None}
    assert gate_of(case(flow), C.FEATURE_COVERAGE).result is Result.FAIL


def test_without_chain_or_structure_nothing_downstream_passes() -> None:
    for chosen, rows in ((None, None), (NoStructure(C.NO_STRIKE, "off"), chain())):
        found = case(chosen=chosen, chain=rows, odds=None, p_win=None)
        expiry = gate_of(found, C.NO_EXPIRY).result
        assert expiry is (Result.FAIL if rows is None else Result.PASS)
        assert gate_of(found, C.NO_STRIKE).result is Result.FAIL
        for code in (C.LIQUIDITY, C.GREEKS_AGREE, C.EV_POSITIVE):
            assert gate_of(found, code).result is Result.UNEVALUABLE
