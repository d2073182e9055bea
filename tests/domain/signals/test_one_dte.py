"""The 1DTE bucket: when a night is sold, when a direction is bought, at which strikes."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.events.analytics import (
    ChainEvaluated,
    ExDividend,
    PredictionMade,
    PredictionResolved,
    Quality,
)
from domain.events.signals import Result, SignalExpired, SignalRaised, SignalValidated
from domain.instruments import Direction, Right, StructureKind
from domain.instruments import Strategy as Bucket
from domain.pricing.american import american_check
from domain.pricing.black_scholes import greeks
from domain.pricing.dividends import Dividend
from domain.risk.blackout import events_ahead, size_factor
from domain.session import Session
from domain.signals.bucket import Variant
from domain.signals.one_dte import NIGHT_NOTE, ONE_DTE
from domain.signals.one_dte_parameters import WEIGHT_SOURCES
from domain.stage import Consumer
from tests.domain.risk.build import (
    CLOSE,
    DAY,
    OPEN,
    none,
    one,
    parameters,
    planned,
    session,
    session_planned,
)
from tests.domain.signals.build import VOLATILITY, Strategy, chain_body, measure, reading
from tests.domain.signals.night import EVENING, NEARER, RISING, TOMORROW, evening

NEXT_OPEN = OPEN + timedelta(days=1)
NEXT_CLOSE = CLOSE + timedelta(days=1)
PARAMETERS = parameters()
CHEAP = {**RISING, "vrp_1dte": 1.0}


def valid(strategy: Strategy, **changes: float | str | None) -> SignalValidated:
    found: SignalValidated = one(strategy.evaluate(**changes), SignalValidated)
    return found


def strikes(signal: SignalValidated) -> list[tuple[int, str, int]]:
    return [
        (int(leg.contract.strike), leg.contract.right.value, leg.ratio)
        for leg in signal.structure.legs
    ]


def test_weights_of_the_bucket_add_up_to_the_published_total() -> None:
    assert sum(weight for weight, _ in WEIGHT_SOURCES.values()) == pytest.approx(1.45)


def test_a_calm_night_of_dear_options_is_sold_on_both_sides() -> None:
    signal = valid(evening())
    assert signal.signal_id == "sig-2026-10-06-SPY-1DTE-neutral-1"
    assert (signal.strategy, signal.variant) == (Bucket.ONE_DTE, "NIGHT_PREMIUM")
    assert signal.structure.kind is StructureKind.IRON_CONDOR
    assert signal.structure.expiry == TOMORROW
    assert signal.probability == signal.risk_inputs.p_win >= 0.62
    assert signal.rationale.endswith(NIGHT_NOTE)
    assert all(gate.result is Result.PASS for gate in signal.gates)


def test_shorts_are_the_nearest_strikes_far_enough_away_and_of_small_delta() -> None:
    signal = valid(evening())
    assert strikes(signal) == [(590, "P", 1), (593, "P", -1), (607, "C", -1), (610, "C", 1)]
    away = 600 * math.sqrt(1.05e-4)
    assert 6 < away < 7
    for quote, (_, _, ratio) in zip(signal.risk_inputs.legs, strikes(signal), strict=True):
        if ratio < 0:
            assert 0.15 <= abs(quote.delta) <= 0.20
    credit, width = -signal.risk_inputs.net_mid, Decimal(3)
    assert Decimal("0.15") * width <= credit <= Decimal("0.40") * width


def test_a_short_of_too_small_a_delta_is_no_trade() -> None:
    """So far away that the nearest allowed strike has a delta under 0.15."""
    strategy = evening(signals__1dte__night_premium__distance_sd=1.5)
    assert none(strategy.evaluate(), SignalRaised)


def test_with_a_direction_one_side_is_sold_away_from_it_and_its_odds_hold_the_direction() -> None:
    signal = valid(evening(RISING, **NEARER))
    assert (signal.variant, signal.direction) == ("NIGHT_PREMIUM", Direction.BULLISH)
    assert signal.structure.kind is StructureKind.CREDIT_VERTICAL
    short, long = strikes(signal)
    assert short[1:] == ("P", -1) and long[1:] == ("P", 1) and long[0] < short[0] < 600
    assert signal.probability == signal.risk_inputs.p_win
    total = signal.bias + sum(f.contribution for f in signal.features) + signal.clip_adjust
    p = signal.probability
    assert total == pytest.approx(math.log(p / (1 - p)), abs=1e-9)
    fair = math.log(signal.risk_inputs.stop_usd / signal.risk_inputs.target_usd)
    assert signal.bias > fair, "the log-odds of the direction are part of the offset"


def test_a_falling_night_mirrors_the_rising_one() -> None:
    falling = {
        name: -value
        if name in ("vwap_dev", "noise_x", "ofi_5m_z", "fi_s", "delta_flow_z", "sweep_z",
                    "tide_slope_z", "peers_x") and isinstance(value, float) else value
        for name, value in RISING.items()
    }  # fmt: skip
    signal = valid(evening(falling, **NEARER))
    assert signal.direction is Direction.BEARISH
    assert {leg.contract.right for leg in signal.structure.legs} == {Right.CALL}


def test_a_direction_is_bought_only_in_a_night_whose_premium_is_not_to_be_sold() -> None:
    signal = valid(evening(CHEAP))
    assert (signal.variant, signal.direction) == ("NIGHT_DIRECTION", Direction.BULLISH)
    assert signal.structure.kind is StructureKind.DEBIT_VERTICAL
    (low, _, bought), (high, _, sold) = strikes(signal)
    assert (low, bought, sold) == (600, 1, -1)
    goal = 600 * (1 + 0.8 * math.sqrt(8.8e-5))
    assert high == round(goal)
    inputs = signal.risk_inputs
    assert inputs.net_mid <= Decimal("0.50") * (high - low)
    assert NIGHT_NOTE not in signal.rationale


@pytest.mark.parametrize(
    "changes",
    [
        {"vrp_1dte": 1.09},
        {"term_slope": 0.051},
        {"gex_regime": "NEG"},
        {"calendar_next": "DATA_0830"},
        {"calendar_next": "DATA_1000"},
        {"calendar_next": "FOMC"},
        {"calendar_next": "AUCTION_1300,FOMC"},
    ],
)
def test_each_condition_of_the_night_forbids_to_sell_it(changes: dict[str, float | str]) -> None:
    """Then a clear direction is bought instead, and without one nothing is done."""
    assert none(evening().evaluate(**changes), SignalRaised)
    assert valid(evening(RISING), **changes).variant == "NIGHT_DIRECTION"


@pytest.mark.parametrize(
    "changes",
    [
        {"vrp_1dte": 1.10, "calendar_next": "AUCTION_1300"},
        {"term_slope": 0.05},
        {"gex_regime": "NEUTRAL"},
    ],
)
def test_at_its_boundary_a_night_is_sold(changes: dict[str, float | str]) -> None:
    assert valid(evening(), **changes).variant == "NIGHT_PREMIUM"


@pytest.mark.parametrize("name", ["vrp_1dte", "term_slope", "calendar_next", "gex_regime"])
def test_what_is_not_known_of_the_night_allows_neither_to_sell_nor_to_buy(name: str) -> None:
    assert none(evening().evaluate(**{name: None}), SignalRaised)
    assert none(evening(RISING).evaluate(**{name: None}), SignalRaised)


def test_a_direction_needs_more_than_its_probability() -> None:
    """Score 0.6 or more on our side, whatever p says."""
    weak = {**CHEAP, "fi_s": 0.2, "delta_flow_z": 0.0, "peers_x": 0.5}
    sure = {"signals__1dte__night_direction__p_min": 0.52}
    assert none(evening(weak, **sure).evaluate(), SignalRaised)


@pytest.mark.parametrize(
    ("minutes", "open_"), [(90.1, False), (90.0, True), (10.1, True), (10.0, False)]
)
def test_the_window_ends_ten_minutes_before_the_close(minutes: float, open_: bool) -> None:
    strategy = evening()
    strategy.at = CLOSE - timedelta(minutes=minutes)
    assert none(strategy.evaluate(), SignalRaised) is not open_


def test_a_half_day_shifts_the_window() -> None:
    half = session(half=True)
    window = ONE_DTE.rules.window(Variant.NIGHT_PREMIUM, half, PARAMETERS)
    assert window == (half.close_at - timedelta(minutes=90), half.close_at - timedelta(minutes=10))


def test_the_plan_leaves_on_the_next_day_as_a_0dte_would() -> None:
    sold, bought = valid(evening()), valid(evening(CHEAP))
    for signal in (sold, bought):
        assert signal.exit_plan.time_stop_at == NEXT_CLOSE - timedelta(hours=1)
        assert signal.exit_plan.forced_flat_at == NEXT_CLOSE - timedelta(minutes=15)
        assert signal.valid_until == EVENING + timedelta(seconds=60)
    mid = sold.risk_inputs.net_mid
    assert sold.exit_plan.target_price == mid / 2 and sold.exit_plan.stop_price == 2 * mid
    assert sold.exit_plan.trail_activation == 0.30
    debit, cent = bought.risk_inputs.net_mid, Decimal("0.01")
    assert bought.exit_plan.target_price == pytest.approx(debit * Decimal("1.6"), abs=cent)
    assert bought.exit_plan.stop_price == pytest.approx(debit / 2, abs=cent)


def test_the_plan_knows_that_the_next_day_is_short() -> None:
    plan = session().plan
    short = planned(TOMORROW, half=True)
    eve = Session(plan.model_copy(update={"later": (short, *plan.later[1:])}))
    times = ONE_DTE.rules.exit_times(Variant.NIGHT_PREMIUM, eve, EVENING, TOMORROW, PARAMETERS)
    assert times.forced_flat_at == short.close_at - timedelta(minutes=15)


def test_no_chain_of_tomorrow_is_no_trade() -> None:
    """Today's chain, which the 0DTE strategy reads, is none to choose from."""
    strategy = evening()
    assert none(strategy.evaluate(body=chain_body(EVENING, expiry=DAY)), SignalRaised)


@pytest.mark.parametrize(
    ("nights", "sells", "factor"), [(1, True, 1.0), (3, True, 0.5), (3, False, 1.0)]
)
def test_premium_over_a_weekend_has_half_the_size(nights: int, sells: bool, factor: float) -> None:
    plan = session().plan
    later = (planned(DAY + timedelta(days=nights)),)
    eve = Session(plan.model_copy(update={"later": later}))
    found = size_factor(
        eve, ("DATA_0830",), Bucket.ONE_DTE, sells_premium=sells, parameters=PARAMETERS
    )
    assert found == factor


def test_events_ahead_are_those_before_the_end_of_the_wait_and_every_fomc() -> None:
    codes = ("FOMC", "DATA_0830", "DATA_1000", "AUCTION_1300")
    assert events_ahead(session(), codes, 90) == ("FOMC", "DATA_0830", "DATA_1000")
    assert events_ahead(session(), codes, 0) == ("FOMC", "DATA_0830")
    assert events_ahead(session(), codes, 390) == codes


def test_features_of_days_are_measured_by_their_formulas() -> None:
    def x(name: str, **changes: float | None) -> float | None:
        values = {"sma20": 600.0, "sd20": 0.01, "sd5": 0.02, "close_5d_ago": 600.0, **changes}
        return measure(reading(**values), name, bucket=ONE_DTE).x

    assert x("trend_20d", spot_mid=606.0) == pytest.approx(0.5)
    assert x("trend_20d", spot_mid=500.0) == -1.0
    assert x("trend_20d", sd20=None) is None
    below = 606.0 * math.exp(0.02)
    assert x("pullback", spot_mid=606.0, close_5d_ago=below) == pytest.approx(0.5)
    assert x("pullback", spot_mid=606.0, close_5d_ago=600.0) == 0.0, "with the trend"
    assert x("pullback", spot_mid=606.0, sd5=None) is None
    assert x("tide_5d", tide_5d_z=2.0) == pytest.approx(math.tanh(1))


def test_a_candidate_keeps_its_variant_and_ends_when_its_conditions_cease() -> None:
    """What would be bought now is another signal: the sold one expires first."""
    strategy = evening(RISING, lines=False, **NEARER)
    assert one(strategy.evaluate(), SignalRaised).variant == "NIGHT_PREMIUM"
    emitted = strategy.evaluate(vrp_1dte=1.0)
    assert one(emitted, SignalExpired) and none(emitted, SignalRaised)


def test_switched_off_it_raises_nothing_and_ends_its_candidates() -> None:
    assert none(evening(signals__1dte__enabled=False).evaluate(), SignalRaised)


def test_a_missing_surface_of_tomorrow_fails_no_gate_silently() -> None:
    """Today's surface being there says nothing of tomorrow's."""
    strategy = evening()
    emitted = strategy.evaluate(
        surface_valid_strikes_1dte=None,
        qualities={"forward_ok_1dte": Quality.STALE},
    )
    assert none(emitted, SignalValidated)
    gates = {gate.code: gate for gate in one(emitted, SignalRaised).gates}
    assert gates["DATA_FRESH"].result is Result.UNEVALUABLE
    assert "surface_valid_strikes_1dte" in gates["DATA_FRESH"].reason
    assert gates["FORWARD_OK"].result is Result.UNEVALUABLE


def test_the_outcome_of_a_sold_night_is_predicted_to_the_end_of_the_next_day() -> None:
    emitted = evening().evaluate()
    (made,) = [b for b in emitted if isinstance(b, PredictionMade) and b.model == "P5"]
    assert made.bucket == "1DTE" and made.model == "P5"
    assert made.horizon_end == NEXT_CLOSE - timedelta(minutes=15)
    assert made.values["neutral"] == 1.0


def test_recorded_events_alone_give_the_same_state_and_decisions() -> None:
    strategy = evening()
    strategy.evaluate()
    strategy.evaluate(spot_mid=600.5)
    folded: Consumer[object] = strategy.folded()
    assert folded.states == strategy.consumer.states
    assert strategy.repeated() == [emitted for _, emitted in strategy.inputs]


def next_morning(strategy: Strategy, seconds: float, spot: float) -> list[PredictionResolved]:
    """A refresh of the chain so long after the next open, and the evaluation point behind it."""
    strategy.at = NEXT_OPEN + timedelta(seconds=seconds)
    body = chain_body(strategy.at, spot=spot, expiry=TOMORROW)
    emitted = strategy.evaluate(body=body, after=0.0, spot_mid=spot)
    return [found for found in emitted if isinstance(found, PredictionResolved)]


def slept() -> Strategy:
    strategy = evening()
    valid(strategy)
    strategy.when(session_planned(TOMORROW))
    return strategy


def test_the_predicted_stop_looks_at_no_quote_of_the_first_minute() -> None:
    """As the position's own stop does not: its outcome is that of the rules, traded or not."""
    strategy = slept()
    assert next_morning(strategy, 20, 589.5) == next_morning(strategy, 55, 589.5) == []
    assert next_morning(strategy, 60, 589.5) == []
    (settled,) = next_morning(strategy, 65, 589.5)
    assert settled.outcome == 0.0


def test_the_predicted_stop_is_tightened_after_an_hour_and_a_half() -> None:
    """A cost between one and a half and two credits is a stop only then."""
    strategy = slept()
    early, late = 80 * 60.0, 90 * 60.0
    spot = 592.0
    assert next_morning(strategy, early, spot) == next_morning(strategy, early + 5, spot) == []
    assert next_morning(strategy, late, spot) == []
    (settled,) = next_morning(strategy, late + 5, spot)
    assert settled.outcome == 0.0


def test_nearness_to_a_short_strike_ends_it_only_in_the_last_hours() -> None:
    strategy = slept()
    last = (NEXT_CLOSE - NEXT_OPEN).total_seconds() - 150 * 60
    near = 606.85
    assert next_morning(strategy, last - 60, 606.5) == []
    assert next_morning(strategy, last - 5, near) == []
    (settled,) = next_morning(strategy, last, near)
    assert 0.0 < settled.outcome < 1.0


def with_dividend(amount: float, rate: float = 0.04) -> ChainEvaluated:
    """Tomorrow's chain with that day an ex-date: quotes as ever, the forward knows of it."""
    body = chain_body(EVENING, expiry=TOMORROW)
    forward = (body.spot - amount) * math.exp(rate * body.years)
    due = (ExDividend(TOMORROW, amount),) if amount else ()
    calls = [1.0 if right == "C" else 0.0 for right in body.right]
    spot = body.spot - amount
    delta = greeks(spot, body.strike, body.years, rate, VOLATILITY, calls).delta.tolist()
    return replace(body, rate=rate, forward=forward, dividends=due, delta=delta)


def test_each_leg_says_what_early_exercise_is_worth_and_its_american_delta() -> None:
    """On the eve of an ex-date a call may be exercised today: worth more, and nearer to a share."""
    plain = one(evening(CHEAP).evaluate(body=with_dividend(0.0)), SignalValidated)
    premiums = [quote.early_exercise_premium for quote in plain.risk_inputs.legs]
    assert premiums == pytest.approx([0.0, 0.0], abs=1e-9)
    body = with_dividend(1.85)
    eve = one(evening(CHEAP).evaluate(body=body), SignalValidated)
    bought, sold = eve.risk_inputs.legs
    assert bought.early_exercise_premium > 1.0 > sold.early_exercise_premium > 0.4
    european = dict(zip(body.con_id, body.delta, strict=True))
    assert bought.delta - (european[bought.con_id] or 0.0) > 0.09
    assert sold.delta - (european[sold.con_id] or 0.0) > 0.05


def test_deltas_are_compared_with_the_brokers_as_ones_of_early_exercise() -> None:
    """On that eve the two differ by more than 0.05: the broker's tells which of them it is."""
    body = with_dividend(1.85)
    signal = one(evening(CHEAP).evaluate(body=body), SignalValidated)
    american = {leg.con_id: leg.delta for leg in signal.risk_inputs.legs}
    european = dict(zip(body.con_id, body.delta, strict=True))
    for known, agree in ((american, True), (european, False)):
        theirs = [known.get(con_id) for con_id in body.con_id]
        told = evening(CHEAP).evaluate(body=replace(body, broker_delta=theirs))
        assert any(isinstance(event, SignalValidated) for event in told) is agree
        gates = {gate.code: gate for event in told for gate in getattr(event, "gates", ())}
        result = gates["GREEKS_AGREE"].result
        assert result is (Result.PASS if agree else Result.FAIL)


def test_the_premium_of_a_leg_is_that_of_the_american_check() -> None:
    signal = one(evening(CHEAP).evaluate(body=with_dividend(1.85)), SignalValidated)
    years = (NEXT_CLOSE - EVENING).total_seconds() / (365 * 86_400)
    for quote, leg in zip(signal.risk_inputs.legs, signal.structure.legs, strict=True):
        check = american_check(
            600.0,
            float(leg.contract.strike),
            0.04,
            quote.implied_volatility * math.sqrt(365 * years),
            DAY,
            TOMORROW,
            [Dividend(TOMORROW, 1.85, estimated=False)],
            is_call=True,
        )
        assert quote.early_exercise_premium == pytest.approx(check.early_exercise_premium)
