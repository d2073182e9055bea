"""Greek limits at their boundary, and the scenario grid against plain revaluation."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from domain.events.risk import ScenarioCell, ScenarioGrid
from domain.events.signals import Result
from domain.instruments import Right
from domain.pricing.black_scholes import prices
from domain.risk.codes import DenialCode
from domain.risk.greeks import DollarGreeks, bounded_beta, greek_rows, unit_greeks
from domain.risk.scenario import (
    DAYS,
    MOVES_PERCENT,
    SHIFTS_POINTS,
    ScenarioLeg,
    revalue,
    scenario_breaches,
    scenario_checks,
)
from tests.domain.risk.build import EQUITY, call_vertical, leg_quote, parameters

PARAMETERS = parameters()
EMPTY = DollarGreeks()


def leg(contracts: int = 1, **changes: object) -> ScenarioLeg:
    values: dict[str, object] = {
        "contracts": contracts,
        "strike": 600.0,
        "right": Right.CALL,
        "years": 30 / 365,
        "days_to_expiry": 30,
        "volatility": 0.15,
        "underlying": 600.0,
        "beta": 1.0,
        "overnight": True,
    }
    return ScenarioLeg(**{**values, **changes})  # type: ignore[arg-type]


def test_unit_greeks_are_net_of_the_legs_in_dollars_and_weighted_by_beta() -> None:
    quotes = (
        leg_quote(1, delta=0.5, gamma=0.04, vega=0.05, theta=-0.2),
        leg_quote(2, delta=0.3, gamma=0.03, vega=0.04, theta=-0.15),
    )
    found = unit_greeks(call_vertical(), quotes, 600.0, 1.1)
    assert found.delta == pytest.approx(100 * 0.2 * 600 * 1.1)
    assert found.gamma == pytest.approx(100 * 0.01 * (600 * 1.1) ** 2 * 0.01)
    assert found.vega == pytest.approx(100 * 0.01)
    assert found.theta == pytest.approx(100 * -0.05)


@pytest.mark.parametrize(
    ("code", "field", "limit"),
    [
        (DenialCode.GREEK_DELTA, "delta", 750_000.0),
        (DenialCode.GREEK_DELTA, "delta", -750_000.0),
        (DenialCode.GREEK_GAMMA, "gamma", 300_000.0),
        (DenialCode.GREEK_GAMMA, "gamma", -150_000.0),
        (DenialCode.GREEK_VEGA, "vega", 5_000.0),
        (DenialCode.GREEK_VEGA, "vega", -5_000.0),
        (DenialCode.GREEK_THETA, "theta", -4_000.0),
    ],
)
def test_greek_limit_allows_equal_and_refuses_beyond(
    code: DenialCode, field: str, limit: float
) -> None:
    unit = DollarGreeks(**{field: limit / 10})
    row = next(r for r in greek_rows(EMPTY, unit, EQUITY, PARAMETERS) if r.code is code)
    assert row.check(9).result is Result.PASS
    assert row.check(10).result is Result.PASS
    assert row.check(11).result is Result.FAIL
    assert row.room().units == pytest.approx(10)


def test_theta_that_is_earned_has_no_limit() -> None:
    rows = greek_rows(EMPTY, DollarGreeks(theta=1e6), EQUITY, PARAMETERS)
    assert rows[3].check(100).result is Result.PASS and rows[3].room().units >= 1e6


def test_a_book_beyond_its_limit_leaves_no_room_on_that_side() -> None:
    book = DollarGreeks(delta=800_000.0)
    rows = greek_rows(book, DollarGreeks(delta=10_000.0), EQUITY, PARAMETERS)
    assert rows[0].room().units == 0
    rows = greek_rows(book, DollarGreeks(delta=-10_000.0), EQUITY, PARAMETERS)
    assert rows[0].room().units == pytest.approx(155)


@pytest.mark.parametrize(("live", "used"), [(0.5, 0.8), (1.2, 1.2), (2.0, 1.6)])
def test_beta_is_kept_in_its_bounds(live: float, used: float) -> None:
    assert bounded_beta(live, PARAMETERS) == used


def test_every_cell_of_the_grid_is_there_and_the_still_cell_is_zero() -> None:
    grid = revalue([leg()])
    assert len(grid.pnl_usd) == len(MOVES_PERCENT) * len(SHIFTS_POINTS) * len(DAYS) == 110
    still = (5 * len(SHIFTS_POINTS) + 1) * len(DAYS)
    assert grid.pnl_usd[still] == 0.0


def test_a_cell_equals_a_plain_revaluation() -> None:
    grid = revalue([leg(-3)])
    # Move -2 % (index 3), shift +8 points (index 3), one day ahead; 30 days to expiry: scale 1.
    cell = grid.pnl_usd[(3 * len(SHIFTS_POINTS) + 3) * len(DAYS) + 1]
    before = prices(600, 600, 30 / 365, 0.0, 0.15, 1.0)[0]
    after = prices(588, 600, 29 / 365, 0.0, 0.23, 1.0)[0]
    assert cell == pytest.approx(-300 * float(after - before))


def test_shift_is_scaled_by_days_to_expiry_and_volatility_is_clamped() -> None:
    short = revalue([leg(years=1 / 365, days_to_expiry=1, volatility=0.05, overnight=False)])
    # -4 points scaled by 1.5 would be -1 %: clamped at 3 %.
    cell = short.pnl_usd[(5 * len(SHIFTS_POINTS) + 0) * len(DAYS)]
    before = prices(600, 600, 1 / 365, 0.0, 0.05, 1.0)[0]
    after = prices(600, 600, 1 / 365, 0.0, 0.03, 1.0)[0]
    assert cell == pytest.approx(100 * float(after - before))


def test_a_day_passes_only_for_positions_that_may_be_held_overnight() -> None:
    grid = revalue([leg(overnight=False)])
    assert grid.pnl_usd[0::2] == grid.pnl_usd[1::2]
    held = revalue([leg(overnight=True)])
    assert held.pnl_usd[0::2] != held.pnl_usd[1::2]


def test_other_symbols_move_by_their_beta() -> None:
    doubled = revalue([leg(beta=2.0)])
    plain = revalue([leg()])
    at = len(SHIFTS_POINTS) * len(DAYS)
    assert doubled.pnl_usd[4 * at + 2] == pytest.approx(plain.pnl_usd[3 * at + 2])


def test_worst_cell_on_a_tie_has_the_smaller_move_negative_first() -> None:
    grid = revalue([])
    assert grid.worst.move_percent == 0 and grid.worst.shift_points == -4 and grid.worst.days == 0
    straddle = revalue([leg(-1), leg(-1, right=Right.PUT)])
    assert abs(straddle.worst_near.move_percent) <= 5
    assert abs(straddle.worst.move_percent) == 8


@pytest.mark.parametrize(
    ("loss", "result"), [(-59_999.99, "pass"), (-60_000.0, "fail"), (-60_000.01, "fail")]
)
def test_scenario_loss_equal_to_the_limit_is_a_breach(loss: float, result: str) -> None:
    cell = ScenarioCell(move_percent=-5.0, shift_points=4.0, days=0, pnl_usd=loss)
    grid = ScenarioGrid(pnl_usd=(loss,), worst_near=cell, worst=cell)
    near, full = scenario_checks(grid, EQUITY, PARAMETERS)
    assert (near.code, near.result) == (DenialCode.SCENARIO_NEAR, result)
    assert (full.code, full.result) == (DenialCode.SCENARIO_FULL, "pass")


@pytest.mark.parametrize(("loss", "result"), [(-99_999.99, "pass"), (-100_000.0, "fail")])
def test_full_grid_has_the_wider_limit(loss: float, result: str) -> None:
    cell = ScenarioCell(move_percent=-8.0, shift_points=4.0, days=0, pnl_usd=loss)
    grid = ScenarioGrid(pnl_usd=(loss,), worst_near=cell, worst=cell)
    assert scenario_checks(grid, EQUITY, PARAMETERS)[1].result == result


def test_a_book_breaches_exactly_what_its_checks_fail() -> None:
    """The quick answer for the book that is held must be that of the decision's checks, also where
    a loss is its limit to the last digit."""
    random, seen = Random("books"), set()
    for _ in range(200):
        legs = [
            leg(
                random.choice((-40, -5, -1, 1, 5, 40)),
                strike=float(random.randint(590, 610)),
                right=random.choice(tuple(Right)),
                years=random.choice((0.0, 0.5 / 365, 30 / 365)),
                volatility=random.choice((0.02, 0.15, 0.4)),
            )
            for _ in range(random.randint(0, 4))
        ]
        grid = revalue(legs)
        at_its_limit = [abs(cell.pnl_usd) / 0.06 for cell in (grid.worst_near, grid.worst)]
        for money in (1e5, 1e6, 1e7, *at_its_limit):
            equity = Decimal(repr(money))
            failed = [
                check.code
                for check in scenario_checks(grid, equity, PARAMETERS)
                if check.result is not Result.PASS
            ]
            assert scenario_breaches(legs, equity, PARAMETERS) == failed
            seen.add(tuple(failed))
    assert len(seen) >= 3, "some breach nothing, some one of them, some both"
