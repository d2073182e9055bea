"""Scenario loss: the whole book revalued over a grid of moves and volatility shifts (5.5).

Legs are valued with their own implied volatility; the present value of dividends is unchanged by
a scenario. Called by the decision with the proposal in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

import numpy as np

from domain.events.risk import Check, ScenarioCell, ScenarioGrid
from domain.events.signals import Result
from domain.instruments import MULTIPLIER, Right
from domain.numbers import significant, significant_all
from domain.parameter import ParameterState
from domain.pricing.black_scholes import Floats, prices
from domain.risk.codes import DenialCode

MOVES_PERCENT = (-8.0, -5.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 5.0, 8.0)
SHIFTS_POINTS = (-4.0, 0.0, 4.0, 8.0, 15.0)
DAYS = (0, 1)
NEAR_PERCENT = 5.0
_DAY_YEARS = 1 / 365
_VOLATILITY_LOW, _VOLATILITY_HIGH = 0.03, 5.0


@dataclass(frozen=True, slots=True)
class ScenarioLeg:
    """Signed contracts of one option. `overnight` when its position may be held overnight."""

    contracts: int
    strike: float
    right: Right
    years: float
    days_to_expiry: int
    volatility: float
    underlying: float
    beta: float
    overnight: bool
    rate: float = 0.0
    dividends: float = 0.0


def _shift_scale(days_to_expiry: int) -> float:
    return min(1.5, max(0.5, float(np.sqrt(30 / max(1, days_to_expiry)))))


_MOVES = np.array(MOVES_PERCENT)[:, None, None] * 0.01
_SHIFTS = np.array(SHIFTS_POINTS)[None, :, None] * 0.01
_CELLS = tuple(product(MOVES_PERCENT, SHIFTS_POINTS, DAYS))
_SHAPE = (len(MOVES_PERCENT), len(SHIFTS_POINTS), len(DAYS))
_NEAR = np.array([abs(move) <= NEAR_PERCENT for move in MOVES_PERCENT])
_LIMITS = (
    (DenialCode.SCENARIO_NEAR, "near", _NEAR),
    (DenialCode.SCENARIO_FULL, "full", np.ones_like(_NEAR)),
)


def _cells(leg: ScenarioLeg) -> tuple[Floats, Floats, Floats]:
    """Spot, years and volatility of the leg in every cell; the pricing library takes columns."""
    ahead = np.array([day * _DAY_YEARS if leg.overnight else 0.0 for day in DAYS])
    spot = np.maximum(1e-6, leg.underlying * (1 + _MOVES * leg.beta) - leg.dividends)
    shifted = leg.volatility + _SHIFTS * _shift_scale(leg.days_to_expiry)
    volatility = np.clip(shifted, _VOLATILITY_LOW, _VOLATILITY_HIGH)
    years = np.maximum(0.0, leg.years - ahead)[None, None, :]
    parts = (spot, years, volatility)
    spots, times, sigmas = (np.broadcast_to(part, _SHAPE).ravel() for part in parts)
    return spots, times, sigmas


def _changes(legs: Sequence[ScenarioLeg]) -> list[Floats]:
    """Change of each leg's value in dollars, shape (moves, shifts, days); all priced at once."""
    cells = [_cells(leg) for leg in legs]
    size = len(cells[0][0])

    def column(values: Sequence[float]) -> Floats:
        return np.array(values, dtype=np.float64)

    strikes = column([leg.strike for leg in legs])
    rates = column([leg.rate for leg in legs])
    calls = column([1.0 if leg.right is Right.CALL else 0.0 for leg in legs])
    values = prices(
        np.concatenate([spot for spot, _, _ in cells]),
        np.repeat(strikes, size),
        np.concatenate([years for _, years, _ in cells]),
        np.repeat(rates, size),
        np.concatenate([volatility for _, _, volatility in cells]),
        np.repeat(calls, size),
    ).reshape(len(legs), *_SHAPE)
    starts = prices(
        column([max(1e-6, leg.underlying - leg.dividends) for leg in legs]),
        strikes,
        column([leg.years for leg in legs]),
        rates,
        column([leg.volatility for leg in legs]),
        calls,
    )
    return [(values[n] - starts[n]) * (leg.contracts * MULTIPLIER) for n, leg in enumerate(legs)]


def _totals(legs: Sequence[ScenarioLeg]) -> Floats:
    """P&L of the book in every cell against now."""
    total = np.zeros(_SHAPE)
    for change in _changes(legs) if legs else ():
        total = total + change
    return total


def revalue(legs: Sequence[ScenarioLeg]) -> ScenarioGrid:
    """P&L of every cell against now, in the order moves, shifts, days, and the worst cells."""
    pnl = tuple(value or 0.0 for value in significant_all(_totals(legs).ravel()))
    return ScenarioGrid(
        pnl_usd=pnl,
        worst_near=_worst(pnl, NEAR_PERCENT),
        worst=_worst(pnl, max(MOVES_PERCENT)),
    )


def scenario_breaches(
    legs: Sequence[ScenarioLeg], equity: Decimal, parameters: ParameterState
) -> list[DenialCode]:
    """Codes of `scenario_checks` that do not pass, from the worst losses alone: asked at every
    change of the book, where nobody looks at a cell."""
    totals = np.nan_to_num(_totals(legs), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    found: list[DenialCode] = []
    for code, name, cells in _LIMITS:
        worst = significant(float(totals[cells].min())) or 0.0
        if worst <= -parameters.number(f"risk.scenario.{name}") * float(equity):
            found.append(code)
    return found


def _worst(pnl: Sequence[float], most_percent: float) -> ScenarioCell:
    """The least P&L among moves of at most so much; tie: smaller move, negative first, smaller
    shift, now first."""
    inside = [k for k, (move, _, _) in enumerate(_CELLS) if abs(move) <= most_percent]
    least = min(pnl[k] for k in inside)
    tied = (_CELLS[k] for k in inside if pnl[k] == least)
    _, move, shift, day = min((abs(move), move, shift, day) for move, shift, day in tied)
    return ScenarioCell(move_percent=move, shift_points=shift, days=day, pnl_usd=least)


def scenario_checks(
    grid: ScenarioGrid, equity: Decimal, parameters: ParameterState
) -> tuple[Check, ...]:
    """The worst losses must stay above their limits; equal to the limit is a breach."""

    def row(code: DenialCode, name: str, cell: ScenarioCell) -> Check:
        limit = -parameters.number(f"risk.scenario.{name}") * float(equity)
        return Check(
            code=code.value,
            result=Result.PASS if cell.pnl_usd > limit else Result.FAIL,
            limit=f"> {significant(limit)} USD",
            value=f"{cell.pnl_usd} USD",
            input=f"move {cell.move_percent:+g} %, volatility {cell.shift_points:+g} points,"
            f" day {cell.days}",
        )

    return (
        row(DenialCode.SCENARIO_NEAR, "near", grid.worst_near),
        row(DenialCode.SCENARIO_FULL, "full", grid.worst),
    )
