"""The entry rows of 4.4: conditions under which a candidate arises and lives.

Called at every evaluation point; a condition whose input is missing does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.events.signals import Gate
from domain.instruments import Direction
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.signals.case import Case, Variant, gate
from domain.signals.score import opening_break


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the entry row; `holds` None when its input is missing."""

    name: str
    holds: bool | None
    measured: str


def _at_most(name: str, value: float | None, limit: float) -> Condition:
    return Condition(name, None if value is None else value <= limit, f"{name} {value}")


def trend_conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    """p, position in the noise area or opening break, side of VWAP, variance ratio."""
    reading = case.reading
    sign = 1 if case.direction is Direction.BULLISH else -1
    noise, broken = reading.number("noise_x"), opening_break(reading)
    spot, vwap = reading.number("spot_mid"), reading.number("vwap")
    beyond = noise is not None and noise * sign > 1
    agrees = broken is not None and broken * sign > 0
    known = noise is not None or broken is not None
    side = None if spot is None or vwap is None else (spot - vwap) * sign > 0
    least = parameters.number("signals.0dte.trend.p_min")
    return [
        Condition("p", case.p_side >= least, f"p {case.p_side:.4f}"),
        Condition("out", beyond or agrees if known else None, f"noise {noise}, break {broken}"),
        Condition("vwap", side, f"spot {spot}, vwap {vwap}"),
        _at_most(
            "vrp", reading.number("vrp_0dte"), parameters.number("signals.0dte.trend.vrp_max")
        ),
    ]


def range_conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    """Variance ratio, no direction, term structure, probability of the target."""
    reading, number = case.reading, parameters.number
    vrp, p_win = reading.number("vrp_0dte"), case.p_win
    dear = None if vrp is None else vrp >= number("signals.0dte.range.vrp_min")
    likely = None if p_win is None else p_win >= number("signals.0dte.range.p_min")
    return [
        Condition("vrp", dear, f"vrp {vrp}"),
        _at_most("score", abs(case.score.raw), number("signals.0dte.range.score_max")),
        _at_most("term", reading.number("term_slope"), number("signals.0dte.range.term_max")),
        Condition("p_win", likely, f"p_win {p_win}"),
    ]


def conditions(case: Case, parameters: ParameterState) -> list[Condition]:
    if case.variant is Variant.TREND:
        return trend_conditions(case, parameters)
    return range_conditions(case, parameters)


def _threshold_text(variant: Variant, parameters: ParameterState) -> str:
    number = parameters.number
    if variant is Variant.TREND:
        return (
            f"p >= {number('signals.0dte.trend.p_min')}, beyond the noise area or a break on our"
            f" side, right side of VWAP, vrp <= {number('signals.0dte.trend.vrp_max')}"
        )
    return (
        f"vrp >= {number('signals.0dte.range.vrp_min')},"
        f" |score| <= {number('signals.0dte.range.score_max')},"
        f" term <= {number('signals.0dte.range.term_max')},"
        f" p_win >= {number('signals.0dte.range.p_min')}"
    )


def entry_gate(case: Case, parameters: ParameterState) -> Gate:
    found = conditions(case, parameters)
    unknown = [c.name for c in found if c.holds is None]
    holds: bool | None = all(c.holds for c in found)
    if unknown and not any(c.holds is False for c in found):
        holds = None
    return gate(
        DenialCode.ENTRY_SCORE,
        holds,
        "; ".join(c.measured for c in found),
        _threshold_text(case.variant, parameters),
        f"missing: {', '.join(unknown)}" if unknown else "",
    )


def conditions_hold(case: Case, parameters: ParameterState) -> bool:
    return all(c.holds is True for c in conditions(case, parameters))
