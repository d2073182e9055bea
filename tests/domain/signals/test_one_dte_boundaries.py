"""The 1DTE bucket where it turns: conditions, strikes and texts at their exact boundaries."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.events.signals import Gate
from domain.instruments import Direction, Right
from domain.risk.codes import DenialCode
from domain.signals.bucket import Variant
from domain.signals.case import Case, Condition
from domain.signals.entry import entry_gate
from domain.signals.one_dte import ONE_DTE, choose_direction, choose_premium
from domain.signals.reading import Chain
from domain.signals.structure import Choice, Market, NoStructure
from tests.domain.risk.build import contract, parameters
from tests.domain.signals.build import chain, filtered, with_row
from tests.domain.signals.night import CALM, FREE, NEARER, RISING, TOMORROW, evening
from tests.domain.signals.weeks import case_of

PARAMETERS = parameters()
NIGHT = Market(spot=600.0, deviation=0.0105, vrp=1.25)
LOOSE = parameters(
    signals__1dte__night_premium__credit_min=0.05,
    signals__1dte__night_premium__credit_max=0.8,
    **FREE,
)
"""What a structure is worth is not asked here."""


def night(
    direction: Direction,
    usual: dict[str, float | str | None] = CALM,
    **changes: float | str | None,
) -> Case:
    strategy = evening(usual, **NEARER)
    strategy.evaluate(**changes)
    return case_of(strategy, ("SPY", direction))


def condition(case: Case, name: str) -> Condition:
    return next(c for c in ONE_DTE.rules.conditions(case, PARAMETERS) if c.name == name)


def with_score(case: Case, raw: float) -> Case:
    return replace(case, score=replace(case.score, raw=raw))


@pytest.mark.parametrize(
    ("direction", "raw", "holds"),
    [
        (Direction.BULLISH, 0.4, True),
        (Direction.BULLISH, 0.3999, False),
        (Direction.BEARISH, -0.4, True),
        (Direction.BEARISH, -0.3999, False),
        (Direction.BEARISH, 0.9, False),
        (Direction.NEUTRAL, 0.3999, True),
        (Direction.NEUTRAL, -0.3999, True),
        (Direction.NEUTRAL, 0.4, False),
        (Direction.NEUTRAL, -0.4, False),
    ],
)
def test_a_score_of_just_the_limit_sells_one_side_and_not_both(
    direction: Direction, raw: float, holds: bool
) -> None:
    case = with_score(replace(night(direction), variant=Variant.NIGHT_PREMIUM), raw)
    assert condition(case, "score").holds is holds


@pytest.mark.parametrize(("p_win", "holds"), [(0.62, True), (0.6199, False), (None, None)])
def test_a_chance_of_the_target_of_just_the_least_is_enough(
    p_win: float | None, holds: bool | None
) -> None:
    case = replace(night(Direction.NEUTRAL), p_win=p_win)
    assert condition(case, "p_win").holds is holds


@pytest.mark.parametrize(
    ("p", "raw", "holds"),
    [(0.56, 0.6, (True, True)), (0.5599, 0.6, (False, True)), (0.56, 0.5999, (True, False))],
)
def test_a_direction_of_just_its_least_probability_and_score_is_enough(
    p: float, raw: float, holds: tuple[bool, bool]
) -> None:
    case = night(Direction.BULLISH, RISING, vrp_1dte=1.0)
    assert case.variant is Variant.NIGHT_DIRECTION
    case = replace(case, score=replace(case.score, raw=raw, probability_up=p))
    assert (condition(case, "p").holds, condition(case, "score").holds) == holds


@pytest.mark.parametrize(
    ("changes", "spared", "measured"),
    [
        ({}, False, "premium conditions hold"),
        ({"vrp_1dte": 1.0}, True, "vrp 1.0"),
        ({"vrp_1dte": 1.0, "term_slope": None}, True, "vrp 1.0, term None"),
        ({"term_slope": None}, None, "term None"),
        ({"calendar_next": None}, None, "events -"),
        ({"calendar_next": "FOMC"}, True, "events FOMC"),
        ({"gex_regime": "NEG"}, True, "regime NEG"),
        ({"gex_regime": None}, None, "regime None"),
    ],
)
def test_a_direction_needs_one_condition_to_sell_the_night_that_is_known_to_fail(
    changes: dict[str, float | str | None], spared: bool | None, measured: str
) -> None:
    """One that fails is enough, whatever else is not known; none that fails is not."""
    case = replace(night(Direction.BULLISH, RISING, **changes), variant=Variant.NIGHT_DIRECTION)
    found = condition(case, "no premium")
    assert (found.holds, found.measured) == (spared, measured)


def test_the_entry_row_tells_the_thresholds_of_its_variant() -> None:
    sold = night(Direction.NEUTRAL)
    assert "no event until 90 min after the next open" in entry_gate(sold, PARAMETERS).threshold
    bought = replace(sold, variant=Variant.NIGHT_DIRECTION, direction=Direction.BULLISH)
    assert "|score| >= 0.6 on our side" in entry_gate(bought, PARAMETERS).threshold


def regime(case: Case) -> Gate:
    (found,) = ONE_DTE.rules.own_gates(case, PARAMETERS)
    assert found.code == DenialCode.REGIME
    return found


@pytest.mark.parametrize(
    ("variant", "word", "result"),
    [
        (Variant.NIGHT_PREMIUM, "POS", ("pass", "POS", "not NEG", "assumed dealer gamma")),
        (Variant.NIGHT_PREMIUM, "NEG", ("fail", "NEG", "not NEG", "assumed dealer gamma")),
        (Variant.NIGHT_PREMIUM, None, ("unevaluable", "-", "not NEG", "missing: gex_regime")),
        (Variant.NIGHT_DIRECTION, "POS", ("pass", "POS", "known", "assumed dealer gamma")),
        (Variant.NIGHT_DIRECTION, "NEG", ("pass", "NEG", "known", "assumed dealer gamma")),
        (Variant.NIGHT_DIRECTION, None, ("unevaluable", "-", "known", "missing: gex_regime")),
    ],
)
def test_gamma_that_drives_moves_forbids_to_sell_and_not_to_buy(
    variant: Variant, word: str | None, result: tuple[str, str, str, str]
) -> None:
    found = regime(replace(night(Direction.BULLISH, gex_regime=word), variant=variant))
    assert (found.result, found.measured, found.threshold, found.reason) == result


def options(**changes: object) -> Chain:
    """Tomorrow's chain on which 593 puts and 607 calls are the first beyond 6.3 dollars."""
    found = chain(expiry=TOMORROW, volatility=0.20)
    for right in Right:
        strike = 607 if right is Right.CALL else 593
        row_id = contract(strike, right, expiry=TOMORROW).con_id
        found = with_row(found, row_id, delta=0.18 if right is Right.CALL else -0.18, **changes)
    return found


def sold(found: Chain, direction: Direction, market: Market = NIGHT) -> list[int]:
    choice = choose_premium(found, direction, market, LOOSE)
    assert isinstance(choice, Choice), choice
    return [int(leg.contract.strike) for leg in choice.structure.legs if leg.ratio < 0]


def no_short(found: Chain, direction: Direction) -> str:
    choice = choose_premium(found, direction, NIGHT, LOOSE)
    assert isinstance(choice, NoStructure)
    return choice.reason


@pytest.mark.parametrize(
    ("direction", "nearest"),
    [(Direction.BULLISH, [593]), (Direction.BEARISH, [607]), (Direction.NEUTRAL, [593, 607])],
)
def test_a_short_lies_on_the_side_away_from_the_direction(
    direction: Direction, nearest: list[int]
) -> None:
    assert sold(options(), direction) == nearest


@pytest.mark.parametrize("direction", [Direction.BULLISH, Direction.BEARISH])
def test_a_strike_at_just_the_distance_may_be_sold(direction: Direction) -> None:
    """Seven dollars away is a strike when a deviation is seven dollars."""
    strike = 593 if direction is Direction.BULLISH else 607
    exact = replace(NIGHT, spot=600.0, deviation=7 / 600)
    assert 600.0 - 7 / 600 * 600.0 == 593.0
    assert sold(options(), direction, exact) == [strike]
    beyond = replace(NIGHT, deviation=7.01 / 600)
    assert sold(steep(0.18), direction, beyond) == [strike - 1 if strike < 600 else strike + 1]


def steep(delta: float) -> Chain:
    """The chain with this delta at both strikes that are the nearest and the next."""
    found = chain(expiry=TOMORROW, volatility=0.20)
    for strike, right in ((607, Right.CALL), (608, Right.CALL), (593, Right.PUT), (592, Right.PUT)):
        row_id = contract(strike, right, expiry=TOMORROW).con_id
        found = with_row(found, row_id, delta=delta if right is Right.CALL else -delta)
    return found


@pytest.mark.parametrize("direction", [Direction.BULLISH, Direction.BEARISH])
def test_a_short_of_just_the_smallest_and_the_greatest_delta_is_sold(direction: Direction) -> None:
    strike = 593 if direction is Direction.BULLISH else 607
    for delta in (0.15, 0.20):
        assert sold(steep(delta), direction) == [strike]
    side = "put" if direction is Direction.BULLISH else "call"
    assert f"delta of the {side} short must be >= 0.15" in no_short(steep(0.1499), direction)


@pytest.mark.parametrize("direction", [Direction.BULLISH, Direction.BEARISH])
def test_a_strike_of_more_than_the_greatest_delta_is_passed_over(direction: Direction) -> None:
    right, sign = (Right.PUT, -1) if direction is Direction.BULLISH else (Right.CALL, 1)
    found = options()
    for strike, delta in ((600 + 7 * sign, 0.2001), (600 + 8 * sign, 0.19)):
        row_id = contract(strike, right, expiry=TOMORROW).con_id
        found = with_row(found, row_id, delta=sign * delta)
    assert sold(found, direction) == [600 + 8 * sign]


@pytest.mark.parametrize(
    ("direction", "side"), [(Direction.BULLISH, "put"), (Direction.BEARISH, "call")]
)
def test_without_a_strike_beyond_the_distance_the_side_is_named(
    direction: Direction, side: str
) -> None:
    near = filtered(options(), lambda row: abs(row.strike - 600) <= 6)
    assert f"no liquid {side} short beyond" in no_short(near, direction)
    bound = "593.70" if side == "put" else "606.30"
    assert bound in no_short(near, direction)


def both(found: Choice | NoStructure) -> list[int]:
    assert isinstance(found, Choice), found
    return [int(leg.contract.strike) for leg in found.structure.legs]


@pytest.mark.parametrize(
    ("direction", "strikes"), [(Direction.BULLISH, [600, 605]), (Direction.BEARISH, [600, 595])]
)
def test_a_direction_is_bought_from_the_money_to_eight_tenths_of_a_deviation(
    direction: Direction, strikes: list[int]
) -> None:
    """0.8 of 6.3 dollars are five, to the side of the direction."""
    loose = parameters(signals__1dte__night_direction__debit_max=0.9)
    found = choose_direction(chain(expiry=TOMORROW, volatility=0.20), direction, NIGHT, loose)
    assert both(found) == strikes


def test_a_direction_without_a_long_or_a_short_strike_says_which() -> None:
    whole = chain(expiry=TOMORROW, volatility=0.20)
    far = filtered(whole, lambda row: abs(row.strike - 600) > 5)
    found = choose_direction(far, Direction.BULLISH, NIGHT, PARAMETERS)
    assert isinstance(found, NoStructure) and "within 0.06 of delta 0.5" in found.reason
    cut = filtered(whole, lambda row: row.strike <= 600)
    found = choose_direction(cut, Direction.BULLISH, NIGHT, PARAMETERS)
    assert isinstance(found, NoStructure) and "beyond the long leg" in found.reason


def test_a_spot_above_its_goal_takes_the_nearest_strike_beyond_the_long_leg() -> None:
    """The bought strike lies beyond the goal already: the distance is nothing, and not negative."""
    still = replace(NIGHT, deviation=1e-6, spot=599.0)
    loose = parameters(signals__1dte__night_direction__debit_max=0.9)
    found = choose_direction(
        chain(expiry=TOMORROW, volatility=0.20), Direction.BULLISH, still, loose
    )
    assert both(found) == [600, 601]
    assert isinstance(found, Choice) and found.net_mid <= Decimal("0.9")
