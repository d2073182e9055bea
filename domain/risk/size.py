"""How many units: the full vector of sizing rules, of which the smallest binds (rules, 5.2).

Called by the decision for every signal; pure arithmetic on values the signal carries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from domain.events.risk import SizeVector
from domain.events.signals import RiskInputs
from domain.instruments import MULTIPLIER, Strategy, Structure
from domain.numbers import significant
from domain.parameter import ParameterState

UNITS_UNBOUNDED = 1e6
"""Stands for "no limit from this rule": JSON has no infinity."""
_FLOOR_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Room:
    """Units that one limit still allows, under the limit's code."""

    code: str
    units: float


def wilson_lower(hits: float, outcomes: float, z: float) -> float:
    """Lower end of the one-sided Wilson interval of a rate `hits` seen over `outcomes`."""
    square = z * z / outcomes
    root = math.sqrt(hits * (1 - hits) / outcomes + square / (4 * outcomes))
    return (hits + square / 2 - z * root) / (1 + square)


def probability_lower(inputs: RiskInputs, parameters: ParameterState) -> float:
    """p less what is unproven: the Wilson bound of the hit rate, or a fixed haircut before it."""
    if inputs.n_eff >= parameters.number("risk.size.n_eff_min") and inputs.model_hits is not None:
        z = parameters.number("risk.size.wilson_z")
        return min(inputs.p_win, wilson_lower(inputs.model_hits, inputs.n_eff, z))
    return inputs.p_win - parameters.number("risk.size.p_haircut")


def kelly_share(inputs: RiskInputs, parameters: ParameterState) -> float:
    """Share of equity by fractional Kelly, capped and scaled by trust; 0 without an edge."""
    gain, loss = inputs.target_usd - inputs.cost_usd, inputs.stop_usd + inputs.cost_usd
    if gain <= 0 or loss <= 0:
        return 0.0
    odds = gain / loss
    p = probability_lower(inputs, parameters)
    edge = p - (1 - p) / odds
    share = parameters.number("risk.size.kappa") * max(0.0, edge)
    return min(parameters.number("risk.size.kelly_cap"), share) * inputs.trust


def unit_deviation_usd(
    inputs: RiskInputs, structure: Structure, parameters: ParameterState
) -> float:
    """Standard deviation of one unit over a day, dollars, from delta, gamma and vega."""
    overnight = parameters.number("overnight_share")
    move = math.sqrt(inputs.rv_hat_day / (1 - overnight))
    spot = inputs.underlying_price
    delta = gamma = vega = 0.0
    for leg, quote in zip(structure.legs, inputs.legs, strict=True):
        delta += leg.ratio * quote.delta
        gamma += leg.ratio * quote.gamma
        vega += leg.ratio * quote.vega
    by_delta = delta * spot * move
    by_gamma = gamma * spot * spot * move * move
    by_vega = vega * 100 * parameters.number("risk.size.iv_day")
    return MULTIPLIER * math.sqrt(by_delta**2 + 0.5 * by_gamma**2 + by_vega**2)


def liquidity_units(
    inputs: RiskInputs, structure: Structure, strategy: Strategy, parameters: ParameterState
) -> float:
    """R5: a share of the smallest size shown on the side we hit, and of volume or interest."""
    shown = parameters.number("risk.size.displayed_share")
    traded = parameters.number("risk.size.volume_share")
    allowed = UNITS_UNBOUNDED
    for leg, quote in zip(structure.legs, inputs.legs, strict=True):
        side = quote.ask_size if leg.ratio > 0 else quote.bid_size
        crowd = quote.volume if strategy is Strategy.ZERO_DTE else quote.open_interest
        allowed = min(allowed, shown * side, traded * crowd)
    return allowed


def size(
    inputs: RiskInputs,
    structure: Structure,
    strategy: Strategy,
    equity_usd: float,
    max_loss_usd: float,
    half_factor: float,
    rooms: Sequence[Room],
    parameters: ParameterState,
) -> SizeVector:
    """The vector R1 to R5 and the units it allows.

    `max_loss_usd` is of one unit, fees included, above 0. `half_factor` multiplies R1 to R3 and
    is 0.5 for every rule that says half size.
    """
    if max_loss_usd <= 0 or equity_usd <= 0:
        raise ValueError(
            f"max loss and equity must be above 0, was {max_loss_usd} and {equity_usd}"
        )
    number = parameters.number
    units_of_equity = equity_usd / max_loss_usd
    bucket_share = number(f"risk.size.bucket_share.{strategy.value}")
    deviation = unit_deviation_usd(inputs, structure, parameters)
    r3 = number("risk.size.vol_target") * equity_usd / deviation if deviation > 0 else None
    tightest = min(rooms, key=lambda room: room.units, default=Room("none", UNITS_UNBOUNDED))
    vector = {
        "R1": bucket_share * inputs.trust * units_of_equity * half_factor,
        "R2": kelly_share(inputs, parameters) * units_of_equity * half_factor,
        "R3": UNITS_UNBOUNDED if r3 is None else r3 * half_factor,
        "R4": max(0.0, tightest.units),
        "R5": liquidity_units(inputs, structure, strategy, parameters),
    }
    rounded = {
        name: significant(min(value, UNITS_UNBOUNDED)) or 0.0 for name, value in vector.items()
    }
    name, least = min(rounded.items(), key=lambda item: item[1])
    return SizeVector(
        r1_bucket=rounded["R1"],
        r2_kelly=rounded["R2"],
        r3_volatility=rounded["R3"],
        r4_limits=rounded["R4"],
        r5_liquidity=rounded["R5"],
        binding=f"R4 {tightest.code}" if name == "R4" else name,
        units=max(0, math.floor(least + _FLOOR_TOLERANCE)),
    )
